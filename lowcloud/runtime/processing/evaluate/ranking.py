"""Metrics of the ranking by scores: ROC and precision-recall curves, areas, lift.

Rows of equal score are one step of a curve, whatever order they come in.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ranking:
    """Rows sorted by decreasing score, for any weights: `order` (rows,), and the last position of each score."""

    order: NDArray[np.int64]
    ends: NDArray[np.int64]
    positive: NDArray[np.bool_]  # in that order
    scores: Floats  # of the ends

    def curve(self, weights: Floats) -> "Curve":
        """Return the sums of weights at and above each score."""
        weights = weights[self.order]
        true = np.cumsum(np.where(self.positive, weights, 0.0))[self.ends]
        return Curve(self.scores, true, np.cumsum(weights)[self.ends] - true)


@dataclass(frozen=True)
class Curve:
    """Sums of weights of positive (`true`) and negative (`false`) rows at decreasing `thresholds`."""

    thresholds: Floats
    true: Floats
    false: Floats

    @property
    def roc(self) -> tuple[Floats, Floats]:
        """The false and true positive rates, from (0, 0) to (1, 1)."""
        return _share(np.append(0.0, self.false)), _share(np.append(0.0, self.true))

    @property
    def precision_recall(self) -> tuple[Floats, Floats]:
        """The precision and recall at each threshold."""
        chosen = self.true + self.false
        return np.divide(self.true, chosen, out=np.zeros_like(chosen), where=chosen > 0), _share(self.true)

    def roc_area(self) -> float:
        """Return the probability that a positive row has the larger score, ties counting half; NaN for one class."""
        false, true = self.roc
        return float(np.sum(np.diff(false) * (true[1:] + true[:-1])) / 2)

    def average_precision(self) -> float:
        """Return the precision averaged over the steps of recall; NaN without positive rows."""
        precision, recall = self.precision_recall
        return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def rank(positive: NDArray[np.bool_], scores: Floats) -> Ranking:
    """Sort rows (rows,) by their scores (rows,)."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    return Ranking(order, ends, positive[order], ordered[ends])


def lift(curve: Curve, parts: int = 10) -> list[dict[str, float]]:
    """Return gain and lift of the top fractions of rows by score."""
    total, positives = curve.true[-1] + curve.false[-1], curve.true[-1]
    shares = np.append(0.0, (curve.true + curve.false) / total)
    gains = np.append(0.0, curve.true / positives) if positives else np.full(len(shares), np.nan)
    found = []
    for i in range(1, parts + 1):
        gain = float(np.interp(i / parts, shares, gains))  # rows with equal scores are spread evenly
        found.append({"share": i / parts, "gain": gain, "lift": gain / (i / parts)})
    return found


def _share(sums: Floats) -> Floats:
    return sums / sums[-1] if sums[-1] > 0 else np.full(len(sums), np.nan)
