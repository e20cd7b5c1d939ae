"""Means and deviations of features and label, measured on a sample of the rows of all hosts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.algorithms.linear_learner.objective import Scaling
from lowcloud.runtime.collectives import ProcessGroup

Floats = NDArray[np.float64]
FAR = 8.0  # a mean this many deviations from 0 would cost float32 too many digits


@dataclass(frozen=True)
class LabelScaling:
    """A regressor is trained on (label - shift) / scale."""

    shift: float = 0.0
    scale: float = 1.0
    deviation: float = 1.0  # of the label as it is


def measure(x: NDArray[np.float32], points: int, process_group: ProcessGroup) -> tuple[Floats, Floats]:
    """Mean and deviation of each feature over about `points` rows spread evenly over all hosts' rows."""
    rows = int(process_group.sum(np.array([float(len(x))]))[0])
    share = min(len(x), -(-points * len(x) // max(rows, 1)))
    sample = x[np.arange(share) * len(x) // max(share, 1)].astype(np.float64)
    count, total = _sums(sample, process_group)
    mean = total / max(count, 1)
    _, squares = _sums((sample - mean) ** 2, process_group)
    return mean, np.sqrt(squares / max(count, 1))


def measure_label(y: Floats, shifts: bool, scales: bool, process_group: ProcessGroup) -> LabelScaling:
    """The label's scaling over all rows; a constant label is not divided."""
    count, total = _sums(y[:, None], process_group)
    mean = float(total[0]) / max(count, 1)
    _, squares = _sums((y[:, None] - mean) ** 2, process_group)
    deviation = float(np.sqrt(squares[0] / max(count, 1)))
    usable = deviation > 1e-12 * max(abs(mean), 1e-300)
    return LabelScaling(mean if shifts else 0.0, deviation if scales and usable else 1.0, deviation if usable else 1.0)


def make(mean: Floats, deviation: Floats, shifts: bool, scales: bool) -> tuple[Scaling, Floats]:
    """The scaling to train with, and the origin (features,) to subtract from the rows in place beforehand.

    Only features far from 0 get an origin: the rest are shifted exactly enough by folding the shift into the bias.
    """
    varies = deviation > 1e-7 * np.abs(mean)
    scale = np.where(varies & scales, deviation, 1.0)
    shift = mean if shifts else np.zeros_like(mean)
    origin = np.where(np.abs(shift) > FAR * np.where(varies, deviation, 0.0), shift, 0.0)
    origin = origin.astype(np.float32).astype(np.float64)  # what float32 rows can be moved by
    return Scaling(shift - origin, scale), origin


def move(x: NDArray[np.float32], origin: Floats) -> None:
    """Subtract the origin from the rows, in place."""
    for feature in np.flatnonzero(origin):
        x[:, feature] -= np.float32(origin[feature])


def _sums(values: Floats, process_group: ProcessGroup) -> tuple[float, Floats]:
    sums = process_group.sum(np.concatenate([[float(len(values))], values.sum(axis=0)]))
    return float(sums[0]), sums[1:]
