"""Cross-validation: a model a fold, as the hyperparameters _kfold and _num_cv_round ask for."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.algorithms.xgboost import metrics
from lowcloud.runtime.algorithms.xgboost.booster import Matrix
from lowcloud.runtime.algorithms.xgboost.boosting import Outcome, Scores, Sets, Stop, boost, line
from lowcloud.runtime.algorithms.xgboost.checkpoints import Checkpoints
from lowcloud.runtime.algorithms.xgboost.collective import Ring
from lowcloud.runtime.algorithms.xgboost.settings import Settings
from lowcloud.runtime.errors import ClientError

PREDICTIONS = "predictions.csv"


def validate(
    settings: Settings,
    whole: Matrix,
    y: NDArray[np.float64],
    model: Path,
    output: Path,
    stop: Stop,
) -> None:
    """Train a model on all rows but one fold, for each fold and repetition, and store it as MODEL-NUMBER.

    What each predicts for its fold is stored as predictions.csv: label, probability (of the class decided) and class;
    or label and mean prediction. Raises library.Failed.
    """
    model.parent.mkdir(parents=True, exist_ok=True)
    folds, repetitions = int(settings.values["_kfold"]), int(settings.values["_num_cv_round"])
    if folds > len(y):
        raise ClientError(f"_kfold asks for {folds} folds, but there are {len(y)} rows. Use fewer folds.")
    random = np.random.default_rng(abs(int(settings.values["seed"])))
    held_out: list[NDArray[np.float32]] = []
    outcomes: list[Outcome] = []
    for _ in range(repetitions):
        predicted: NDArray[np.float32] | None = None
        for rows in split(y if settings.classes else None, len(y), folds, random):
            if stop.is_asked:
                return
            outcome = _train(settings, whole, y, rows, stop)
            model.with_name(f"{model.name}-{len(outcomes)}").write_bytes(outcome.booster.to_bytes())
            outcomes.append(outcome)
            found = outcome.booster.predict(whole.take(rows))
            predicted = np.empty((len(y), *found.shape[1:]), np.float32) if predicted is None else predicted
            predicted[rows] = found
        assert predicted is not None
        held_out.append(predicted)
        print(line(settings.rounds, _mean(outcomes[-folds:])), flush=True)
    if repetitions > 1:
        print(line(settings.rounds, _mean(outcomes)), flush=True)
    output.mkdir(parents=True, exist_ok=True)
    np.savetxt(output / PREDICTIONS, _table(settings, y, held_out), delimiter=",", fmt="%f")


def split(
    labels: NDArray[np.float64] | None, rows: int, folds: int, random: np.random.Generator
) -> Iterator[NDArray[np.int32]]:
    """The rows of each fold: folds differ by a row at most, and with labels by a row of each class."""
    order = random.permutation(rows)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    for fold in range(folds):
        yield np.sort(order[fold::folds]).astype(np.int32)


def _train(settings: Settings, whole: Matrix, y: NDArray[np.float64], held: NDArray[np.int32], stop: Stop) -> Outcome:
    rest = np.setdiff1d(np.arange(len(y), dtype=np.int32), held)
    matrices = {"train": whole.take(rest), "validation": whole.take(held)}
    sets = Sets(matrices, {"train": y[rest], "validation": y[held]})
    return boost(settings, sets, Ring(), Checkpoints(None), stop)


def _mean(outcomes: list[Outcome]) -> Scores:
    first = outcomes[0].scores
    return {
        name: {metric: float(np.mean([one.scores[name][metric] for one in outcomes])) for metric in found}
        for name, found in first.items()
    }


def _table(settings: Settings, y: NDArray[np.float64], held_out: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    if not settings.classes:
        return np.column_stack([y, np.mean(held_out, axis=0)])
    decided = np.stack([metrics.decide(one.astype(np.float64), settings.objective) for one in held_out])
    votes = np.apply_along_axis(np.bincount, 0, decided, minlength=settings.classes).argmax(axis=0)
    sure = [one if one.ndim == 1 else one.max(axis=1) for one in held_out]
    return np.column_stack([y, np.mean(sure, axis=0), votes])
