"""The rounds of one model: boosting, evaluation, log lines, checkpoints and early stopping."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.algorithms.xgboost import metrics
from lowcloud.runtime.algorithms.xgboost.booster import Booster, Matrix
from lowcloud.runtime.algorithms.xgboost.checkpoints import Checkpoints
from lowcloud.runtime.algorithms.xgboost.collective import Communicator
from lowcloud.runtime.algorithms.xgboost.settings import XGBoostSettings
from lowcloud.runtime.stop_request import StopRequest
from lowcloud.schemas.xgboost.names import MAXIMIZED

Scores = dict[str, dict[str, float]]  # {set: {metric: value}}


@dataclass(frozen=True)
class DataSets:
    """The data of a model: matrices by name, of which the first is for training, and their labels."""

    matrices: Mapping[str, Matrix]
    labels: Mapping[str, NDArray[np.float64]]
    names: tuple[str, ...] = ()  # of the columns, the label first, if the data has names


@dataclass
class EarlyStopping:
    """Early stopping: the best value of one metric of the validation channel, and its round."""

    metric: str | None
    patience: int
    best_round: int = -1
    best_score: float = float("nan")
    copy: bytes = b""  # of the best model, if it cannot be extracted from a later one

    def record(self, scores: Scores, done: int, booster: Booster, keeps_copy: bool) -> bool:
        """Record the scores of a round; return whether to stop."""
        values = scores["validation"]
        name = next((name for name in values if name == self.metric), list(values)[-1])
        sign = -1.0 if name.partition("@")[0] in MAXIMIZED else 1.0
        if self.best_round < 0 or sign * values[name] < sign * self.best_score:
            self.best_round, self.best_score = done, values[name]
            booster.set_attribute("best_iteration", str(done))
            booster.set_attribute("best_score", repr(values[name]))
            if keeps_copy:
                self.copy = booster.to_bytes()
        return done - self.best_round >= self.patience

    def resume(self, booster: Booster) -> None:
        """Restore the best round from a checkpoint."""
        best = booster.attribute("best_iteration")
        if best is not None:
            self.best_round, self.best_score = int(best), float(booster.attribute("best_score") or "nan")


@dataclass(frozen=True)
class BoostingResult:
    """A model and the scores of its last round, or of the best round with early stopping."""

    booster: Booster
    scores: Scores


def boost(
    settings: XGBoostSettings,
    sets: DataSets,
    communicator: Communicator,
    checkpoints: Checkpoints,
    stop: StopRequest,
    start: tuple[bytes, int] = (b"", 0),
) -> BoostingResult:
    """Train one model, starting from a stored one and its number of rounds if given.

    Raises library.XGBoostLibraryError.
    """
    train = sets.matrices["train"]
    booster = Booster(settings.parameters, tuple(sets.matrices.values()))
    content, rounds_before = start
    if content:
        booster.load_bytes(content).configure(settings.parameters)
    early_stopping = _create_early_stopping(settings, sets, booster)
    is_linear = settings.values["booster"] == "gblinear"
    scores: Scores = {}
    for done in range(rounds_before, settings.rounds):
        if checkpoints.folder is not None:
            _reset_column_sampler(booster, settings)
        booster.update(done, train)
        latest = evaluate(settings, sets, communicator, booster, done)
        if communicator.rank == 0:
            print(format_round(done, latest), flush=True)
        should_stop = early_stopping is not None and early_stopping.record(latest, done, booster, is_linear)
        if early_stopping is None or early_stopping.best_round == done:
            scores = latest
        if communicator.rank == 0:
            checkpoints.save(booster, done, is_last=done + 1 == settings.rounds)
        if should_stop or _is_stop_requested(stop, communicator):
            break
    best = _best(booster, early_stopping)
    best.set_names(sets.names)
    return BoostingResult(best, scores)


def _reset_column_sampler(booster: Booster, settings: XGBoostSettings) -> None:
    """Make random draws of a round depend on its number only, so that a resumed job draws the same as without a break.

    seed_per_iteration does so for everything but the columns: their sampler belongs to the tree updater, which is
    recreated by selecting another updater in between. This takes at most a tenth of a millisecond.
    """
    if settings.values["booster"] == "gblinear":
        return
    name = "updater" if "updater" in settings.values else "tree_method"
    method = dict(settings.parameters).get(name, "auto")
    other = {"approx": "hist", "updater": "prune"}.get(method if name == "tree_method" else name, "approx")
    booster.configure([(name, other)])
    booster.settle()
    booster.configure([(name, method)])


def evaluate(
    settings: XGBoostSettings, sets: DataSets, communicator: Communicator, booster: Booster, done: int
) -> Scores:
    """Return all metrics of all sets after a round, over the rows of all hosts."""
    scores = booster.evaluate(done, sets.matrices)
    for name, matrix in sets.matrices.items() if settings.own_metrics else ():
        predictions = booster.predict(matrix).astype(np.float64)
        found = metrics.compute(
            settings.own_metrics, predictions, sets.labels[name], settings.objective, settings.classes, communicator.sum
        )
        scores[name] |= dict(zip(settings.own_metrics, found, strict=True))
    return scores


def format_round(number: int, scores: Scores) -> str:
    """Format the scores of a round as the catalogue's metric definitions expect them."""
    entries = (f"{name}-{metric}:{value:.5f}" for name, found in scores.items() for metric, value in found.items())
    return "\t".join([f"[{number}]", *entries])


def _create_early_stopping(settings: XGBoostSettings, sets: DataSets, booster: Booster) -> EarlyStopping | None:
    if settings.patience is None or "validation" not in sets.matrices:
        return None
    early_stopping = EarlyStopping(settings.early_stopping_metric, settings.patience)
    early_stopping.resume(booster)
    return early_stopping


def _is_stop_requested(stop: StopRequest, communicator: Communicator) -> bool:
    """Return whether any host has received a stop request: all must end after the same round."""
    return bool(communicator.sum(np.array([float(stop.is_requested)]))[0])


def _best(booster: Booster, early_stopping: EarlyStopping | None) -> Booster:
    if early_stopping is None or early_stopping.best_round < 0:
        return booster
    if early_stopping.copy:
        return Booster().load_bytes(early_stopping.copy)
    if booster.rounds <= early_stopping.best_round + 1:
        return booster
    best = booster.truncated(early_stopping.best_round + 1)
    best.set_attribute("best_iteration", str(early_stopping.best_round))
    best.set_attribute("best_score", repr(early_stopping.best_score))
    return best
