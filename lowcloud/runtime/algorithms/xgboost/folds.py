"""Cross-validation with one model per fold, for the hyperparameters _kfold and _num_cv_round."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.algorithms.xgboost import metrics
from lowcloud.runtime.algorithms.xgboost.boosting import (
    BoostingResult,
    DataSets,
    Scores,
    boost,
    format_round,
)
from lowcloud.runtime.algorithms.xgboost.checkpoints import Checkpoints
from lowcloud.runtime.algorithms.xgboost.collective import Communicator
from lowcloud.runtime.algorithms.xgboost.settings import XGBoostSettings
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.stop_request import StopRequest

PREDICTIONS = "predictions.csv"


def validate(
    settings: XGBoostSettings,
    sets: DataSets,
    model: Path,
    output: Path,
    stop: StopRequest,
) -> None:
    """Train a model on all rows of the set train except one fold, for each fold and repetition; store MODEL-NUMBER.

    The predictions for the folds are stored as predictions.csv: label, probability of the predicted class, and class;
    or label and mean prediction. Raises library.XGBoostLibraryError.
    """
    model.parent.mkdir(parents=True, exist_ok=True)
    all_rows, y = sets.matrices["train"], sets.labels["train"]
    folds, repetitions = int(settings.values["_kfold"]), int(settings.values["_num_cv_round"])
    if folds > len(y):
        raise ClientError(f"_kfold requests {folds} folds, but there are {len(y)} rows. Use fewer folds.")
    random = np.random.default_rng(abs(int(settings.values["seed"])))
    held_out: list[NDArray[np.float32]] = []
    results: list[BoostingResult] = []
    for _ in range(repetitions):
        predicted: NDArray[np.float32] | None = None
        for rows in split(y if settings.classes else None, len(y), folds, random):
            if stop.is_requested:
                return
            result = _train(settings, sets, rows, stop)
            model.with_name(f"{model.name}-{len(results)}").write_bytes(result.booster.to_bytes())
            results.append(result)
            found = result.booster.predict(all_rows.take(rows))
            predicted = np.empty((len(y), *found.shape[1:]), np.float32) if predicted is None else predicted
            predicted[rows] = found
        assert predicted is not None
        held_out.append(predicted)
        print(format_round(settings.rounds, _mean(results[-folds:])), flush=True)
    if repetitions > 1:
        print(format_round(settings.rounds, _mean(results)), flush=True)
    output.mkdir(parents=True, exist_ok=True)
    np.savetxt(output / PREDICTIONS, _table(settings, y, held_out), delimiter=",", fmt="%f")


def split(
    labels: NDArray[np.float64] | None, rows: int, folds: int, random: np.random.Generator
) -> Iterator[NDArray[np.int32]]:
    """Return the rows of each fold: sizes differ by at most one row, with labels also in each class."""
    order = random.permutation(rows)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    for fold in range(folds):
        yield np.sort(order[fold::folds]).astype(np.int32)


def _train(settings: XGBoostSettings, sets: DataSets, held: NDArray[np.int32], stop: StopRequest) -> BoostingResult:
    all_rows, y = sets.matrices["train"], sets.labels["train"]
    rest = np.setdiff1d(np.arange(len(y), dtype=np.int32), held)
    matrices = {"train": all_rows.take(rest), "validation": all_rows.take(held)}
    parts = DataSets(matrices, {"train": y[rest], "validation": y[held]}, sets.names)
    return boost(settings, parts, Communicator(), Checkpoints(None), stop)


def _mean(results: list[BoostingResult]) -> Scores:
    first = results[0].scores
    return {
        name: {metric: float(np.mean([one.scores[name][metric] for one in results])) for metric in found}
        for name, found in first.items()
    }


def _table(
    settings: XGBoostSettings, y: NDArray[np.float64], held_out: list[NDArray[np.float32]]
) -> NDArray[np.float64]:
    if not settings.classes:
        return np.column_stack([y, np.mean(held_out, axis=0)])
    decided = np.stack([metrics.decide(one.astype(np.float64), settings.objective) for one in held_out])
    votes = np.apply_along_axis(np.bincount, 0, decided, minlength=settings.classes).argmax(axis=0)
    probabilities = [one if one.ndim == 1 else one.max(axis=1) for one in held_out]
    return np.column_stack([y, np.mean(probabilities, axis=0), votes])
