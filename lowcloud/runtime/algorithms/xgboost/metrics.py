"""Metrics that XGBoost lacks: classification metrics from a confusion matrix, regression metrics from sums.

Both can be added over hosts. Definitions are as in scikit-learn; weights are not used.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Sum = Callable[[Floats], Floats]


def compute(
    names: Sequence[str], predictions: Floats, labels: Floats, objective: str, classes: int, add: Sum
) -> list[float]:
    """Return the value of each metric for predictions (rows,) or (rows, classes); `add` sums over hosts."""
    if not names:
        return []
    values: dict[str, float] = {}
    if classes:
        found = add(confusion_matrix(decide(predictions, objective), labels, classes))
        values = classification_metrics(found)
    if {"mse", "r2"} & set(names):
        single = predictions if predictions.ndim == 1 else predictions.argmax(axis=1)
        values |= regression_metrics(add(sums(np.asarray(single, np.float64), labels)))
    return [values[name] for name in names]


def decide(predictions: Floats, objective: str) -> NDArray[np.int64]:
    """Return the predicted class of each row."""
    if predictions.ndim > 1:
        return np.asarray(predictions.argmax(axis=1))
    if objective in ("multi:softmax", "binary:hinge"):
        return predictions.astype(np.int64)
    return np.asarray(predictions > (0.0 if objective == "binary:logitraw" else 0.5), np.int64)


def confusion_matrix(predicted: NDArray[np.int64], labels: Floats, classes: int) -> Floats:
    """Return the number of rows (classes, classes) by true and predicted class."""
    cells = np.round(labels).astype(np.int64) * classes + predicted
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes).astype(np.float64)


def classification_metrics(matrix: Floats) -> dict[str, float]:
    """Return all metrics of a confusion matrix (classes, classes)."""
    hits, actual, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    occurs = (actual + predicted) > 0  # classes that neither occur nor are predicted are ignored
    precision, recall = _ratio(hits, predicted), _ratio(hits, actual)
    f1 = _ratio(2 * hits, actual + predicted)
    accuracy = float(hits.sum() / max(matrix.sum(), 1))
    return {
        "accuracy": accuracy,
        "balanced_accuracy": _mean(recall[actual > 0]),
        "f1": _mean(f1[occurs]),
        "f1_macro": _mean(f1[occurs]),
        "f1_binary": float(f1[1]),
        "precision": float(precision[1]),
        "precision_macro": _mean(precision[occurs]),
        "precision_micro": accuracy,
        "recall": float(recall[1]),
        "recall_macro": _mean(recall[occurs]),
        "recall_micro": accuracy,
    }


def sums(predictions: Floats, labels: Floats) -> Floats:
    """Return the sums for regression_metrics: rows, squared errors, labels, squared labels."""
    return np.array([len(labels), np.square(predictions - labels).sum(), labels.sum(), np.square(labels).sum()])


def regression_metrics(matrix: Floats) -> dict[str, float]:
    """Return mse and r2."""
    count, squares, total, squared = (float(value) for value in matrix)
    spread = squared - total * total / max(count, 1)
    r2 = 1 - squares / spread if spread > 0 else float(squares == 0)
    return {"mse": squares / max(count, 1), "r2": r2}


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else 0.0
