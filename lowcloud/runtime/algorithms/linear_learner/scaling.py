"""Means and standard deviations of features and label, measured on a sample of the rows of all hosts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.algorithms.linear_learner.objective import FeatureScaling
from lowcloud.runtime.collectives import ProcessGroup

Floats = NDArray[np.float64]
FAR_DEVIATIONS = 8.0  # with a mean further from 0, float32 would lose too many digits


@dataclass(frozen=True)
class LabelScaling:
    """A regressor is trained on (label - shift) / scale."""

    shift: float = 0.0
    scale: float = 1.0
    deviation: float = 1.0  # of the unscaled label


def measure(x: NDArray[np.float32], points: int, process_group: ProcessGroup) -> tuple[Floats, Floats]:
    """Return mean and deviation of each feature over about `points` evenly spaced rows of all hosts."""
    rows = int(process_group.sum(np.array([float(len(x))]))[0])
    count_here = min(len(x), -(-points * len(x) // max(rows, 1)))
    sample = x[np.arange(count_here) * len(x) // max(count_here, 1)].astype(np.float64)
    count, total = _sums(sample, process_group)
    mean = total / max(count, 1)
    _, squares = _sums((sample - mean) ** 2, process_group)
    return mean, np.sqrt(squares / max(count, 1))


def measure_label(y: Floats, shifts: bool, scales: bool, process_group: ProcessGroup) -> LabelScaling:
    """Return the label's scaling over all rows; a constant label is not divided."""
    count, total = _sums(y[:, None], process_group)
    mean = float(total[0]) / max(count, 1)
    _, squares = _sums((y[:, None] - mean) ** 2, process_group)
    deviation = float(np.sqrt(squares[0] / max(count, 1)))
    usable = deviation > 1e-12 * max(abs(mean), 1e-300)
    return LabelScaling(mean if shifts else 0.0, deviation if scales and usable else 1.0, deviation if usable else 1.0)


def compute_scaling(mean: Floats, deviation: Floats, shifts: bool, scales: bool) -> tuple[FeatureScaling, Floats]:
    """Return the scaling for training, and the origin (features,) to subtract from the rows in place before.

    Only features far from 0 have an origin: for others, folding the shift into the bias is precise enough.
    """
    varies = deviation > 1e-7 * np.abs(mean)
    scale = np.where(varies & scales, deviation, 1.0)
    shift = mean if shifts else np.zeros_like(mean)
    origin = np.where(np.abs(shift) > FAR_DEVIATIONS * np.where(varies, deviation, 0.0), shift, 0.0)
    origin = origin.astype(np.float32).astype(np.float64)  # as it is subtracted from float32 rows
    return FeatureScaling(shift - origin, scale), origin


def subtract_origin(x: NDArray[np.float32], origin: Floats) -> None:
    """Subtract the origin from the rows, in place."""
    for feature in np.flatnonzero(origin):
        x[:, feature] -= np.float32(origin[feature])


def _sums(values: Floats, process_group: ProcessGroup) -> tuple[float, Floats]:
    sums = process_group.sum(np.concatenate([[float(len(values))], values.sum(axis=0)]))
    return float(sums[0]), sums[1:]
