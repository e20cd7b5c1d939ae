"""Metrics of probabilities: log-loss, Brier score, reliability.

Expected calibration error: Guo et al., "On Calibration of Modern Neural Networks" (2017), over bins of equal width.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
TINY = float(np.finfo(np.float64).eps)  # minimum distance of a probability from 0 and 1


def are_probabilities(scores: Floats) -> bool:
    """Return whether scores (rows,) or (rows, classes) can be probabilities."""
    inside = bool(((scores >= 0) & (scores <= 1)).all())
    return inside and (scores.ndim == 1 or bool(np.allclose(scores.sum(axis=1), 1, atol=1e-3)))


def log_loss(chance: Floats, weights: Floats) -> float:
    """Return the mean of -log of the probability (rows,) of each row's true class."""
    return float(-np.average(np.log(np.clip(chance, TINY, 1 - TINY)), weights=weights))


def brier(scores: Floats, truth: Floats, weights: Floats) -> float:
    """Return the mean squared distance of probabilities from the truth (0 or 1), summed over classes if several."""
    squares = (scores - truth) ** 2
    return float(np.average(squares if squares.ndim == 1 else squares.sum(axis=1), weights=weights))


@dataclass(frozen=True)
class Reliability:
    """The non-empty bins of predicted probability: mean probability, observed frequency and weight."""

    predicted: Floats
    observed: Floats
    weight: Floats

    @property
    def error(self) -> float:
        """Return the weighted mean distance of both: the expected calibration error."""
        return float(np.average(np.abs(self.predicted - self.observed), weights=self.weight))


def reliability(chance: Floats, came_true: NDArray[np.bool_], weights: Floats, bins: int) -> Reliability:
    """Compare predicted probabilities (rows,) with observed outcomes, in `bins` bins of equal width."""
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], chance)
    weight = np.bincount(place, weights, bins).astype(np.float64, copy=False)
    filled = weight > 0
    predicted = np.bincount(place, weights * chance, bins)[filled] / weight[filled]
    observed = np.bincount(place, weights * came_true, bins)[filled] / weight[filled]
    return Reliability(predicted, observed, weight[filled])
