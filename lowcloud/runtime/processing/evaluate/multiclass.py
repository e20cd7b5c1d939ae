"""Evaluation of several classes: metrics of decisions, and of one score per class."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.processing.evaluate import confusion, probability, ranking
from lowcloud.runtime.processing.evaluate.binary import downsample
from lowcloud.runtime.processing.evaluate.confusion import Codes
from lowcloud.runtime.processing.evaluate.ranking import Ranking

Floats = NDArray[np.float64]
CURVES = 8  # classes whose curves are included: those with the most rows


@dataclass(frozen=True)
class MulticlassEvaluation:
    """Rows of several classes: truth and prediction (rows,) as class indices, and scores (rows, classes)."""

    truth: Codes
    predicted: Codes
    scores: Floats | None
    classes: tuple[str, ...]
    bins: int = 10

    @cached_property
    def are_probabilities(self) -> bool:
        return self.scores is not None and probability.are_probabilities(self.scores)

    @cached_property
    def rankings(self) -> tuple[Ranking, ...]:
        """The ranking of each class against the others."""
        if self.scores is None:
            return ()
        return tuple(ranking.rank(self.truth == i, self.scores[:, i]) for i in range(len(self.classes)))

    def measure(self, weights: Floats) -> dict[str, float]:
        """Return all scalar metrics."""
        matrix = self.matrix(weights)
        found = {**confusion.overall(matrix), **confusion.averages(matrix)}
        if self.scores is None:
            return found
        areas = np.array([one.curve(weights).roc_area() for one in self.rankings])
        shares = matrix.sum(axis=1) / matrix.sum()
        known = np.isfinite(areas)
        if known.any():
            found["auc_one_vs_rest_macro"] = float(areas[known].mean())
            found["auc_one_vs_rest_weighted"] = float(np.average(areas[known], weights=shares[known]))
        if self.are_probabilities:
            rows = np.arange(len(self.truth))
            found["log_loss"] = probability.log_loss(self.scores[rows, self.truth], weights)
            indicators = (self.truth[:, None] == np.arange(len(self.classes))).astype(np.float64)
            found["brier_score"] = probability.brier(self.scores, indicators, weights)
            found["expected_calibration_error"] = self._reliability(weights).error
        return found

    def constant(self, weights: Floats) -> dict[str, float]:
        """Return the metrics of the best constant classifier, which always predicts the most frequent class."""
        always = int(np.bincount(self.truth, weights, len(self.classes)).argmax())
        matrix = confusion.confusion_matrix(self.truth, np.full(len(self.truth), always), weights, len(self.classes))
        averages = confusion.averages(matrix)
        found = {"accuracy": confusion.overall(matrix)["accuracy"]}
        found |= {
            f"weighted_{name}": averages[f"weighted_{name}"] for name in ("precision", "recall", "f0_5", "f1", "f2")
        }
        return {f"{name}_best_constant_classifier": value for name, value in found.items()}

    def matrix(self, weights: Floats) -> confusion.Matrix:
        """Return the confusion matrix (classes, classes)."""
        return confusion.confusion_matrix(self.truth, self.predicted, weights, len(self.classes))

    def curves(self, weights: Floats) -> Mapping[str, Any]:
        """Return the metrics of each class, and curves of the largest classes, as plain JSON."""
        measures = confusion.by_class(self.matrix(weights))
        per_class: dict[str, dict[str, Any]] = {
            name: {measure: float(values[i]) for measure, values in measures.items()}
            for i, name in enumerate(self.classes)
        }
        found: dict[str, Any] = {"classes": per_class}
        if self.scores is None:
            return found
        rocs, precision_recalls = {}, {}
        largest = set(np.argsort(-measures["support"], kind="stable")[:CURVES].tolist())
        for i, name in enumerate(self.classes):
            curve = self.rankings[i].curve(weights)
            area, average = curve.roc_area(), curve.average_precision()
            per_class[name]["auc"] = area if np.isfinite(area) else None
            per_class[name]["average_precision"] = average if np.isfinite(average) else None
            if i in largest and np.isfinite(area):
                false, true = curve.roc
                precision, recall = curve.precision_recall
                rocs[name] = {"false_positive_rates": downsample(false), "true_positive_rates": downsample(true)}
                precision_recalls[name] = {"precisions": downsample(precision), "recalls": downsample(recall)}
        found["receiver_operating_characteristic_curves"] = rocs
        found["precision_recall_curves"] = precision_recalls
        if self.are_probabilities:
            reliability = self._reliability(weights)
            found["calibration_curve"] = {
                "predicted": reliability.predicted.tolist(),
                "observed": reliability.observed.tolist(),
                "weights": reliability.weight.tolist(),
            }
        return found

    def _reliability(self, weights: Floats) -> probability.Reliability:
        """Return the reliability of the probability of each row's most likely class."""
        assert self.scores is not None
        likeliest = self.scores.argmax(axis=1)
        chance = self.scores[np.arange(len(likeliest)), likeliest]
        return probability.reliability(chance, likeliest == self.truth, weights, self.bins)
