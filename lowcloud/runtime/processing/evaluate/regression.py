"""Evaluation of a regression: the errors of predicted numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BINS = 40
POINTS = 1500  # in the plots, evenly sampled


@dataclass(frozen=True)
class RegressionEvaluation:
    """Truth and prediction (rows,)."""

    truth: Floats
    predicted: Floats

    def measure(self, weights: Floats) -> dict[str, float]:
        """Return all scalar metrics; those with a denominator of 0 are NaN."""
        errors = self.predicted - self.truth
        mean = np.average(self.truth, weights=weights)
        spread = np.average((self.truth - mean) ** 2, weights=weights)
        squared = float(np.average(errors**2, weights=weights))
        bias = float(np.average(errors, weights=weights))
        scattered = float(np.average((errors - bias) ** 2, weights=weights))
        has_zero = bool((self.truth == 0).any())
        share = np.nan if has_zero else float(np.average(np.abs(errors / self.truth), weights=weights))
        return {
            "mae": float(np.average(np.abs(errors), weights=weights)),
            "mse": squared,
            "rmse": float(np.sqrt(squared)),
            "r2": 1 - squared / float(spread) if spread > 0 else np.nan,
            "explained_variance": 1 - scattered / float(spread) if spread > 0 else np.nan,
            "mape": share,
            "mean_error": bias,
            "max_error": float(np.abs(errors[weights > 0]).max()),
        }

    def constant(self, weights: Floats) -> dict[str, float]:
        """Return the metrics of predicting the mean of the truth."""
        mean = np.average(self.truth, weights=weights)
        found = RegressionEvaluation(self.truth, np.full(len(self.truth), mean)).measure(weights)
        return {f"{name}_best_constant_predictor": found[name] for name in ("mae", "mse", "rmse")}

    def curves(self, _weights: Floats) -> Mapping[str, Any]:
        """Return points and histograms for plots, as plain JSON."""
        errors = self.predicted - self.truth
        low, high = float(errors.min()), float(errors.max())
        edges = np.linspace(low, high, BINS + 1) if low < high else np.array([low - 0.5, low + 0.5])
        chosen = np.linspace(0, len(errors) - 1, min(POINTS, len(errors))).astype(np.int64)
        return {
            "residuals": {"edges": edges.tolist(), "counts": np.histogram(errors, edges)[0].tolist()},
            "points": {"truth": self.truth[chosen].tolist(), "predicted": self.predicted[chosen].tolist()},
            "quantiles": {f"{share:g}": float(np.quantile(np.abs(errors), share)) for share in (0.5, 0.9, 0.95, 0.99)},
        }
