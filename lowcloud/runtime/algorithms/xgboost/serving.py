"""The predictor of an xgboost endpoint: from the bytes of a request to those of its response."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import simdjson

from lowcloud.runtime.algorithms.xgboost import library, selection
from lowcloud.runtime.algorithms.xgboost.booster import Booster, Floats, Matrix
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats import (
    BadRequestError,
    NotAcceptableError,
    UnsupportedMediaTypeError,
    csv_rows,
    libsvm,
    recordio,
)
from lowcloud.runtime.formats.inference import (
    CSV,
    DECODERS,
    JSON,
    JSON_LINES,
    LARGEST,
    RECORDIO,
    RowFormat,
    check_not_blank,
    decode_request,
)
from lowcloud.runtime.formats.sparse import SparseMatrix

MODEL = "xgboost-model"
LIBSVM = "text/libsvm"
ALIASES = {"csv": CSV, "text/x-libsvm": LIBSVM, "libsvm": LIBSVM, "recordio-protobuf": RECORDIO}
DELIMITERS = b";\t|"
ACCEPT_VARIABLE = "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"
BATCH_VARIABLE = "SAGEMAKER_BATCH"
ENSEMBLE_VARIABLE = "SAGEMAKER_INFERENCE_ENSEMBLE"


class UnreadableXGBoostModelError(Exception):
    """A folder does not contain a model of XGBoost."""


class XGBoostPredictor:
    """A loaded model, or several whose predictions are averaged, that answers requests."""

    def __init__(self, folder: Path, is_one_line: bool = False):
        self.models = _load(folder)
        self.features = max(model.features for model in self.models)
        self.names = self.models[0].names[1:]  # of the features, if the training data had names
        self._expected = RowFormat(self.features, self.names, allows_missing=True, delimiters=DELIMITERS)
        learner = self.models[0].learner()
        self.objective = str(learner["objective"]["name"])
        self.classes = int(learner["learner_model_param"]["num_class"])
        self._is_linear = learner["gradient_booster"]["name"] == "gblinear"
        is_batch = os.environ.get(BATCH_VARIABLE, "").lower() == "true"
        self._separator, self._end = (",", "") if is_one_line and not is_batch else ("\n", "\n")
        self._default = os.environ.get(ACCEPT_VARIABLE) or CSV
        self._selected = selection.read_keys(os.environ, self.objective)
        self._row = np.empty((1, self.features), np.float32)
        self._predict_row = None if self._is_linear or len(self.models) > 1 else self.models[0].row_predictor(self._row)

    def respond(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Predict the rows of a request; return the response body and its content type.

        Raises formats.BadRequestError (400), UnsupportedMediaTypeError (415) and NotAcceptableError (406).
        """
        if content_type in ("", CSV) and self._predict_row and self._fill_row(body):
            predictions = self._predict_row()
        else:
            predictions = self.predict(decode(body, content_type, self._expected))
        return self._encode(predictions, accept)

    def predict(self, rows: Floats | SparseMatrix) -> Floats:
        """Return predictions (rows,) or (rows, classes)."""
        try:
            predictions = [
                model.predict(Matrix(rows, 1)) if self._is_linear else model.predict_rows(rows) for model in self.models
            ]
        except library.XGBoostLibraryError as error:
            raise BadRequestError(f"XGBoost cannot predict these rows: {error}") from error
        return predictions[0] if len(predictions) == 1 else np.mean(predictions, axis=0, dtype=np.float32)

    def _fill_row(self, body: bytes) -> bool:
        """Parse a body of one CSV row; return False if it is not one row of plain numbers."""
        row = body.rstrip()
        if b"\n" in row or b"_" in row:
            return False
        try:
            cells = [float(cell) for cell in row.split(b",")]
        except ValueError:
            return False
        if len(cells) != self.features or not -LARGEST <= min(cells) <= max(cells) <= LARGEST:
            return False
        self._row[0] = cells
        return bool(abs(self._row[0].sum()) < np.inf)

    def _encode(self, predictions: Floats, accept: str) -> tuple[bytes, str]:
        for entry in accept.split(","):
            media_type = entry.partition(";")[0].strip().lower()
            media_type = (
                self._default if media_type in ("", "*/*") else CSV if media_type in ("csv", "text/*") else media_type
            )
            if media_type in ENCODERS:
                if self._selected:
                    responses = selection.select(predictions, self._selected, self.objective, self.classes)
                    return selection.encode(responses, self._selected, media_type), media_type
                if media_type == CSV:
                    return (self._separator.join(map(str, predictions.tolist())) + self._end).encode(), CSV
                return ENCODERS[media_type](predictions.tolist()), media_type
        raise NotAcceptableError(f"No response can be sent as {accept[:80]!r}. Accept one of {', '.join(ENCODERS)}.")


def _load(folder: Path) -> list[Booster]:
    """Load the model of a folder, or all models of a cross-validation. Raises UnreadableXGBoostModelError."""
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    paths = [path for path in files if path.name.startswith(MODEL)] or files[:1]
    if not paths:
        raise UnreadableXGBoostModelError(f"The model archive does not contain the file {MODEL}.")
    if os.environ.get(ENSEMBLE_VARIABLE, "true").lower() == "false":
        paths = paths[:1]
    return [_load_one(path) for path in paths]


def _load_one(path: Path) -> Booster:
    content = path.read_bytes()
    if content[:1] == b"\x80":
        raise UnreadableXGBoostModelError(
            f"{path.name} is a pickle, which is not loaded because it could run any code. If you trust it, load it "
            "yourself and store the model with Booster.save_model."
        )
    try:
        model = Booster([("nthread", "1")]).load_bytes(content)
        model.configure([("nthread", "1"), ("device", "cpu")])
        model.learner()
    except (library.XGBoostLibraryError, ClientError) as error:
        raise UnreadableXGBoostModelError(f"{path.name} is not a valid XGBoost model: {error}") from error
    return model


def decode(body: bytes, content_type: str, expected: RowFormat) -> Floats | SparseMatrix:
    """Decode the rows of a request, with missing values as NaN or absent.

    Raises BadRequestError and UnsupportedMediaTypeError.
    """
    media_type = content_type.partition(";")[0].strip().lower() or CSV
    media_type = ALIASES.get(media_type, media_type)
    if media_type == LIBSVM:
        return _decode_libsvm(body, expected.features)
    if media_type not in DECODERS:
        raise UnsupportedMediaTypeError(
            f"Content type {content_type[:80]!r} is not supported. Send {CSV}, {LIBSVM}, {RECORDIO}, {JSON} or "
            f"{JSON_LINES}."
        )
    return decode_request(body, media_type, expected).astype(np.float32)


def _decode_libsvm(body: bytes, features: int) -> SparseMatrix:
    """Decode rows of column:value; a leading label, which has no colon, is ignored."""
    lines = csv_rows.lines_of(body)
    if not lines:
        raise BadRequestError("The request has no rows.")
    for number, line in enumerate(lines, 1):
        check_not_blank(line, number)
    labelled = [line if b":" not in line.split(maxsplit=1)[0] else b"0 " + line for line in lines]
    rows = libsvm.parse(b"\n".join(labelled), simdjson.Parser())
    if rows is None or len(rows.labels) != len(lines):
        row = next((i for i, line in enumerate(labelled, 1) if libsvm.parse(line, simdjson.Parser()) is None), 0)
        raise BadRequestError(
            f"{f'Row {row}' if row else 'The request'} is not valid libsvm: each row must look like 0:1.5 3:2, with "
            "columns counted from 0, each once."
        )
    if len(rows.indices) and int(rows.indices.max()) >= features:
        raise BadRequestError(
            f"The request has column {int(rows.indices.max())}, but the model's are 0 to {features - 1}."
        )
    starts = np.concatenate([[0], np.cumsum(rows.counts)]).astype(np.int64)
    with np.errstate(over="ignore"):
        values = rows.values.astype(np.float32)
    if np.isinf(values).any():
        row = int(np.searchsorted(starts, int(np.isinf(values).argmax()), "right"))
        raise BadRequestError(f"Row {row} has a feature that is infinite as float32.")
    return SparseMatrix(starts, rows.indices.astype(np.int32), values, features)


def _objects(scores: list[Any]) -> list[dict[str, Any]]:
    return [{"score": score} for score in scores]


ENCODERS: dict[str, Callable[[list[Any]], bytes]] = {
    CSV: lambda scores: "\n".join(map(str, scores)).encode(),
    JSON: lambda scores: json.dumps({"predictions": _objects(scores)}).encode(),
    JSON_LINES: lambda scores: "".join(json.dumps(entry) + "\n" for entry in _objects(scores)).encode(),
    RECORDIO: lambda scores: b"".join(
        recordio.encode(None, {"score": np.atleast_1d(np.asarray(score, np.float32))}) for score in scores
    ),
}
