"""Quality of predictions under SageMaker's names, and the threshold of a binary classifier.

Margins and labels are whole here: those of all hosts. Every measure is checked against scikit-learn in the tests.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Metrics = dict[str, float]
LOSSES = ("mse", "absolute_loss", "rmse")  # reported as <loss>, all else as <score>


@dataclass(frozen=True)
class Criterion:
    """What a threshold and a model are chosen by."""

    name: str
    beta: float = 1.0
    target_precision: float = 0.8
    target_recall: float = 0.8

    @property
    def is_loss(self) -> bool:
        return self.name in ("cross_entropy_loss", "loss_function")


def binary(margins: Array, y: Array, threshold: float, beta: float, with_auc: bool = True) -> Metrics:
    """Metrics of margins (rows,) for labels 0 and 1."""
    said = margins >= threshold
    is_one = y > 0.5
    hits = float(np.count_nonzero(said & is_one))
    precision = hits / max(float(np.count_nonzero(said)), 1.0)
    recall = hits / max(float(np.count_nonzero(is_one)), 1.0)
    metrics = {
        "binary_classification_accuracy": float(np.mean(said == is_one)),
        f"binary_f_{beta:.3f}": f_score(precision, recall, beta),
        "precision": precision,
        "recall": recall,
    }
    if with_auc:
        metrics["roc_auc_score"] = roc_auc(margins, is_one)
    return metrics


def multiclass(margins: Array, y: Array, top_k: int, beta: float) -> Metrics:
    """Metrics of margins (rows, classes) for labels 0 to classes - 1."""
    classes = margins.shape[1]
    label = y.astype(np.intp)
    own = np.take_along_axis(margins, label[:, None], axis=1)
    rank = (margins > own).sum(axis=1)  # 0: the true class has the best margin
    said = margins.argmax(axis=1)
    confusion = np.bincount(label * classes + said, minlength=classes * classes).reshape(classes, classes)
    hits = confusion.diagonal()
    seen = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0  # a class nobody has or predicts counts for nothing
    precision = hits / np.maximum(confusion.sum(axis=0), 1)
    recall = hits / np.maximum(confusion.sum(axis=1), 1)
    scores = [f_score(float(p), float(r), beta) for p, r in zip(precision[seen], recall[seen], strict=True)]
    return {
        "multiclass_accuracy": float(np.mean(said == label)),
        f"multiclass_top_k_accuracy_{top_k}": float(np.mean(rank < top_k)),
        "dcg": float(np.mean(1 / np.log2(rank + 2))),
        "macro_recall": float(recall[seen].mean()),
        "macro_precision": float(precision[seen].mean()),
        f"macro_f_{beta:.3f}": float(np.mean(scores)),
    }


def regression(margins: Array, y: Array) -> Metrics:
    """Metrics of predictions (rows,) in the label's units."""
    error = margins.astype(np.float64) - y
    mse = float(np.mean(error * error))
    variance = float(np.var(y))
    metrics = {"mse": mse, "absolute_loss": float(np.mean(np.abs(error))), "rmse": mse**0.5}
    return metrics | ({"r2": 1 - mse / variance} if variance > 0 else {})


def f_score(precision: float, recall: float, beta: float) -> float:
    """The F score, 0 where it is not defined."""
    below = beta * beta * precision + recall
    return (1 + beta * beta) * precision * recall / below if below else 0.0


def roc_auc(margins: Array, is_one: Array) -> float:
    """The share of (one, zero) pairs in the right order, ties counting half; 0.5 where there are no pairs."""
    values, place = np.unique(margins, return_inverse=True)
    ones = np.bincount(place, weights=is_one, minlength=len(values))
    zeros = np.bincount(place, minlength=len(values)) - ones
    pairs = ones.sum() * zeros.sum()
    below = np.cumsum(zeros) - zeros
    return float((ones * (below + 0.5 * zeros)).sum() / pairs) if pairs else 0.5


def choose_threshold(margins: Array, y: Array, criterion: Criterion, natural: float = 0.0) -> tuple[float, float]:
    """The threshold that is best by the criterion, and how good it is; `natural` where it makes no difference.

    Where no threshold reaches a target, the one that comes closest.
    """
    if criterion.is_loss or not len(margins):
        return natural, 0.0
    order = np.argsort(-margins, kind="stable")
    ranked = margins[order].astype(np.float64)
    ones = np.concatenate([[0.0], np.cumsum(y[order] > 0.5, dtype=np.float64)])
    said = np.arange(len(ranked) + 1, dtype=np.float64)  # how many are called 1: the first 0, 1, 2, ... of the ranking
    cut = np.concatenate([[True], ranked[1:] != ranked[:-1], [True]])  # equal margins fall on one side
    ones, said = ones[cut], said[cut]
    goodness = _goodness(ones, said, ones[-1], float(len(ranked)), criterion)
    edges = np.concatenate([[np.inf], ranked, [-np.inf]])
    high, low = edges[:-1][cut], edges[1:][cut]  # any threshold in (low, high] calls these many 1
    best = np.flatnonzero(goodness >= goodness.max() - 1e-12)
    middle = np.clip(natural, np.nextafter(low[best], np.inf), high[best])
    nearest = best[np.argmin(np.abs(middle - natural))]
    return _between(float(low[nearest]), float(high[nearest]), natural), float(goodness[nearest])


def _between(low: float, high: float, natural: float) -> float:
    if low < natural <= high:
        return natural
    if np.isinf(low):
        return high - 1.0
    return float(low + 1.0 if np.isinf(high) else (low + high) / 2)


def _goodness(ones: Array, said: Array, positives: float, rows: float, criterion: Criterion) -> Array:
    """How good each cut is; cuts that miss a target come below all that reach it."""
    precision = ones / np.maximum(said, 1)
    recall = ones / max(positives, 1.0)
    if criterion.name == "accuracy":
        return np.asarray((2 * ones - said + rows - positives) / rows)
    if criterion.name == "precision_at_target_recall":
        return np.where(recall >= criterion.target_recall, precision, recall - 1)
    if criterion.name == "recall_at_target_precision":
        return np.where((precision >= criterion.target_precision) & (said > 0), recall, precision - 1)
    beta = 1.0 if criterion.name == "f1" else criterion.beta
    below = beta * beta * positives + said
    return np.asarray((1 + beta * beta) * ones / np.maximum(below, 1))


def kind_of(name: str) -> str:
    """Whether a metric is reported as a loss or a score."""
    return "loss" if name in LOSSES else "score"
