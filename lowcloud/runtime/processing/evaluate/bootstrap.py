"""Uncertainty of metrics by the bootstrap (Efron, 1979): resampling rows with replacement.

A resample is an array of weights (how often each row was drawn), so that rows need to be sorted only once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Measure = Callable[[Floats], Mapping[str, float]]  # weights (rows,) -> measures

MAX_DRAWN_ROWS = 50_000_000  # in total; large data sets need few resamples
MIN_RESAMPLES = 20


@dataclass(frozen=True)
class Spread:
    """The standard deviation of a metric, and its interval for the requested confidence."""

    deviation: float
    low: float
    high: float


def estimate_spreads(
    measure: Measure, weights: Floats, samples: int, confidence: float, seed: int
) -> dict[str, Spread]:
    """Return the spread of each metric over the resamples in which it is defined; empty without resamples."""
    random = np.random.default_rng(seed)
    rows = len(weights)
    drawn: dict[str, list[float]] = {}
    for _ in range(count_resamples(samples, rows)):
        times = np.bincount(random.integers(0, rows, rows), minlength=rows)
        for name, value in measure(weights * times).items():
            drawn.setdefault(name, []).append(value)
    return {name: found for name, values in drawn.items() if (found := _spread(np.array(values), confidence))}


def count_resamples(samples: int, rows: int) -> int:
    """Return how many resamples are drawn if `samples` are requested."""
    return min(samples, max(MIN_RESAMPLES, MAX_DRAWN_ROWS // rows))


def _spread(values: Floats, confidence: float) -> Spread | None:
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return None
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Spread(float(values.std(ddof=1)), float(low), float(high))
