"""The metrics of xgboost that XGBoost itself lacks, compared with scikit-learn."""

import numpy as np
import pytest
import sklearn.metrics as judge
from hypothesis import given, settings
from hypothesis import strategies as st

from lowcloud.runtime.algorithms.xgboost import metrics
from lowcloud.schemas.xgboost.names import CLASSIFICATION_METRICS, OWN_METRICS


def alone(array: np.ndarray) -> np.ndarray:
    return array


def judged(labels: np.ndarray, decided: np.ndarray, classes: int) -> dict[str, float]:
    found = {
        "accuracy": judge.accuracy_score(labels, decided),
        "balanced_accuracy": judge.recall_score(
            labels, decided, labels=np.unique(labels), average="macro", zero_division=0
        ),
        "f1": judge.f1_score(labels, decided, average="macro", zero_division=0),
        "f1_macro": judge.f1_score(labels, decided, average="macro", zero_division=0),
    }
    for name, score in (("precision", judge.precision_score), ("recall", judge.recall_score)):
        for average in ("macro", "micro"):
            found[f"{name}_{average}"] = score(labels, decided, average=average, zero_division=0)
        if classes == 2:
            found[name] = score(labels, decided, zero_division=0)
    if classes == 2:
        found["f1_binary"] = judge.f1_score(labels, decided, zero_division=0)
    return found


@given(st.integers(2, 4), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_metrics_of_classes_are_scikit_learns(classes: int, rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=rows).astype(float)
    scores = rng.random((rows, classes)).astype("f4")
    predictions, objective = (scores[:, 1], "binary:logistic") if classes == 2 else (scores, "multi:softprob")
    decided = metrics.decide(predictions, objective)
    names = [
        name for name in CLASSIFICATION_METRICS if classes == 2 or name not in ("f1_binary", "precision", "recall")
    ]
    found = metrics.compute(names, predictions, labels, objective, classes, alone)
    expected = judged(labels, decided, classes)
    assert dict(zip(names, found, strict=True)) == pytest.approx({name: expected[name] for name in names})


@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_metrics_of_numbers_are_scikit_learns(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, predictions = rng.normal(size=rows), rng.normal(size=rows)
    found = metrics.compute(["mse", "r2"], predictions, labels, "reg:squarederror", 0, alone)
    assert found == pytest.approx(
        [judge.mean_squared_error(labels, predictions), judge.r2_score(labels, predictions)], rel=1e-9, abs=1e-9
    )


def test_hosts_together_have_the_metrics_of_one() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(2, size=100).astype(float)
    predictions = rng.random(100)
    names = list(OWN_METRICS)
    whole = metrics.compute(names, predictions, labels, "binary:logistic", 2, alone)
    shares: list[list[np.ndarray]] = []
    for part in (slice(0, 10), slice(10, 100)):
        kept: list[np.ndarray] = []
        metrics.compute(
            names, predictions[part], labels[part], "binary:logistic", 2, lambda a, k=kept: k.append(a) or a
        )
        shares.append(kept)
    totals = iter([one + other for one, other in zip(*shares, strict=True)])
    together = metrics.compute(names, predictions[:10], labels[:10], "binary:logistic", 2, lambda _: next(totals))
    assert together == pytest.approx(whole)


@pytest.mark.parametrize(
    ("objective", "predictions", "decided"),
    [
        ("binary:logistic", [0.5, 0.51], [0, 1]),
        ("binary:logitraw", [-0.1, 0.1], [0, 1]),
        ("binary:hinge", [0.0, 1.0], [0, 1]),
        ("multi:softmax", [2.0, 0.0], [2, 0]),
        ("multi:softprob", [[0.1, 0.9], [0.6, 0.4]], [1, 0]),
    ],
)
def test_classes_are_predicted_according_to_the_objective(
    objective: str, predictions: list, decided: list[int]
) -> None:
    assert metrics.decide(np.array(predictions), objective).tolist() == decided
