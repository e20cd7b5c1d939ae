"""Quality metrics with SageMaker's names, and the threshold of a binary classifier.

Margins and labels are those of all hosts. The tests compare every metric with scikit-learn.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Metrics = dict[str, float]
LOSSES = ("mse", "absolute_loss", "rmse")  # reported as <loss>, all others as <score>


@dataclass(frozen=True)
class Criterion:
    """The criterion by which a threshold and a model are selected."""

    name: str
    beta: float = 1.0
    target_precision: float = 0.8
    target_recall: float = 0.8

    @property
    def is_loss(self) -> bool:
        return self.name in ("cross_entropy_loss", "loss_function")


def binary(margins: Array, y: Array, threshold: float, beta: float, with_auc: bool = True) -> Metrics:
    """Return the metrics of margins (rows,) for labels 0 and 1."""
    predicted = margins >= threshold
    is_one = y > 0.5
    hits = float(np.count_nonzero(predicted & is_one))
    precision = hits / max(float(np.count_nonzero(predicted)), 1.0)
    recall = hits / max(float(np.count_nonzero(is_one)), 1.0)
    metrics = {
        "binary_classification_accuracy": float(np.mean(predicted == is_one)),
        f"binary_f_{beta:.3f}": f_score(precision, recall, beta),
        "precision": precision,
        "recall": recall,
    }
    if with_auc:
        metrics["roc_auc_score"] = roc_auc(margins, is_one)
    return metrics


def multiclass(margins: Array, y: Array, top_k: int, beta: float) -> Metrics:
    """Return the metrics of margins (rows, classes) for labels 0 to classes - 1."""
    classes = margins.shape[1]
    label = y.astype(np.intp)
    own = np.take_along_axis(margins, label[:, None], axis=1)
    rank = (margins > own).sum(axis=1)  # 0: the true class has the highest margin
    predicted = margins.argmax(axis=1)
    confusion = np.bincount(label * classes + predicted, minlength=classes * classes).reshape(classes, classes)
    hits = confusion.diagonal()
    occurs = (
        confusion.sum(axis=0) + confusion.sum(axis=1)
    ) > 0  # classes that neither occur nor are predicted are ignored
    precision = hits / np.maximum(confusion.sum(axis=0), 1)
    recall = hits / np.maximum(confusion.sum(axis=1), 1)
    scores = [f_score(float(p), float(r), beta) for p, r in zip(precision[occurs], recall[occurs], strict=True)]
    return {
        "multiclass_accuracy": float(np.mean(predicted == label)),
        f"multiclass_top_k_accuracy_{top_k}": float(np.mean(rank < top_k)),
        "dcg": float(np.mean(1 / np.log2(rank + 2))),
        "macro_recall": float(recall[occurs].mean()),
        "macro_precision": float(precision[occurs].mean()),
        f"macro_f_{beta:.3f}": float(np.mean(scores)),
    }


def regression(margins: Array, y: Array) -> Metrics:
    """Return the metrics of predictions (rows,) in the label's units."""
    error = margins.astype(np.float64) - y
    mse = float(np.mean(error * error))
    variance = float(np.var(y))
    metrics = {"mse": mse, "absolute_loss": float(np.mean(np.abs(error))), "rmse": mse**0.5}
    return metrics | ({"r2": 1 - mse / variance} if variance > 0 else {})


def f_score(precision: float, recall: float, beta: float) -> float:
    """Return the F score, 0 if it is undefined."""
    denominator = beta * beta * precision + recall
    return (1 + beta * beta) * precision * recall / denominator if denominator else 0.0


def roc_auc(margins: Array, is_one: Array) -> float:
    """Return the fraction of (one, zero) pairs in the right order, ties counting half; 0.5 if there are no pairs."""
    values, place = np.unique(margins, return_inverse=True)
    ones = np.bincount(place, weights=is_one, minlength=len(values))
    zeros = np.bincount(place, minlength=len(values)) - ones
    pairs = ones.sum() * zeros.sum()
    below = np.cumsum(zeros) - zeros
    return float((ones * (below + 0.5 * zeros)).sum() / pairs) if pairs else 0.5


def choose_threshold(margins: Array, y: Array, criterion: Criterion, natural: float = 0.0) -> tuple[float, float]:
    """Return the best threshold by the criterion and its score; of equal ones, the nearest to `natural`.

    If no threshold reaches the target, this is the one that comes closest.
    """
    if criterion.is_loss or not len(margins):
        return natural, 0.0
    order = np.argsort(-margins, kind="stable")
    ranked = margins[order].astype(np.float64)
    ones = np.concatenate([[0.0], np.cumsum(y[order] > 0.5, dtype=np.float64)])
    positives = np.arange(len(ranked) + 1, dtype=np.float64)  # predicted as 1: the first 0, 1, 2, ... of the ranking
    cut = np.concatenate([[True], ranked[1:] != ranked[:-1], [True]])  # equal margins are on the same side
    ones, positives = ones[cut], positives[cut]
    scores = _score_cuts(ones, positives, ones[-1], float(len(ranked)), criterion)
    edges = np.concatenate([[np.inf], ranked, [-np.inf]])
    high, low = edges[:-1][cut], edges[1:][cut]  # any threshold in (low, high] predicts the same
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    middle = np.clip(natural, np.nextafter(low[best], np.inf), high[best])
    nearest = best[np.argmin(np.abs(middle - natural))]
    return _between(float(low[nearest]), float(high[nearest]), natural), float(scores[nearest])


def _between(low: float, high: float, natural: float) -> float:
    if low < natural <= high:
        return natural
    if np.isinf(low):
        return high - 1.0
    return float(low + 1.0 if np.isinf(high) else (low + high) / 2)


def _score_cuts(hits: Array, positives: Array, ones: float, rows: float, criterion: Criterion) -> Array:
    """Return the score of each cut; cuts that miss a target have lower scores than all that reach it."""
    precision = hits / np.maximum(positives, 1)
    recall = hits / max(ones, 1.0)
    if criterion.name == "accuracy":
        return np.asarray((2 * hits - positives + rows - ones) / rows)
    if criterion.name == "precision_at_target_recall":
        return np.where(recall >= criterion.target_recall, precision, recall - 1)
    if criterion.name == "recall_at_target_precision":
        return np.where((precision >= criterion.target_precision) & (positives > 0), recall, precision - 1)
    beta = 1.0 if criterion.name == "f1" else criterion.beta
    denominator = beta * beta * ones + positives
    return np.asarray((1 + beta * beta) * hits / np.maximum(denominator, 1))


def loss_or_score(name: str) -> str:
    """Return whether a metric is reported as "loss" or "score"."""
    return "loss" if name in LOSSES else "score"
