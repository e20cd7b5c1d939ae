"""The effects of hyperparameters on a fit: scaling, weights, model selection, thresholds, large tables."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss

from lowcloud.runtime.algorithms.linear_learner import model, selection
from lowcloud.runtime.algorithms.linear_learner.objective import TrainingRows
from tests.support.programs.linear_learner_fits import PLAIN, features, fit

BINARY = {"predictor_type": "binary_classifier"}
X = features(2000, 5, seed=7)
RANDOM = np.random.default_rng(8)
CLASSES = (X @ RANDOM.standard_normal(5) + RANDOM.logistic(size=2000) > 3).astype(float)


def scores_of(judge: LogisticRegression, x: np.ndarray) -> np.ndarray:
    return np.asarray(judge.predict_proba(x)[:, 1])


def test_normalisation_leaves_an_unpenalised_model_as_it_is() -> None:
    x = (X * [1, 1e-4, 1e4, 1, 1] + [0, 0, 0, 2013, -1e4]).astype(np.float32)
    wide = x.astype(float) - x.mean(axis=0, dtype=float)
    judge = wide @ np.linalg.lstsq(wide, CLASSES - CLASSES.mean())[0] + CLASSES.mean()
    settings = {"predictor_type": "regressor", "wd": 0, "num_models": 1, "early_stopping_tolerance": 1e-7}
    assert fit(x.copy(), CLASSES, **settings).model.predict(x) == pytest.approx(judge, abs=1e-3)
    assert fit(X.copy(), CLASSES, **settings, normalize_data="false").model.predict(X) == pytest.approx(judge, abs=1e-3)


def test_without_a_bias_the_line_goes_through_the_origin() -> None:
    judge = Ridge(alpha=1e-9, fit_intercept=False).fit(X.astype(float), CLASSES)
    settings = {"predictor_type": "regressor", "wd": 0, "num_models": 1, "use_bias": "false"}
    made = fit(X, CLASSES, **settings, early_stopping_tolerance=1e-7).model
    assert made.bias[0] == 0
    assert made.weights[:, 0] == pytest.approx(judge.coef_, abs=1e-4)


def test_balanced_positive_examples_are_scikit_learns_balanced_classes() -> None:
    judge = LogisticRegression(C=1e6, class_weight="balanced", tol=1e-10, max_iter=1000).fit(X, CLASSES)
    made = fit(X, CLASSES, **BINARY, **PLAIN, wd=0, positive_example_weight_mult="balanced").model
    assert made.scores(X)[:, 0] == pytest.approx(scores_of(judge, X), abs=2e-3)


def test_balanced_classes_of_many_are_scikit_learns() -> None:
    many = np.digitize(X @ np.ones(5), [2, 5]).astype(float)
    judge = LogisticRegression(C=1 / (2000 * 0.01), class_weight="balanced", tol=1e-10, max_iter=1000).fit(X, many)
    settings = {"predictor_type": "multiclass_classifier", "num_classes": 3, "balance_multiclass_weights": "true"}
    made = fit(X, many, **PLAIN, **settings, wd=0.01).model
    assert made.scores(X) == pytest.approx(judge.predict_proba(X), abs=2e-3)


@pytest.mark.parametrize("beside", [False, True])
def test_many_models_find_the_penalty_that_noise_needs(beside: bool) -> None:
    x = features(260, 60, seed=9)
    y = (x[:, 0] + 2 * np.random.default_rng(10).logistic(size=260) > 0).astype(float)
    fresh = features(5000, 60, seed=9)[260:]
    truth = (fresh[:, 0] + 2 * np.random.default_rng(11).logistic(size=len(fresh)) > 0).astype(float)
    validation = (fresh[:300], truth[:300]) if beside else None
    by_loss = BINARY | {"binary_classifier_model_selection_criteria": "loss_function"}

    def loss(models: int) -> float:
        p = fit(x, y, validation, **by_loss, num_models=models).model.scores(fresh[300:])[:, 0]
        return float(-np.log(np.where(truth[300:] > 0.5, p, 1 - p)).mean())

    assert loss(32) < 0.8 * loss(1)


def test_a_target_recall_is_held_on_the_validation_rows() -> None:
    settings = {"binary_classifier_model_selection_criteria": "precision_at_target_recall", "target_recall": 0.9}
    made = fit(X[:1000], CLASSES[:1000], (X[1000:], CLASSES[1000:]), **BINARY, **settings).model
    said, truth = made.predict(X[1000:]) > 0.5, CLASSES[1000:] > 0.5
    assert said[truth].mean() >= 0.9
    assert said[truth].mean() < 0.93  # no more is given up for it than needed


def test_tuning_jobs_train_one_model() -> None:
    made = fit(X, CLASSES, **BINARY, num_models=8, _tuning_objective_metric="validation:objective_loss")
    assert made.models == 1


def test_a_row_keeps_its_fold_on_any_host() -> None:
    y = CLASSES.astype(np.float32)
    fold = selection.folds(TrainingRows(X, y))
    order = np.random.default_rng(0).permutation(2000)
    assert (selection.folds(TrainingRows(X[order], y[order])) == fold[order]).all()
    assert np.bincount(fold, minlength=5).min() > 320


@pytest.mark.parametrize("loss", ["logistic", "hinge_loss"])
def test_a_big_table_is_solved_by_samples_to_the_same_model(loss: str) -> None:
    x = features(60_000, 4, seed=12)
    y = (x @ [1, -1, 0.5, 0] + np.random.default_rng(13).logistic(size=60_000) > 0.2).astype(float)
    made = fit(x.copy(), y, **BINARY, loss=loss, num_models=1, wd=0, early_stopping_tolerance=1e-6).model
    whole = fit(x.copy(), y, **BINARY, **PLAIN, loss=loss, wd=0).model
    assert ((made.margins(x) > 0) == (whole.margins(x) > 0)).mean() > 0.995
    if loss == "logistic":
        judge = LogisticRegression(C=1e6, tol=1e-10).fit(x, y)
        assert made.scores(x)[:, 0] == pytest.approx(scores_of(judge, x), abs=5e-3)


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.5), ("adam", 0.05), ("rmsprop", 0.05)])
def test_stochastic_descent_approaches_the_minimum(optimizer: str, rate: float) -> None:
    settings = {"epochs": 60, "mini_batch_size": 200, "num_models": 1, "early_stopping_patience": 99}
    judge = LogisticRegression(C=1e6, tol=1e-10).fit(X, CLASSES)
    made = fit(X, CLASSES, **BINARY, **settings, wd=0, optimizer=optimizer, learning_rate=rate).model
    assert log_loss(CLASSES, made.scores(X)[:, 0]) < 1.04 * log_loss(CLASSES, scores_of(judge, X))


def test_a_learning_rate_selects_adam() -> None:
    still = fit(X, CLASSES, **BINARY, learning_rate=1e-9, epochs=1, num_models=1, init_bias=0.25).model
    assert np.abs(still.weights).max() < 0.2  # hardly moved from init_scale's start
    moved = fit(X, CLASSES, **BINARY, epochs=3, num_models=1).model
    assert np.abs(moved.weights).max() > 0.3


def test_a_stored_model_is_read_back(tmp_path: Path) -> None:
    made = fit(X, CLASSES, **BINARY).model
    model.save(made, tmp_path)
    read = model.load(tmp_path)
    assert (read.scores(X) == made.scores(X)).all()
    assert (read.predict(X) == made.predict(X)).all()


@pytest.mark.parametrize("change", [{"version": 2}, {"format": "other"}, {"features": 4}, {"threshold": None}])
def test_another_format_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    model.save(fit(X, CLASSES, **BINARY, num_models=1).model, tmp_path)
    header = json.loads((tmp_path / model.HEADER).read_text())
    (tmp_path / model.HEADER).write_text(json.dumps(header | change))
    with pytest.raises(model.UnreadableLinearModelError):
        model.load(tmp_path)


def test_a_pickle_in_a_model_is_refused(tmp_path: Path) -> None:
    model.save(fit(X, CLASSES, **BINARY, num_models=1).model, tmp_path)
    np.save(tmp_path / model.WEIGHTS, np.array([{"any": "object"}]), allow_pickle=True)
    with pytest.raises(model.UnreadableLinearModelError):
        model.load(tmp_path)
