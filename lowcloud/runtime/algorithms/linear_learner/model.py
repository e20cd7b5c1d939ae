"""The linear model: what is stored, and how it predicts. docs/algorithms/linear-learner.md describes the files."""

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


class UnreadableModelError(Exception):
    """A folder does not hold a linear-learner model of a known version."""


@dataclass(frozen=True)
class Model:
    """margin = x @ weights + bias, in the units of the data: nothing is normalised at prediction.

    weights (features, outputs), outputs being num_classes for many classes and else 1; bias (outputs,).
    A binary classifier says 1 where its margin is at least `threshold`.
    """

    predictor_type: str
    loss: str
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    threshold: float = 0.0
    hyperparameters: Mapping[str, Any] | None = None  # of the variant chosen
    metrics: Mapping[str, float] | None = None

    @property
    def features(self) -> int:
        return int(self.weights.shape[0])

    def margins(self, x: Floats) -> NDArray[np.float64]:
        """(rows, features) -> (rows, outputs). Works in blocks, so a float32 matrix is never copied whole."""
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
        """(rows, features) -> (rows, outputs): probabilities of logistic and softmax_loss, else margins."""
        return link(self.loss, self.margins(x))

    def predictions(self, x: Floats) -> Predictions:
        """What an endpoint answers for rows (rows, features)."""
        margins = self.margins(x)
        scores = link(self.loss, margins)
        if self.predictor_type == "multiclass_classifier":
            return Predictions(scores.tolist(), margins.argmax(axis=1).tolist())
        if self.predictor_type == "binary_classifier":
            return Predictions(scores[:, 0].tolist(), (margins[:, 0] >= self.threshold).astype(int).tolist())
        return Predictions(scores[:, 0].tolist())


def link(loss: str, margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores of margins (rows, outputs)."""
    if loss == "logistic":
        e = np.exp(-np.abs(margins))
        return np.asarray(np.where(margins >= 0, 1.0, e) / (1.0 + e))
    if loss == "softmax_loss":
        e = np.exp(margins - margins.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True))
    return margins


def save(model: Model, folder: Path) -> None:
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
    }
    np.save(folder / WEIGHTS, np.vstack([model.weights, model.bias]).astype("<f8"), allow_pickle=False)
    (folder / HEADER).write_text(json.dumps(header, indent=2) + "\n")


def load(folder: Path) -> Model:
    """Read what `save` wrote; data only, nothing in it runs. Raises UnreadableModelError."""
    try:
        header = json.loads((folder / HEADER).read_text())
        stacked = np.load(folder / WEIGHTS, allow_pickle=False)
        if header["format"] != FORMAT or header["version"] != VERSION:
            raise UnreadableModelError(
                f"{folder} holds {header['format']} version {header['version']}, not {FORMAT} {VERSION}."
            )
        if stacked.shape != (header["features"] + 1, header["outputs"]) or stacked.dtype != np.float64:
            raise UnreadableModelError(f"{folder / WEIGHTS} does not have the shape that {HEADER} says.")
        return Model(
            predictor_type=str(header["predictor_type"]),
            loss=str(header["loss"]),
            weights=stacked[:-1],
            bias=stacked[-1],
            threshold=float(header["threshold"]),
            hyperparameters=dict(header["hyperparameters"]),
            metrics=dict(header["metrics"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableModelError(f"{folder} holds no readable {FORMAT} model: {error}") from error
