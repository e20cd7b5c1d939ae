"""Every metric compared with scikit-learn's, with weights and ties; intervals compared with theory."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import calibration
from sklearn import metrics as sk

from lowcloud.runtime.processing.evaluate import bootstrap
from lowcloud.runtime.processing.evaluate.binary import BinaryEvaluation
from lowcloud.runtime.processing.evaluate.multiclass import MulticlassEvaluation
from lowcloud.runtime.processing.evaluate.ranking import lift
from lowcloud.runtime.processing.evaluate.regression import RegressionEvaluation

FEW = settings(max_examples=25)
SEEDS = st.integers(0, 10_000)


def close(found: dict[str, float], expected: dict[str, float]) -> None:
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


def weights_of(random: np.random.Generator, rows: int, weighted: bool) -> np.ndarray:
    return random.uniform(0.1, 3, rows) if weighted else np.ones(rows)


@FEW
@given(SEEDS, st.integers(4, 60), st.booleans(), st.booleans())
def test_two_classes_are_measured_as_scikit_learn_does(seed: int, rows: int, weighted: bool, tied: bool) -> None:
    random = np.random.default_rng(seed)
    truth = random.permutation(np.arange(rows) % 2)
    scores = np.clip(random.normal(0.4 + 0.2 * truth, 0.25), 0, 1)
    scores = scores.round(1) if tied else scores
    predicted, w = (scores >= 0.5).astype(np.int64), weights_of(random, rows, weighted)
    found = BinaryEvaluation(truth, predicted, scores).measure(w)
    of = {"sample_weight": w}
    true_negative, false_positive, false_negative, true_positive = sk.confusion_matrix(truth, predicted, **of).ravel()
    expected = {
        "accuracy": sk.accuracy_score(truth, predicted, **of),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, predicted, **of),
        "matthews_correlation": sk.matthews_corrcoef(truth, predicted, **of),
        "true_positive_rate": true_positive / (true_positive + false_negative),
        "false_positive_rate": false_positive / (false_positive + true_negative),
        "true_negative_rate": true_negative / (false_positive + true_negative),
        "false_negative_rate": false_negative / (true_positive + false_negative),
        "precision": sk.precision_score(truth, predicted, zero_division=0, **of),
        "recall": sk.recall_score(truth, predicted, zero_division=0, **of),
        "f1": sk.f1_score(truth, predicted, zero_division=0, **of),
        "f0_5": sk.fbeta_score(truth, predicted, beta=0.5, zero_division=0, **of),
        "f2": sk.fbeta_score(truth, predicted, beta=2, zero_division=0, **of),
        "auc": sk.roc_auc_score(truth, scores, **of),
        "average_precision": sk.average_precision_score(truth, scores, **of),
        "log_loss": sk.log_loss(truth, scores, **of),
        "brier_score": sk.brier_score_loss(truth, scores, **of),
    }
    if expected["matthews_correlation"] or len(set(predicted)) > 1:
        expected["cohens_kappa"] = sk.cohen_kappa_score(truth, predicted, **of)
    for average in ("macro", "weighted", "micro"):
        expected[f"{average}_f1"] = sk.f1_score(truth, predicted, average=average, zero_division=0, labels=[0, 1], **of)
    close(found, expected)


@FEW
@given(SEEDS, st.booleans())
def test_curves_of_two_classes_are_those_of_scikit_learn(seed: int, weighted: bool) -> None:
    random = np.random.default_rng(seed)
    truth = random.permutation(np.arange(40) % 2)
    scores, w = random.uniform(0, 1, 40).round(2), weights_of(random, 40, weighted)
    curves = BinaryEvaluation(truth, truth, scores, bins=5).curves(w)
    false, true, thresholds = sk.roc_curve(truth, scores, sample_weight=w, drop_intermediate=False)
    roc = curves["receiver_operating_characteristic_curve"]
    np.testing.assert_allclose(roc["false_positive_rates"], false, atol=1e-12)
    np.testing.assert_allclose(roc["true_positive_rates"], true, atol=1e-12)
    np.testing.assert_array_equal(roc["thresholds"][1:], thresholds[1:])
    precision, recall, _ = sk.precision_recall_curve(truth, scores, sample_weight=w)
    np.testing.assert_allclose(curves["precision_recall_curve"]["precisions"][::-1], precision[:-1], atol=1e-12)
    np.testing.assert_allclose(curves["precision_recall_curve"]["recalls"][::-1], recall[:-1], atol=1e-12)
    for row in curves["thresholds"]:
        chosen = scores >= row["threshold"]
        assert row["precision"] == pytest.approx(sk.precision_score(truth, chosen, sample_weight=w, zero_division=0))
        assert row["recall"] == pytest.approx(sk.recall_score(truth, chosen, sample_weight=w))
        assert row["f1"] == pytest.approx(sk.f1_score(truth, chosen, sample_weight=w, zero_division=0))
        assert row["accuracy"] == pytest.approx(sk.accuracy_score(truth, chosen, sample_weight=w))
        assert row["share"] == pytest.approx(np.average(chosen, weights=w))


def test_the_reliability_curve_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(5)
    scores = random.uniform(0, 1, 500)
    truth = (random.uniform(0, 1, 500) < scores**1.5).astype(np.int64)
    model = BinaryEvaluation(truth, truth, scores, bins=10)
    curve = model.curves(np.ones(500))["calibration_curve"]
    observed, predicted = calibration.calibration_curve(truth, scores, n_bins=10)
    np.testing.assert_allclose(curve["observed"], observed)
    np.testing.assert_allclose(curve["predicted"], predicted)
    error = np.average(np.abs(observed - predicted), weights=np.histogram(scores, 10, (0, 1))[0])
    assert model.measure(np.ones(500))["expected_calibration_error"] == pytest.approx(error)


@FEW
@given(SEEDS, st.integers(12, 60), st.booleans())
def test_many_classes_are_measured_as_scikit_learn_does(seed: int, rows: int, weighted: bool) -> None:
    random = np.random.default_rng(seed)
    truth = random.permutation(np.arange(rows) % 4)
    raw = random.normal(0, 1, (rows, 4)) + 1.5 * (truth[:, None] == np.arange(4))
    scores = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    predicted, w = scores.argmax(axis=1), weights_of(random, rows, weighted)
    found = MulticlassEvaluation(truth, predicted, scores, tuple("abcd")).measure(w)
    of, labels = {"sample_weight": w}, np.arange(4)
    expected = {
        "accuracy": sk.accuracy_score(truth, predicted, **of),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, predicted, **of),
        "matthews_correlation": sk.matthews_corrcoef(truth, predicted, **of),
        "cohens_kappa": sk.cohen_kappa_score(truth, predicted, **of),
        "log_loss": sk.log_loss(truth, scores, labels=labels, **of),
        "auc_one_vs_rest_macro": sk.roc_auc_score(truth, scores, multi_class="ovr", **of),
        "auc_one_vs_rest_weighted": np.average(
            [sk.roc_auc_score(truth == i, scores[:, i], **of) for i in range(4)],
            weights=[w[truth == i].sum() for i in range(4)],
        ),
        "brier_score": np.average(((scores - np.eye(4)[truth]) ** 2).sum(axis=1), weights=w),
    }
    for average in ("macro", "weighted", "micro"):
        more = {"average": average, "labels": labels, "zero_division": 0, **of}
        expected[f"{average}_precision"] = sk.precision_score(truth, predicted, **more)
        expected[f"{average}_recall"] = sk.recall_score(truth, predicted, **more)
        expected[f"{average}_f1"] = sk.f1_score(truth, predicted, **more)
        if average != "micro":
            expected[f"{average}_f0_5"] = sk.fbeta_score(truth, predicted, beta=0.5, **more)
            expected[f"{average}_f2"] = sk.fbeta_score(truth, predicted, beta=2, **more)
    close(found, expected)


def test_each_class_has_its_own_measures() -> None:
    random = np.random.default_rng(2)
    truth, predicted = random.integers(0, 3, 90), random.integers(0, 3, 90)
    scores = random.dirichlet([1, 1, 1], 90)
    classes = MulticlassEvaluation(truth, predicted, scores, ("x", "y", "z")).curves(np.ones(90))["classes"]
    precision, recall, f1, support = sk.precision_recall_fscore_support(truth, predicted)
    for i, name in enumerate("xyz"):
        found = (classes[name][key] for key in ("precision", "recall", "f1", "support"))
        assert list(found) == pytest.approx([precision[i], recall[i], f1[i], support[i]])
        assert classes[name]["auc"] == pytest.approx(sk.roc_auc_score(truth == i, scores[:, i]))
        assert classes[name]["average_precision"] == pytest.approx(sk.average_precision_score(truth == i, scores[:, i]))


@FEW
@given(SEEDS, st.integers(2, 60), st.booleans())
def test_numbers_are_measured_as_scikit_learn_does(seed: int, rows: int, weighted: bool) -> None:
    random = np.random.default_rng(seed)
    truth = random.normal(5, 3, rows)
    predicted, w = truth + random.normal(0.3, 1, rows), weights_of(random, rows, weighted)
    of = {"sample_weight": w}
    expected = {
        "mae": sk.mean_absolute_error(truth, predicted, **of),
        "mse": sk.mean_squared_error(truth, predicted, **of),
        "rmse": sk.root_mean_squared_error(truth, predicted, **of),
        "r2": sk.r2_score(truth, predicted, **of),
        "explained_variance": sk.explained_variance_score(truth, predicted, **of),
        "mape": sk.mean_absolute_percentage_error(truth, predicted, **of),
        "max_error": sk.max_error(truth, predicted),
        "mean_error": np.average(predicted - truth, weights=w),
    }
    close(RegressionEvaluation(truth, predicted).measure(w), expected)


def test_one_class_has_no_area_and_no_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = BinaryEvaluation(np.ones(5, np.int64), np.ones(5, np.int64), np.linspace(0, 1, 5)).measure(np.ones(5))
        assert np.isnan(found["auc"])
        assert np.isnan(found["cohens_kappa"])
        assert (found["accuracy"], found["recall"], found["matthews_correlation"]) == (1, 1, 0)
        constant = RegressionEvaluation(np.ones(3), np.ones(3)).measure(np.ones(3))
        assert np.isnan(constant["r2"])


def test_scores_that_are_no_probabilities_are_ranked_alone() -> None:
    truth, margins = np.array([0, 0, 1, 1]), np.array([-3.0, 2, 1, 7])
    found = BinaryEvaluation(truth, truth, margins).measure(np.ones(4))
    assert found["auc"] == sk.roc_auc_score(truth, margins)
    assert "log_loss" not in found


def test_lift_counts_the_positives_of_the_top_rows() -> None:
    truth = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0])
    curve = BinaryEvaluation(truth, truth, np.linspace(1, 0, 10)).ranking
    assert curve is not None
    rows = lift(curve.curve(np.ones(10)))
    assert [row["gain"] for row in rows[:4]] == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1])
    assert rows[0]["lift"] == pytest.approx(10 / 3)


def test_the_bootstrap_finds_the_deviation_of_a_mean_and_is_repeatable() -> None:
    values = np.random.default_rng(1).normal(10, 2, 400)
    measure = lambda w: {"mean": float(np.average(values, weights=w)), "nothing": np.nan}  # noqa: E731
    found = bootstrap.estimate_spreads(measure, np.ones(400), 1000, 0.95, 7)
    assert found == bootstrap.estimate_spreads(measure, np.ones(400), 1000, 0.95, 7)
    assert found.keys() == {"mean"}
    expected = values.std() / 20
    assert found["mean"].deviation == pytest.approx(expected, rel=0.1)
    assert found["mean"].low == pytest.approx(values.mean() - 1.96 * expected, abs=0.3 * expected)
    assert found["mean"].high == pytest.approx(values.mean() + 1.96 * expected, abs=0.3 * expected)
    assert bootstrap.estimate_spreads(measure, np.ones(400), 0, 0.95, 7) == {}


def test_large_data_is_resampled_less_often() -> None:
    assert bootstrap.count_resamples(200, 1000) == 200
    assert bootstrap.count_resamples(200, 1_000_000) == 50
    assert bootstrap.count_resamples(200, 10**9) == bootstrap.MIN_RESAMPLES
    assert bootstrap.count_resamples(0, 10**9) == 0
