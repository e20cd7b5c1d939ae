"""What a job's hyperparameters mean for the fit: the choices behind every `auto`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from lowcloud.runtime.algorithms.linear_learner import losses
from lowcloud.runtime.algorithms.linear_learner.metrics import Criterion
from lowcloud.runtime.algorithms.linear_learner.minibatch import RATES, Optimizer, read_optimizer
from lowcloud.runtime.algorithms.linear_learner.solver import Effort
from lowcloud.schemas.linear_learner import LOSSES, SCHEMA

AUTO = "auto"
# Hyperparameters that only a gradient step has: naming one asks for adam, which SageMaker's optimizer=auto is.
STEP_HYPERPARAMETERS = {
    "learning_rate", "beta_1", "beta_2", "momentum", "bias_lr_mult",
    "lr_scheduler_step", "lr_scheduler_factor", "lr_scheduler_minimum_lr",
}  # fmt: skip
MANY_MODELS = 32
FEWEST_ROWS = 20  # fewer cannot tell models apart


@dataclass(frozen=True)
class Variant:
    """One of the models trained side by side."""

    wd: float
    l1: float
    positive_weight: float | None = None  # of a binary classifier
    learning_rate: float | None = None  # of the explicit optimizers

    def describe(self) -> dict[str, float]:
        named = {"wd": self.wd, "l1": self.l1, "learning_rate": self.learning_rate}
        named["positive_example_weight_mult"] = self.positive_weight
        return {name: float(value) for name, value in named.items() if value is not None}


class Settings:
    """A job's hyperparameters, typed. Raises schemas.InvalidHyperparameters."""

    def __init__(self, hyperparameters: Mapping[str, str]):
        self.values: dict[str, Any] = dict(SCHEMA.validate(hyperparameters))
        self.given = {name for name, text in hyperparameters.items() if text != AUTO}
        self.predictor_type = str(self.values["predictor_type"])
        loss = str(self.values["loss"])
        self.loss = LOSSES[self.predictor_type][0] if loss == AUTO else loss
        self.classes = {"binary_classifier": 2, "regressor": 0}.get(self.predictor_type) or int(
            self.values.get("num_classes", 0)
        )
        self.outputs = self.classes if self.predictor_type == "multiclass_classifier" else 1
        self.use_bias = bool(self.values["use_bias"])
        self.criterion = Criterion(
            str(self.values["binary_classifier_model_selection_criteria"]),
            float(self.values["f_beta"]),
            float(self.values["target_precision"]),
            float(self.values["target_recall"]),
        )

    @property
    def feature_dim(self) -> int | None:
        return None if self.values["feature_dim"] == AUTO else int(self.values["feature_dim"])

    @property
    def is_regressor(self) -> bool:
        return self.predictor_type == "regressor"

    @property
    def is_binary(self) -> bool:
        return self.predictor_type == "binary_classifier"

    @property
    def scales_features(self) -> bool:
        return self._choice("normalize_data", True)

    @property
    def shifts_features(self) -> bool:
        return self._choice("unbias_data", self.use_bias)

    @property
    def scales_label(self) -> bool:
        return self.is_regressor and self._choice("normalize_label", True)

    @property
    def shifts_label(self) -> bool:
        return self.is_regressor and self.use_bias and self._choice("unbias_label", True)

    @cached_property
    def optimizer(self) -> Optimizer | None:
        """The gradient-step optimizer asked for; None: our own solver."""
        is_own = self.values["optimizer"] == AUTO and not self.given & STEP_HYPERPARAMETERS
        return None if is_own else read_optimizer(self.values)

    @property
    def effort(self) -> Effort:
        """For our own solver: it ends by itself, so that only an epochs the user gave bounds it."""
        tolerance = 0.01 * float(self.values["early_stopping_tolerance"])
        return Effort(tolerance, int(self.values["epochs"]) if "epochs" in self.given else 500)

    def make_loss(self, label_scale: float, spread: float) -> losses.Loss:
        """The loss for labels divided by label_scale, `spread` being their deviation after that."""
        values = self.values
        shape = losses.Shape(
            huber_delta=float(values["huber_delta"]) / label_scale,
            insensitivity=float(values["loss_insensitivity"]) / label_scale,
            quantile=float(values["quantile"]),
            margin=float(values["margin"]),
            classes=self.classes,
            spread=spread,
        )
        return losses.make(self.loss, shape)

    def variants(self, rows: int, features: int, class_counts: np.ndarray[Any, Any]) -> list[Variant]:
        """The models to train, the one the hyperparameters ask for first; the others are close to it."""
        wd = 1.0 / rows if self.values["wd"] == AUTO else float(self.values["wd"])
        l1 = 0.0 if self.values["l1"] == AUTO else float(self.values["l1"])
        rate = None
        if self.optimizer:
            asked = self.values["learning_rate"]
            rate = RATES[self.optimizer.name] if asked == AUTO else float(asked)
        weights = self._positive_weights(class_counts)
        first = Variant(wd, l1, weights[0], rate)
        count = self.num_models(rows, features)
        close = [first]
        factors = _factors(count, wide=self.values["wd"] == AUTO)
        for index in range(1, max(count, len(weights))):
            factor = factors[index % len(factors)]
            step = replace(first, wd=wd * factor, l1=l1 * factor, positive_weight=weights[index % len(weights)])
            if rate is not None:
                step = replace(step, learning_rate=rate * (10.0, 1.0, 0.3, 3.0)[index % 4])
            close.append(step)
        return list(dict.fromkeys(close))

    def num_models(self, rows: int, features: int) -> int:
        """auto: 32 where penalties can matter, 1 where rows are so many that they cannot, or too few to tell."""
        if "_tuning_objective_metric" in self.values:
            return 1
        asked = self.values["num_models"]
        if asked != AUTO:
            return int(asked)
        return MANY_MODELS if FEWEST_ROWS <= rows < 1000 * features * self.outputs else 1

    def class_weights(self, variants: list[Variant], counts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
        """Weights (variants, classes) of the classes in the loss; None where all are 1."""
        if self.is_binary and any(variant.positive_weight != 1.0 for variant in variants):
            return np.array([[1.0, variant.positive_weight] for variant in variants], np.float32)
        if self.outputs > 1 and self.values["balance_multiclass_weights"]:
            weights = counts.sum() / np.maximum(counts, 1) / np.count_nonzero(counts)
            return np.tile(weights.astype(np.float32), (len(variants), 1))
        return None

    def _positive_weights(self, counts: np.ndarray[Any, Any]) -> list[float | None]:
        if not self.is_binary:
            return [None]
        asked = self.values["positive_example_weight_mult"]
        balanced = float(counts[0] / counts[1])
        if asked == AUTO:
            return [1.0, balanced, balanced**0.5]
        return [balanced if asked == "balanced" else float(asked)]

    def _choice(self, name: str, auto: bool) -> bool:
        value = self.values[name]
        return auto if value == AUTO else bool(value)


def _factors(count: int, wide: bool) -> list[float]:
    """Factors on the penalties: 1 first, then a geometric ladder around it."""
    lowest, highest = (0.01, 1e4) if wide else (0.1, 10.0)
    return [1.0, *map(float, np.geomspace(lowest, highest, max(count - 1, 1)))]
