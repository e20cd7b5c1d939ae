"""Evaluation of two classes: metrics of decisions, scores and probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.processing.evaluate import confusion, probability, ranking
from lowcloud.runtime.processing.evaluate.confusion import Codes
from lowcloud.runtime.processing.evaluate.ranking import Ranking

Floats = NDArray[np.float64]
THRESHOLDS = 19  # in the table of thresholds


@dataclass(frozen=True)
class BinaryEvaluation:
    """Rows of two classes: truth and prediction (rows,), where 1 is positive, and scores of the positive class."""

    truth: Codes
    predicted: Codes
    scores: Floats | None
    bins: int = 10

    @cached_property
    def are_probabilities(self) -> bool:
        return self.scores is not None and probability.are_probabilities(self.scores)

    @cached_property
    def ranking(self) -> Ranking | None:
        return None if self.scores is None else ranking.rank(self.truth == 1, self.scores)

    def measure(self, weights: Floats) -> dict[str, float]:
        """Return all scalar metrics."""
        matrix = self.matrix(weights)
        found = {**confusion.overall(matrix), **confusion.rates(matrix)}
        measures = confusion.by_class(matrix)
        found |= {name: float(measures[name][1]) for name in ("precision", "recall", "f0_5", "f1", "f2")}
        found |= confusion.averages(matrix)
        if self.ranking is not None:
            curve = self.ranking.curve(weights)
            found |= {"auc": curve.roc_area(), "average_precision": curve.average_precision()}
        if self.scores is not None and self.are_probabilities:
            chance = np.where(self.truth == 1, self.scores, 1 - self.scores)
            found["log_loss"] = probability.log_loss(chance, weights)
            found["brier_score"] = probability.brier(self.scores, self.truth.astype(np.float64), weights)
            reliability = probability.reliability(self.scores, self.truth == 1, weights, self.bins)
            found["expected_calibration_error"] = reliability.error
        return found

    def constant(self, weights: Floats) -> dict[str, float]:
        """Return the metrics of the best constant classifier, which always predicts the more frequent class."""
        positives = float(weights[self.truth == 1].sum())
        always = int(positives * 2 >= weights.sum())
        matrix = confusion.confusion_matrix(self.truth, np.full(len(self.truth), always), weights, 2)
        measures = confusion.by_class(matrix)
        found = {"accuracy": confusion.overall(matrix)["accuracy"]}
        found |= {name: float(measures[name][1]) for name in ("precision", "recall", "f0_5", "f1", "f2")}
        return {f"{name}_best_constant_classifier": value for name, value in found.items()}

    def matrix(self, weights: Floats) -> confusion.Matrix:
        """Return the confusion matrix (2, 2)."""
        return confusion.confusion_matrix(self.truth, self.predicted, weights, 2)

    def curves(self, weights: Floats) -> Mapping[str, Any]:
        """Return curves and tables over thresholds, as plain JSON."""
        if self.ranking is None or self.scores is None:
            return {}
        curve = self.ranking.curve(weights)
        false, true = curve.roc
        precision, recall = curve.precision_recall
        found: dict[str, Any] = {
            "receiver_operating_characteristic_curve": {
                "false_positive_rates": downsample(false),
                "true_positive_rates": downsample(true),
                "thresholds": downsample(np.append(np.nan, curve.thresholds)),
            },
            "precision_recall_curve": {
                "precisions": downsample(precision),
                "recalls": downsample(recall),
                "thresholds": downsample(curve.thresholds),
            },
            "thresholds": _table(curve, self.scores),
            "lift": ranking.lift(curve),
        }
        if self.are_probabilities:
            reliability = probability.reliability(self.scores, self.truth == 1, weights, self.bins)
            found["calibration_curve"] = {
                "predicted": reliability.predicted.tolist(),
                "observed": reliability.observed.tolist(),
                "weights": reliability.weight.tolist(),
            }
        return found


def downsample(values: Floats, points: int = 500) -> list[float | None]:
    """Return the values, of many evenly spaced ones including the last; None for NaN."""
    if len(values) > points:
        values = values[np.linspace(0, len(values) - 1, points).round().astype(np.int64)]
    return [value if np.isfinite(value) else None for value in values.tolist()]


def _table(curve: ranking.Curve, scores: Floats) -> list[dict[str, float]]:
    """Return metrics at round thresholds for probabilities, otherwise at quantiles of the scores."""
    if probability.are_probabilities(scores):
        thresholds = np.arange(1, THRESHOLDS + 1) / (THRESHOLDS + 1)
    else:
        thresholds = np.unique(np.quantile(scores, np.arange(1, THRESHOLDS + 1) / (THRESHOLDS + 1)))
    # curve.thresholds are decreasing: count those that are at least each threshold
    above = np.searchsorted(-curve.thresholds, -thresholds, side="right")
    true, false = np.append(0.0, curve.true)[above], np.append(0.0, curve.false)[above]
    positives, negatives = curve.true[-1], curve.false[-1]
    rows = []
    for threshold, hits, alarms in zip(thresholds.tolist(), true.tolist(), false.tolist(), strict=True):
        chosen = hits + alarms
        rows.append(
            {
                "threshold": threshold,
                "precision": hits / chosen if chosen else 0.0,
                "recall": hits / positives if positives else 0.0,
                "f1": 2 * hits / (chosen + positives) if chosen + positives else 0.0,
                "accuracy": (hits + negatives - alarms) / (positives + negatives),
                "false_positive_rate": alarms / negatives if negatives else 0.0,
                "share": chosen / (positives + negatives),
            }
        )
    return rows
