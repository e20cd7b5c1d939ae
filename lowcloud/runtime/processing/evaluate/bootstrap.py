"""How sure a measure is: the bootstrap (Efron, 1979), rows drawn again with replacement.

A resample is weights (how often each row was drawn), so that whatever was sorted once stays sorted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Measure = Callable[[Floats], Mapping[str, float]]  # weights (rows,) -> measures

ROWS = 50_000_000  # drawn in all, at most; large data need few resamples
FEWEST = 20


@dataclass(frozen=True)
class Spread:
    """Standard deviation of a measure, and the interval that holds it with the confidence asked for."""

    deviation: float
    low: float
    high: float


def spread(measure: Measure, weights: Floats, samples: int, confidence: float, seed: int) -> dict[str, Spread]:
    """The spread of each measure over resamples, of those that have values; empty without samples."""
    random = np.random.default_rng(seed)
    rows = len(weights)
    drawn: dict[str, list[float]] = {}
    for _ in range(count(samples, rows)):
        times = np.bincount(random.integers(0, rows, rows), minlength=rows)
        for name, value in measure(weights * times).items():
            drawn.setdefault(name, []).append(value)
    return {name: found for name, values in drawn.items() if (found := _spread(np.array(values), confidence))}


def count(samples: int, rows: int) -> int:
    """How many resamples are drawn where `samples` are asked for."""
    return min(samples, max(FEWEST, ROWS // rows))


def _spread(values: Floats, confidence: float) -> Spread | None:
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return None
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Spread(float(values.std(ddof=1)), float(low), float(high))
