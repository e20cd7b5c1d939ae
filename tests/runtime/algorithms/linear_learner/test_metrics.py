"""Metrics equal scikit-learn's, and thresholds are optimal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as judge

from lowcloud.runtime.algorithms.linear_learner import metrics
from lowcloud.runtime.algorithms.linear_learner.metrics import Criterion

RANDOM = np.random.default_rng(0)
MARGINS = np.round(RANDOM.standard_normal(400), 1)  # rounded, so that there are ties
LABELS = (MARGINS + RANDOM.standard_normal(400) > 0.5).astype(float)


def test_binary_metrics_are_scikit_learns() -> None:
    found = metrics.binary(MARGINS, LABELS, 0.3, beta=2.0)
    said = MARGINS >= 0.3
    assert found == pytest.approx(
        {
            "binary_classification_accuracy": judge.accuracy_score(LABELS, said),
            "binary_f_2.000": judge.fbeta_score(LABELS, said, beta=2),
            "precision": judge.precision_score(LABELS, said),
            "recall": judge.recall_score(LABELS, said),
            "roc_auc_score": judge.roc_auc_score(LABELS, MARGINS),
        }
    )


def test_multiclass_metrics_are_scikit_learns() -> None:
    margins = RANDOM.standard_normal((300, 5))
    labels = (margins + RANDOM.standard_normal((300, 5))).argmax(axis=1).astype(float)
    said = margins.argmax(axis=1)
    found = metrics.multiclass(margins, labels, top_k=2, beta=0.5)
    assert found == pytest.approx(
        {
            "multiclass_accuracy": judge.accuracy_score(labels, said),
            "multiclass_top_k_accuracy_2": judge.top_k_accuracy_score(labels, margins, k=2),
            "dcg": judge.dcg_score(np.eye(5)[labels.astype(int)], margins),
            "macro_recall": judge.recall_score(labels, said, average="macro"),
            "macro_precision": judge.precision_score(labels, said, average="macro"),
            "macro_f_0.500": judge.fbeta_score(labels, said, beta=0.5, average="macro"),
        }
    )


def test_regression_metrics_are_scikit_learns() -> None:
    found = metrics.regression(MARGINS, LABELS)
    assert found == pytest.approx(
        {
            "mse": judge.mean_squared_error(LABELS, MARGINS),
            "absolute_loss": judge.mean_absolute_error(LABELS, MARGINS),
            "rmse": judge.root_mean_squared_error(LABELS, MARGINS),
            "r2": judge.r2_score(LABELS, MARGINS),
        }
    )


def test_metrics_of_one_class_alone_are_defined() -> None:
    found = metrics.binary(MARGINS, np.zeros(400), 10.0, beta=1.0)
    assert (found["precision"], found["recall"], found["roc_auc_score"]) == (0, 0, 0.5)


def goodness(margins: np.ndarray, labels: np.ndarray, threshold: float, criterion: Criterion) -> float:
    found = metrics.binary(margins, labels, threshold, criterion.beta)
    if criterion.name == "accuracy":
        return found["binary_classification_accuracy"]
    if criterion.name == "precision_at_target_recall":
        return found["precision"] if found["recall"] >= criterion.target_recall else -1
    if criterion.name == "recall_at_target_precision":
        return found["recall"] if found["precision"] >= criterion.target_precision else -1
    return found[f"binary_f_{criterion.beta:.3f}"]


NAMES = ["accuracy", "f_beta", "f1", "precision_at_target_recall", "recall_at_target_precision"]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(NAMES), st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=1, max_size=30))
def test_no_threshold_is_better_than_the_one_chosen(name: str, rows: list[tuple[int, bool]]) -> None:
    margins, labels = np.array(rows, float).T
    criterion = Criterion(name, target_precision=0.6, target_recall=0.6)
    threshold, claimed = metrics.choose_threshold(margins, labels, criterion)
    best = max(goodness(margins, labels, cut, criterion) for cut in np.arange(-5, 6) - 0.5)
    assert goodness(margins, labels, threshold, criterion) == pytest.approx(best)
    assert claimed == pytest.approx(best) or best == -1


def test_a_threshold_that_makes_no_difference_stays_natural() -> None:
    margins, labels = np.array([-3.0, -2, 2, 3]), np.array([0.0, 0, 1, 1])
    assert metrics.choose_threshold(margins, labels, Criterion("accuracy"))[0] == 0
    assert metrics.choose_threshold(margins, labels, Criterion("loss_function"))[0] == 0
