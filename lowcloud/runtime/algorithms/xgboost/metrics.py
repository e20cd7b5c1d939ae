"""Metrics that XGBoost does not have: of classes from their confusion matrix, of numbers from five sums.

Both add up over hosts, so several give what one would. Definitions as in scikit-learn; weights have no bearing.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Sum = Callable[[Floats], Floats]


def compute(
    names: Sequence[str], predictions: Floats, labels: Floats, objective: str, classes: int, add: Sum
) -> list[float]:
    """The value of each metric for predictions (rows,) or (rows, classes); `add` sums over hosts."""
    if not names:
        return []
    values: dict[str, float] = {}
    if classes:
        found = add(confusion(decide(predictions, objective), labels, classes))
        values = of_classes(found)
    if {"mse", "r2"} & set(names):
        single = predictions if predictions.ndim == 1 else predictions.argmax(axis=1)
        values |= of_numbers(add(sums(np.asarray(single, np.float64), labels)))
    return [values[name] for name in names]


def decide(predictions: Floats, objective: str) -> NDArray[np.int64]:
    """The class of each row that predictions speak for."""
    if predictions.ndim > 1:
        return np.asarray(predictions.argmax(axis=1))
    if objective in ("multi:softmax", "binary:hinge"):
        return predictions.astype(np.int64)
    return np.asarray(predictions > (0.0 if objective == "binary:logitraw" else 0.5), np.int64)


def confusion(decided: NDArray[np.int64], labels: Floats, classes: int) -> Floats:
    """(classes, classes): rows of each class by the class decided."""
    places = np.round(labels).astype(np.int64) * classes + decided
    return np.bincount(places, minlength=classes * classes).reshape(classes, classes).astype(np.float64)


def of_classes(found: Floats) -> dict[str, float]:
    """All metrics of a confusion matrix (classes, classes)."""
    hits, actual, decided = np.diag(found), found.sum(axis=1), found.sum(axis=0)
    there = (actual + decided) > 0  # classes that neither a label nor a decision has count for nothing
    precision, recall = _ratio(hits, decided), _ratio(hits, actual)
    f1 = _ratio(2 * hits, actual + decided)
    accuracy = float(hits.sum() / max(found.sum(), 1))
    return {
        "accuracy": accuracy,
        "balanced_accuracy": _mean(recall[actual > 0]),
        "f1": _mean(f1[there]),
        "f1_macro": _mean(f1[there]),
        "f1_binary": float(f1[1]),
        "precision": float(precision[1]),
        "precision_macro": _mean(precision[there]),
        "precision_micro": accuracy,
        "recall": float(recall[1]),
        "recall_macro": _mean(recall[there]),
        "recall_micro": accuracy,
    }


def sums(predictions: Floats, labels: Floats) -> Floats:
    """What of_numbers needs of some rows: their number, squared errors, labels, squared labels."""
    return np.array([len(labels), np.square(predictions - labels).sum(), labels.sum(), np.square(labels).sum()])


def of_numbers(found: Floats) -> dict[str, float]:
    """mse and r2."""
    count, squares, total, squared = (float(value) for value in found)
    spread = squared - total * total / max(count, 1)
    r2 = 1 - squares / spread if spread > 0 else float(squares == 0)
    return {"mse": squares / max(count, 1), "r2": r2}


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else 0.0
