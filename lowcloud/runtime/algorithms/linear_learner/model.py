"""The linear model: storage and prediction. docs/algorithms/linear-learner.md describes the files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.formats.inference import Predictions

FORMAT = "lowcloud/linear-learner"
VERSION = 1
HEADER = "model.json"
WEIGHTS = "weights.npy"

Floats = NDArray[np.floating[Any]]


class UnreadableLinearModelError(Exception):
    """A folder does not contain a linear-learner model of a known version."""


@dataclass(frozen=True)
class LinearModel:
    """A model with margin = x @ weights + bias, in the units of the data: prediction needs no normalisation.

    weights (features, outputs), where outputs is num_classes for several classes and otherwise 1; bias (outputs,).
    A binary classifier predicts 1 if the margin is at least `threshold`.
    """

    predictor_type: str
    loss: str
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    threshold: float = 0.0
    hyperparameters: Mapping[str, Any] | None = None  # of the selected variant
    metrics: Mapping[str, float] | None = None
    names: tuple[str, ...] = ()  # of the features, if the training data had names

    @property
    def features(self) -> int:
        return int(self.weights.shape[0])

    def margins(self, x: Floats) -> NDArray[np.float64]:
        """(rows, features) -> (rows, outputs). Works in blocks to avoid a float64 copy of the complete matrix."""
        out = np.empty((len(x), self.weights.shape[1]))
        for start in range(0, len(x), 4096):
            stop = start + 4096
            np.matmul(x[start:stop].astype(np.float64), self.weights, out=out[start:stop])
        out += self.bias
        return out

    def predict(self, x: Floats) -> NDArray[np.float64]:
        """(rows, features) -> labels (rows,): classes, or the regressor's numbers."""
        margins = self.margins(x)
        if self.predictor_type == "multiclass_classifier":
            return np.asarray(margins.argmax(axis=1), np.float64)
        if self.predictor_type == "binary_classifier":
            return np.asarray(margins[:, 0] >= self.threshold, np.float64)
        return np.asarray(margins[:, 0])

    def scores(self, x: Floats) -> NDArray[np.float64]:
        """(rows, features) -> (rows, outputs): probabilities for logistic and softmax_loss, otherwise margins."""
        return link(self.loss, self.margins(x))

    def predictions(self, x: Floats) -> Predictions:
        """Return an endpoint's predictions for rows (rows, features)."""
        margins = self.margins(x)
        scores = link(self.loss, margins)
        if self.predictor_type == "multiclass_classifier":
            return Predictions(scores.tolist(), margins.argmax(axis=1).tolist())
        if self.predictor_type == "binary_classifier":
            return Predictions(scores[:, 0].tolist(), (margins[:, 0] >= self.threshold).astype(int).tolist())
        return Predictions(scores[:, 0].tolist())


def link(loss: str, margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores of margins (rows, outputs)."""
    if loss == "logistic":
        e = np.exp(-np.abs(margins))
        return np.asarray(np.where(margins >= 0, 1.0, e) / (1.0 + e))
    if loss == "softmax_loss":
        e = np.exp(margins - margins.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True))
    return margins


def save(model: LinearModel, folder: Path) -> None:
    """Write the model's two files."""
    folder.mkdir(parents=True, exist_ok=True)
    header = {
        "format": FORMAT,
        "version": VERSION,
        "predictor_type": model.predictor_type,
        "loss": model.loss,
        "features": model.features,
        "outputs": int(model.weights.shape[1]),
        "threshold": model.threshold,
        "hyperparameters": dict(model.hyperparameters or {}),
        "metrics": dict(model.metrics or {}),
        "feature_names": list(model.names),
    }
    np.save(folder / WEIGHTS, np.vstack([model.weights, model.bias]).astype("<f8"), allow_pickle=False)
    (folder / HEADER).write_text(json.dumps(header, indent=2) + "\n")


def load(folder: Path) -> LinearModel:
    """Load a stored model, which contains no code. Raises UnreadableLinearModelError."""
    try:
        header = json.loads((folder / HEADER).read_text())
        stacked = np.load(folder / WEIGHTS, allow_pickle=False)
        if header["format"] != FORMAT or header["version"] != VERSION:
            raise UnreadableLinearModelError(
                f"{folder} contains {header['format']} version {header['version']}, not {FORMAT} {VERSION}."
            )
        if stacked.shape != (header["features"] + 1, header["outputs"]) or stacked.dtype != np.float64:
            raise UnreadableLinearModelError(f"{folder / WEIGHTS} does not have the shape given in {HEADER}.")
        return LinearModel(
            predictor_type=str(header["predictor_type"]),
            loss=str(header["loss"]),
            weights=stacked[:-1],
            bias=stacked[-1],
            threshold=float(header["threshold"]),
            hyperparameters=dict(header["hyperparameters"]),
            metrics=dict(header["metrics"]),
            names=tuple(header.get("feature_names", ())),  # models of version 0.1.0 have none
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableLinearModelError(f"{folder} does not contain a readable {FORMAT} model: {error}") from error
