"""Predictions of a built-in algorithm's model, as returned by its endpoint."""

import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lowcloud.runtime import algorithms
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms import FILE, load
from lowcloud.runtime.feature_transforms.requests import TransformedPredictor
from lowcloud.runtime.formats import BadRequestError, NotAcceptableError, UnsupportedMediaTypeError
from lowcloud.runtime.processing.evaluate.archive import unpack
from lowcloud.runtime.processing.evaluate.table import LABEL, PREDICTED, SCORE, find_column
from lowcloud.runtime.processing.program import Arguments
from lowcloud.runtime.serving.serve import Predictor
from lowcloud.schemas.evaluate import ALGORITHMS

ARCHIVE = "model.tar.gz"
Responses = NDArray[np.float64]  # (rows, numbers per row)
MODEL_FILES = {"xgboost-model": "xgboost"}  # identifies a model by a file; others name their format in model.json
LABELS_FIRST = frozenset({"linear-learner"})  # whose classifiers return the label before the scores
TASKS = {  # by prefix of a model's objective
    "reg:logistic": "binary",
    "binary": "binary",
    "multi": "multiclass",
    "reg": "regression",
    "count:": "regression",
    "survival:": "regression",
}
CLASS_OBJECTIVES = frozenset({"multi:softmax", "binary:hinge"})  # whose predictions are classes, not scores
BATCH = 5000


def find(base: Path) -> Path | None:
    """Return the folder of the job's model: model or input/model."""
    folders = (base / "model", base / "input" / "model")
    return next((folder for folder in folders if folder.is_dir() and any(folder.iterdir())), None)


@dataclass(frozen=True)
class ModelPredictions:
    """The truth and the model's predictions as columns, the name of the truth, and its task and classes if known."""

    frame: pl.DataFrame
    label: str
    task: str | None = None
    classes: tuple[str, ...] | None = None


def predict(folder: Path, frame: pl.DataFrame, settings: Arguments) -> ModelPredictions:
    """Predict with the model in the folder (or in its model.tar.gz), from all columns except the label.

    A model with a transform receives raw columns by name if they exist. Raises ClientError.
    """
    with tempfile.TemporaryDirectory() as unpacked:
        if (folder / ARCHIVE).exists():
            unpack(folder / ARCHIVE, Path(unpacked))
            folder = Path(unpacked)
        name = _algorithm(folder, settings.text("algorithm"))
        predictor = _load(name, folder)
        transform = load(folder / FILE) if (folder / FILE).exists() else None
        used = [source.name for source in transform.used] if transform else []
        if transform is None or not set(used) <= set(frame.columns):
            label = find_column(frame, settings, "label")
            predictions = _predict(predictor, _features(frame.drop(label), predictor), False)
            return ModelPredictions(_columns(frame[label], predictions, name, predictor), label, _task(predictor))
        target = transform.target
        is_named = target is not None and settings.text("label") == LABEL and target.name in frame.columns
        label = target.name if target is not None and is_named else find_column(frame, settings, "label")
        predictions = _predict(TransformedPredictor(predictor, transform), frame.select(used), True)
        found = _columns(frame[label], predictions, name, predictor)
        classes = target.classes if target is not None else None
        if classes and PREDICTED in found.columns:
            words = [classes[int(code)] for code in found[PREDICTED]]
            found = found.with_columns(pl.Series(PREDICTED, words))
        return ModelPredictions(found, label, _task(predictor), classes)


def _features(frame: pl.DataFrame, predictor: Predictor) -> pl.DataFrame:
    """Return the columns that the model was trained on, by name if it knows the names and the input has some."""
    names = list(getattr(predictor, "names", ()))
    if not names or all(column.startswith("column_") for column in frame.columns):
        return frame
    lacking = [name for name in names if name not in frame.columns]
    if lacking:
        raise ClientError(
            f"The input does not have the column {lacking[0]!r}, which the model was trained on; its columns are "
            f"{', '.join(frame.columns[:30])}."
        )
    others = [column for column in frame.columns if column not in names]
    if others:
        print(f"The model does not use the columns {', '.join(map(repr, others[:20]))}.", flush=True)
    return frame.select(names)


def _load(name: str, folder: Path) -> Predictor:
    try:
        return cast(Predictor, algorithms.find(name).load(folder))
    except Exception as error:
        raise ClientError(f"The model of {name} cannot be loaded: {error}") from error


def _predict(predictor: Predictor, features: pl.DataFrame, has_header: bool) -> Responses:
    lines: list[list[float]] = []
    for start in range(0, len(features), BATCH):
        body = io.BytesIO()
        features.slice(start, BATCH).write_csv(body, include_header=has_header)
        try:
            response, _ = predictor.respond(body.getvalue(), "text/csv", "text/csv")
        except (BadRequestError, UnsupportedMediaTypeError, NotAcceptableError) as error:
            raise ClientError(f"The model rejects the rows from {start + 1} on: {error}") from None
        text = response.decode().replace("[", "").replace("]", "")
        lines += [[float(cell) for cell in line.split(",")] for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and len(features) > 1:  # one line of all predictions
        lines = [[score] for score in lines[0]]
    if len(lines) != len(features):
        raise ClientError(f"The model returned {len(lines)} predictions for {len(features)} rows.")
    return np.array(lines)


def _objective(predictor: Predictor) -> str:
    """Return a model's objective, in the terms of its algorithm."""
    model = getattr(predictor, "model", None)
    return str(getattr(predictor, "objective", None) or getattr(model, "predictor_type", ""))


def _task(predictor: Predictor) -> str | None:
    objective = _objective(predictor)
    return next((task for start, task in TASKS.items() if objective.startswith(start)), None)


def _columns(label: pl.Series, predictions: Responses, name: str, predictor: Predictor) -> pl.DataFrame:
    frame = label.to_frame()
    if name in LABELS_FIRST and predictions.shape[1] > 1:
        frame = frame.with_columns(pl.Series(PREDICTED, predictions[:, 0]))
        predictions = predictions[:, 1:]
    if predictions.shape[1] == 1:
        is_decision = _task(predictor) == "regression" or _objective(predictor) in CLASS_OBJECTIVES
        return frame.with_columns(pl.Series(PREDICTED if is_decision else SCORE, predictions[:, 0]))
    return frame.with_columns(pl.Series(f"{SCORE}_{i}", predictions[:, i]) for i in range(predictions.shape[1]))


def _algorithm(folder: Path, requested: str) -> str:
    if requested != "auto":
        name = requested
    elif (folder / "model.json").exists():
        try:
            name = str(json.loads((folder / "model.json").read_text()).get("format", "")).removeprefix("lowcloud/")
        except (ValueError, AttributeError):
            name = ""
    else:
        name = next((known for mark, known in MODEL_FILES.items() if (folder / mark).exists()), "")
    if name not in ALGORITHMS:
        raise ClientError(
            f"The model in {folder.name} is not of a supported algorithm ({', '.join(ALGORITHMS)}). "
            "Predict with a batch transform, and evaluate its output."
        )
    return name
