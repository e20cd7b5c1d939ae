"""Every loss and penalty reaches the minimum that scikit-learn or scipy finds."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, QuantileRegressor, Ridge
from sklearn.svm import SVC, SVR

from tests.support.programs.linear_learner_fits import PLAIN, features, fit

ROWS = 600
X = features(ROWS, 6).astype(np.float64)
RANDOM = np.random.default_rng(1)
TRUE = RANDOM.standard_normal(6)
NUMBERS = X @ TRUE + 0.5 + RANDOM.standard_t(3, ROWS)
CLASSES = (X @ TRUE + RANDOM.logistic(size=ROWS) > 0.3).astype(float)
MANY = (X @ RANDOM.standard_normal((6, 4)) + RANDOM.gumbel(size=(ROWS, 4))).argmax(axis=1).astype(float)


def softened(error: np.ndarray, delta: float) -> np.ndarray:
    return np.where(np.abs(error) <= delta, error**2 / 2, delta * (np.abs(error) - delta / 2))


LOSSES = {
    "logistic": lambda z, y: np.logaddexp(0, -(2 * y - 1) * z),
    "hinge_loss": lambda z, y: np.maximum(0, 1 - (2 * y - 1) * z),
    "squared_loss": lambda z, y: (z - y) ** 2,
    "absolute_loss": lambda z, y: np.abs(z - y),
    "quantile_loss": lambda z, y: np.maximum(0.8 * (y - z), 0.2 * (z - y)),
    "huber_loss": lambda z, y: softened(z - y, 0.7),
    "eps_insensitive_absolute_loss": lambda z, y: np.maximum(0, np.abs(z - y) - 0.3),
    "eps_insensitive_squared_loss": lambda z, y: np.maximum(0, np.abs(z - y) - 0.3) ** 2,
}
EXTRA = {
    "quantile_loss": {"quantile": 0.8},
    "huber_loss": {"huber_delta": 0.7},
    "eps_insensitive_absolute_loss": {"loss_insensitivity": 0.3},
    "eps_insensitive_squared_loss": {"loss_insensitivity": 0.3},
}


def objective(loss: str, weights: np.ndarray, bias: float, y: np.ndarray, wd: float = 0.0, l1: float = 0.0) -> float:
    mean = LOSSES[loss](X @ weights + bias, y).mean()
    return float(mean + wd / 2 * weights @ weights + l1 * np.abs(weights).sum())


def reached(loss: str, y: np.ndarray, wd: float = 0.0, l1: float = 0.0) -> tuple[float, np.ndarray]:
    predictor = "binary_classifier" if loss in ("logistic", "hinge_loss") else "regressor"
    model = fit(X, y, **PLAIN, predictor_type=predictor, loss=loss, wd=wd, l1=l1, **EXTRA.get(loss, {})).model
    return objective(loss, model.weights[:, 0], model.bias[0], y, wd, l1), model.weights[:, 0]


@pytest.mark.parametrize("wd", [0.0, 0.05])
@pytest.mark.parametrize(
    ("loss", "y"),
    [
        ("logistic", CLASSES),
        ("squared_loss", NUMBERS),
        ("huber_loss", NUMBERS),
        ("eps_insensitive_squared_loss", NUMBERS),
    ],
)
def test_a_smooth_loss_reaches_scipys_minimum(loss: str, y: np.ndarray, wd: float) -> None:
    best = minimize(lambda p: objective(loss, p[:-1], p[-1], y, wd), np.zeros(7), tol=1e-10)
    value, weights = reached(loss, y, wd)
    assert value == pytest.approx(best.fun, rel=1e-5)
    assert weights == pytest.approx(best.x[:-1], abs=2e-3)


def test_ridge_is_scikit_learns() -> None:
    judge = Ridge(alpha=ROWS * 0.1 / 2).fit(X, NUMBERS)
    assert reached("squared_loss", NUMBERS, wd=0.1)[1] == pytest.approx(judge.coef_, abs=1e-4)


def test_logistic_regression_is_scikit_learns() -> None:
    judge = LogisticRegression(C=1 / (ROWS * 0.1), tol=1e-10, max_iter=1000).fit(X, CLASSES)
    assert reached("logistic", CLASSES, wd=0.1)[1] == pytest.approx(judge.coef_[0], abs=1e-4)


@pytest.mark.parametrize("l1", [0.02, 0.2])
def test_lasso_is_scikit_learns_zeros_included(l1: float) -> None:
    judge = Lasso(alpha=l1 / 2, tol=1e-10).fit(X, NUMBERS)
    _, weights = reached("squared_loss", NUMBERS, l1=l1)
    assert weights == pytest.approx(judge.coef_, abs=1e-3)
    assert ((weights == 0) == (judge.coef_ == 0)).all()


def test_elastic_net_is_scikit_learns() -> None:
    judge = ElasticNet(alpha=0.2, l1_ratio=0.5, tol=1e-10).fit(X, NUMBERS)
    assert reached("squared_loss", NUMBERS, wd=0.2, l1=0.2)[1] == pytest.approx(judge.coef_, abs=1e-3)


def test_an_l1_logistic_regression_is_scikit_learns() -> None:
    settings = {"l1_ratio": 1.0, "solver": "saga", "C": 1 / (ROWS * 0.05), "tol": 1e-8, "max_iter": 20000}
    judge = LogisticRegression(**settings).fit(X, CLASSES)
    value, weights = reached("logistic", CLASSES, l1=0.05)
    assert value == pytest.approx(
        objective("logistic", judge.coef_[0], judge.intercept_[0], CLASSES, l1=0.05), rel=1e-5
    )
    assert ((weights == 0) == (judge.coef_[0] == 0)).all()


@pytest.mark.parametrize("l1", [0.0, 0.05])
@pytest.mark.parametrize(("loss", "quantile", "factor"), [("quantile_loss", 0.8, 1), ("absolute_loss", 0.5, 2)])
def test_quantiles_are_those_of_linear_programming(loss: str, quantile: float, factor: int, l1: float) -> None:
    judge = QuantileRegressor(quantile=quantile, alpha=l1 / factor).fit(X, NUMBERS)
    value, _ = reached(loss, NUMBERS, l1=l1)
    assert value == pytest.approx(objective(loss, judge.coef_, judge.intercept_, NUMBERS, l1=l1), rel=1e-4)


def test_hinge_loss_is_a_support_vector_classifier() -> None:
    judge = SVC(kernel="linear", C=1 / (ROWS * 0.02), tol=1e-6).fit(X, CLASSES)
    best = objective("hinge_loss", judge.coef_[0], judge.intercept_[0], CLASSES, wd=0.02)
    assert reached("hinge_loss", CLASSES, wd=0.02)[0] == pytest.approx(best, rel=1e-4)


def test_the_insensitive_absolute_loss_is_a_support_vector_regressor() -> None:
    judge = SVR(kernel="linear", C=1 / (ROWS * 0.02), epsilon=0.3, tol=1e-6).fit(X, NUMBERS)
    loss = "eps_insensitive_absolute_loss"
    best = objective(loss, judge.coef_[0], judge.intercept_[0], NUMBERS, wd=0.02)
    assert reached(loss, NUMBERS, wd=0.02)[0] == pytest.approx(best, rel=1e-4)


def test_softmax_is_scikit_learns_multinomial_regression() -> None:
    judge = LogisticRegression(C=1 / (ROWS * 0.05), tol=1e-10, max_iter=2000).fit(X, MANY)
    hyperparameters = PLAIN | {"predictor_type": "multiclass_classifier", "num_classes": "4", "wd": "0.05"}
    model = fit(X, MANY, **hyperparameters).model
    assert np.allclose(model.weights.T, judge.coef_, atol=1e-3)
    assert model.scores(X) == pytest.approx(judge.predict_proba(X), abs=1e-3)


def test_many_features_reach_the_same_minimum_without_curvature() -> None:
    x = features(900, 300, seed=3).astype(np.float64)
    y = (x[:, :5].sum(axis=1) + np.random.default_rng(4).logistic(size=900) > 0).astype(float)
    judge = LogisticRegression(C=1 / (900 * 0.02), tol=1e-10, max_iter=5000).fit(x, y)
    model = fit(x, y, **PLAIN, predictor_type="binary_classifier", wd=0.02).model
    assert model.scores(x)[:, 0] == pytest.approx(judge.predict_proba(x)[:, 1], abs=2e-3)


def test_many_features_with_an_l1_penalty_reach_scikit_learns_minimum() -> None:
    x = features(900, 300, seed=3).astype(np.float64)
    y = x[:, :5].sum(axis=1) + np.random.default_rng(4).standard_normal(900)
    judge = Lasso(alpha=0.05, tol=1e-10, max_iter=20000).fit(x, y)
    model = fit(x, y, **PLAIN, predictor_type="regressor", wd=0, l1=0.1).model

    def value(weights: np.ndarray, bias: float) -> float:
        return float(((x @ weights + bias - y) ** 2).mean() + 0.1 * np.abs(weights).sum())

    assert value(model.weights[:, 0], model.bias[0]) == pytest.approx(value(judge.coef_, judge.intercept_), rel=1e-4)
