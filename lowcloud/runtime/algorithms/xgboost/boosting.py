"""The rounds of one model: boost, evaluate, print, keep a checkpoint, and stop where it is time to."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.algorithms.xgboost import metrics
from lowcloud.runtime.algorithms.xgboost.booster import Booster, Matrix
from lowcloud.runtime.algorithms.xgboost.checkpoints import Checkpoints
from lowcloud.runtime.algorithms.xgboost.collective import Ring
from lowcloud.runtime.algorithms.xgboost.settings import Settings
from lowcloud.schemas.xgboost.names import MAXIMIZED

Scores = dict[str, dict[str, float]]  # {set: {metric: value}}


@dataclass
class Stop:
    """Whether SIGTERM has come."""

    is_asked: bool = False

    @contextmanager
    def listening(self) -> Iterator["Stop"]:
        """Take SIGTERM for a wish to end after the round that runs."""

        def ask(_number: int, _frame: FrameType | None) -> None:
            self.is_asked = True

        before = signal.signal(signal.SIGTERM, ask)
        try:
            yield self
        finally:
            signal.signal(signal.SIGTERM, before)


@dataclass(frozen=True)
class Sets:
    """What a model is trained and judged on: matrices by name, the first to train on, and their labels."""

    matrices: Mapping[str, Matrix]
    labels: Mapping[str, NDArray[np.float64]]


@dataclass
class Judge:
    """Early stopping: the best value of one metric of the channel validation, and when it was."""

    metric: str | None
    patience: int
    best_round: int = -1
    best_score: float = float("nan")
    copy: bytes = b""  # of the best model, where it cannot be cut out of a later one

    def see(self, scores: Scores, done: int, booster: Booster, keeps_copy: bool) -> bool:
        """Take a round's scores in; whether it is time to stop."""
        found = scores["validation"]
        name = next((name for name in found if name == self.metric), list(found)[-1])
        sign = -1.0 if name.partition("@")[0] in MAXIMIZED else 1.0
        if self.best_round < 0 or sign * found[name] < sign * self.best_score:
            self.best_round, self.best_score = done, found[name]
            booster.note("best_iteration", str(done))
            booster.note("best_score", repr(found[name]))
            if keeps_copy:
                self.copy = booster.to_bytes()
        return done - self.best_round >= self.patience

    def resume(self, booster: Booster) -> None:
        """Remember what a checkpoint says of the best round."""
        best = booster.noted("best_iteration")
        if best is not None:
            self.best_round, self.best_score = int(best), float(booster.noted("best_score") or "nan")


@dataclass(frozen=True)
class Outcome:
    """A model, and the scores of its last round (with early stopping, of the best)."""

    booster: Booster
    scores: Scores


def boost(
    settings: Settings,
    sets: Sets,
    ring: Ring,
    checkpoints: Checkpoints,
    stop: Stop,
    start: tuple[bytes, int] = (b"", 0),
) -> Outcome:
    """Train one model, from a stored one with so many rounds behind it if there is any. Raises library.Failed."""
    train = sets.matrices["train"]
    booster = Booster(settings.parameters, tuple(sets.matrices.values()))
    content, begun = start
    if content:
        booster.load_bytes(content).configure(settings.parameters)
    judge = _judge(settings, sets, booster)
    is_linear = settings.values["booster"] == "gblinear"
    scores: Scores = {}
    for done in range(begun, settings.rounds):
        if checkpoints.folder is not None:
            _forget_draws(booster, settings)
        booster.update(done, train)
        latest = evaluate(settings, sets, ring, booster, done)
        if ring.rank == 0:
            print(line(done, latest), flush=True)
        is_over = judge is not None and judge.see(latest, done, booster, is_linear)
        if judge is None or judge.best_round == done:
            scores = latest
        if ring.rank == 0:
            checkpoints.keep(booster, done, is_last=done + 1 == settings.rounds)
        if is_over or _is_asked(stop, ring):
            break
    return Outcome(_best(booster, judge), scores)


def _forget_draws(booster: Booster, settings: Settings) -> None:
    """Have what a round draws depend on its number alone, so that a resumed job draws what it would have drawn.

    With seed_per_iteration that holds for all but the columns: their sampler lives as long as the builder of trees, so
    that is made anew, by asking for another one in between. It costs no more than a tenth of a millisecond.
    """
    if settings.values["booster"] == "gblinear":
        return
    name = "updater" if "updater" in settings.values else "tree_method"
    method = dict(settings.parameters).get(name, "auto")
    other = {"approx": "hist", "updater": "prune"}.get(method if name == "tree_method" else name, "approx")
    booster.configure([(name, other)])
    booster.settle()
    booster.configure([(name, method)])


def evaluate(settings: Settings, sets: Sets, ring: Ring, booster: Booster, done: int) -> Scores:
    """Every metric of every set after a round, over the rows of all hosts."""
    scores = booster.evaluate(done, sets.matrices)
    for name, matrix in sets.matrices.items() if settings.own_metrics else ():
        predictions = booster.predict(matrix).astype(np.float64)
        found = metrics.compute(
            settings.own_metrics, predictions, sets.labels[name], settings.objective, settings.classes, ring.sum
        )
        scores[name] |= dict(zip(settings.own_metrics, found, strict=True))
    return scores


def line(number: int, scores: Scores) -> str:
    """A round's scores as the metric definitions of the catalogue look for them."""
    entries = (f"{name}-{metric}:{value:.5f}" for name, found in scores.items() for metric, value in found.items())
    return "\t".join([f"[{number}]", *entries])


def _judge(settings: Settings, sets: Sets, booster: Booster) -> Judge | None:
    if settings.patience is None or "validation" not in sets.matrices:
        return None
    judge = Judge(settings.judge, settings.patience)
    judge.resume(booster)
    return judge


def _is_asked(stop: Stop, ring: Ring) -> bool:
    """Whether any host was asked to stop: all must end after the same round."""
    return bool(ring.sum(np.array([float(stop.is_asked)]))[0])


def _best(booster: Booster, judge: Judge | None) -> Booster:
    if judge is None or judge.best_round < 0:
        return booster
    if judge.copy:
        return Booster().load_bytes(judge.copy)
    if booster.rounds <= judge.best_round + 1:
        return booster
    best = booster.first(judge.best_round + 1)
    best.note("best_iteration", str(judge.best_round))
    best.note("best_score", repr(judge.best_score))
    return best
