"""Measures of scores that are probabilities: log-loss, Brier score, reliability.

Expected calibration error: Guo et al., "On Calibration of Modern Neural Networks" (2017), over bins of equal width.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
TINY = float(np.finfo(np.float64).eps)  # a probability of 0 or 1 is taken to be this far off


def are_probabilities(scores: Floats) -> bool:
    """Whether scores (rows,) or (rows, classes) can be probabilities."""
    inside = bool(((scores >= 0) & (scores <= 1)).all())
    return inside and (scores.ndim == 1 or bool(np.allclose(scores.sum(axis=1), 1, atol=1e-3)))


def log_loss(chance: Floats, weights: Floats) -> float:
    """Mean of -log of the probability (rows,) that each row's true class was given."""
    return float(-np.average(np.log(np.clip(chance, TINY, 1 - TINY)), weights=weights))


def brier(scores: Floats, truth: Floats, weights: Floats) -> float:
    """Mean squared distance of probabilities from the truth (0 or 1); over classes, (rows, classes), their sum."""
    squares = (scores - truth) ** 2
    return float(np.average(squares if squares.ndim == 1 else squares.sum(axis=1), weights=weights))


@dataclass(frozen=True)
class Reliability:
    """Bins of predicted probability that have rows: their mean probability, the share that came true, their weight."""

    predicted: Floats
    observed: Floats
    weight: Floats

    @property
    def error(self) -> float:
        """Mean distance of the two, by weight: the expected calibration error."""
        return float(np.average(np.abs(self.predicted - self.observed), weights=self.weight))


def reliability(chance: Floats, came_true: NDArray[np.bool_], weights: Floats, bins: int) -> Reliability:
    """Compare predicted probabilities (rows,) to what happened, in `bins` bins of equal width."""
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], chance)
    weight = np.bincount(place, weights, bins).astype(np.float64, copy=False)
    filled = weight > 0
    predicted = np.bincount(place, weights * chance, bins)[filled] / weight[filled]
    observed = np.bincount(place, weights * came_true, bins)[filled] / weight[filled]
    return Reliability(predicted, observed, weight[filled])
