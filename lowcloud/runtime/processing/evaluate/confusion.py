"""Classification metrics from the confusion matrix: counts (or sums of weights) by true and predicted class.

A metric whose denominator is 0 (e.g. if no row is predicted as a class) is 0, as in scikit-learn.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Codes = NDArray[np.int64]


def confusion_matrix(truth: Codes, predicted: Codes, weights: Matrix, classes: int) -> Matrix:
    """Return the matrix (classes, classes): truth in rows, prediction in columns."""
    counts = np.bincount(truth * classes + predicted, weights, classes * classes).reshape(classes, classes)
    return counts.astype(np.float64, copy=False)


def overall(matrix: Matrix) -> dict[str, float]:
    """Return accuracy, balanced accuracy, Matthews' correlation and Cohen's kappa."""
    total, hits = matrix.sum(), np.trace(matrix)
    true, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    by_chance = float(true @ predicted) / total**2
    accuracy = float(hits / total)
    spread = np.sqrt((total**2 - true @ true) * (total**2 - predicted @ predicted))
    present = true > 0
    return {
        "accuracy": accuracy,
        "balanced_accuracy": float((np.diag(matrix)[present] / true[present]).mean()),
        "matthews_correlation": float((hits * total - true @ predicted) / spread) if spread else 0.0,
        "cohens_kappa": (accuracy - by_chance) / (1 - by_chance) if by_chance < 1 else np.nan,
    }


def by_class(matrix: Matrix) -> dict[str, Matrix]:
    """Return precision, recall, F0.5, F1, F2 and support of each class, (classes,)."""
    hits, true, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return {
        "precision": _ratio(hits, predicted),
        "recall": _ratio(hits, true),
        **{f"f{name}": f_beta(hits, true, predicted, beta) for name, beta in (("0_5", 0.5), ("1", 1.0), ("2", 2.0))},
        "support": true,
    }


def averages(matrix: Matrix) -> dict[str, float]:
    """Return averaged precision, recall and F: macro (equal weights), weighted (by rows) and micro."""
    measures = by_class(matrix)
    shares = measures["support"] / matrix.sum()
    found: dict[str, float] = {}
    for name in ("precision", "recall", "f0_5", "f1", "f2"):
        found[f"weighted_{name}"] = float(measures[name] @ shares)
        found[f"macro_{name}"] = float(measures[name].mean())
    micro = float(np.trace(matrix) / matrix.sum())  # each row has one class: precision, recall and F are the accuracy
    return found | {"micro_precision": micro, "micro_recall": micro, "micro_f1": micro}


def rates(matrix: Matrix) -> dict[str, float]:
    """Return the true and false positive and negative rates of two classes, the second being positive."""
    (true_negative, false_positive), (false_negative, true_positive) = matrix.tolist()
    negatives, positives = true_negative + false_positive, true_positive + false_negative
    return {
        "true_positive_rate": true_positive / positives if positives else 0.0,
        "true_negative_rate": true_negative / negatives if negatives else 0.0,
        "false_positive_rate": false_positive / negatives if negatives else 0.0,
        "false_negative_rate": false_negative / positives if positives else 0.0,
    }


def as_document(matrix: Matrix, classes: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return {true class: {predicted class: count}}."""
    rows = ([int(count) if count == int(count) else count for count in row] for row in matrix.tolist())
    return {name: dict(zip(classes, row, strict=True)) for name, row in zip(classes, rows, strict=True)}


def f_beta(hits: Matrix, true: Matrix, predicted: Matrix, beta: float) -> Matrix:
    """Return the weighted harmonic mean of precision and recall, in which recall counts beta times as much."""
    return _ratio((1 + beta**2) * hits, beta**2 * true + predicted)


def _ratio(above: Matrix, below: Matrix) -> Matrix:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
