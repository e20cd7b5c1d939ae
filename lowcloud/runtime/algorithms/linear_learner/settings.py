"""The settings of a fit, derived from hyperparameters; resolves every `auto`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from lowcloud.runtime.algorithms.linear_learner import losses
from lowcloud.runtime.algorithms.linear_learner.metrics import Criterion
from lowcloud.runtime.algorithms.linear_learner.minibatch import RATES, Optimizer, read_optimizer
from lowcloud.runtime.algorithms.linear_learner.solver import StoppingRule
from lowcloud.schemas.linear_learner import LOSSES, SCHEMA

AUTO = "auto"
# Hyperparameters of minibatch optimizers only: setting one selects adam, which is SageMaker's optimizer=auto.
MINIBATCH_HYPERPARAMETERS = {
    "learning_rate", "beta_1", "beta_2", "momentum", "bias_lr_mult",
    "lr_scheduler_step", "lr_scheduler_factor", "lr_scheduler_minimum_lr",
}  # fmt: skip
MANY_MODELS = 32
MIN_ROWS = 20  # with fewer, models cannot be compared


@dataclass(frozen=True)
class Variant:
    """The hyperparameters of one of the models that are trained together."""

    wd: float
    l1: float
    positive_weight: float | None = None  # of a binary classifier
    learning_rate: float | None = None  # of the explicit optimizers

    def describe(self) -> dict[str, float]:
        values = {"wd": self.wd, "l1": self.l1, "learning_rate": self.learning_rate}
        values["positive_example_weight_mult"] = self.positive_weight
        return {name: float(value) for name, value in values.items() if value is not None}


class LinearLearnerSettings:
    """A job's hyperparameters, typed. Raises schemas.InvalidHyperparametersError."""

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
        """The selected minibatch optimizer; None: solver.py."""
        uses_solver = self.values["optimizer"] == AUTO and not self.given & MINIBATCH_HYPERPARAMETERS
        return None if uses_solver else read_optimizer(self.values)

    @property
    def stopping(self) -> StoppingRule:
        """When solver.py stops; it converges by itself, so only an explicit number of epochs limits it."""
        tolerance = 0.01 * float(self.values["early_stopping_tolerance"])
        return StoppingRule(tolerance, int(self.values["epochs"]) if "epochs" in self.given else 500)

    def make_loss(self, label_scale: float, spread: float) -> losses.Loss:
        """Return the loss for labels divided by label_scale, with `spread` as their standard deviation after that."""
        values = self.values
        shape = losses.LossParameters(
            huber_delta=float(values["huber_delta"]) / label_scale,
            insensitivity=float(values["loss_insensitivity"]) / label_scale,
            quantile=float(values["quantile"]),
            margin=float(values["margin"]),
            classes=self.classes,
            spread=spread,
        )
        return losses.make_loss(self.loss, shape)

    def variants(self, rows: int, features: int, class_counts: np.ndarray[Any, Any]) -> list[Variant]:
        """Return the models to train: first the one given by the hyperparameters, then models similar to it."""
        wd = 1.0 / rows if self.values["wd"] == AUTO else float(self.values["wd"])
        l1 = 0.0 if self.values["l1"] == AUTO else float(self.values["l1"])
        rate = None
        if self.optimizer:
            value = self.values["learning_rate"]
            rate = RATES[self.optimizer.name] if value == AUTO else float(value)
        weights = self._positive_weights(class_counts)
        first = Variant(wd, l1, weights[0], rate)
        count = self.num_models(rows, features)
        found = [first]
        factors = _factors(count, wide=self.values["wd"] == AUTO)
        for index in range(1, max(count, len(weights))):
            factor = factors[index % len(factors)]
            variant = replace(first, wd=wd * factor, l1=l1 * factor, positive_weight=weights[index % len(weights)])
            if rate is not None:
                variant = replace(variant, learning_rate=rate * (10.0, 1.0, 0.3, 3.0)[index % 4])
            found.append(variant)
        return list(dict.fromkeys(found))

    def num_models(self, rows: int, features: int) -> int:
        """Return the number of models; auto is 32, or 1 if rows are too few or too many for penalties to matter."""
        if "_tuning_objective_metric" in self.values:
            return 1
        value = self.values["num_models"]
        if value != AUTO:
            return int(value)
        return MANY_MODELS if MIN_ROWS <= rows < 1000 * features * self.outputs else 1

    def class_weights(self, variants: list[Variant], counts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
        """Return the weights (variants, classes) of the classes in the loss; None if all are 1."""
        if self.is_binary and any(variant.positive_weight != 1.0 for variant in variants):
            return np.array([[1.0, variant.positive_weight] for variant in variants], np.float32)
        if self.outputs > 1 and self.values["balance_multiclass_weights"]:
            weights = counts.sum() / np.maximum(counts, 1) / np.count_nonzero(counts)
            return np.tile(weights.astype(np.float32), (len(variants), 1))
        return None

    def _positive_weights(self, counts: np.ndarray[Any, Any]) -> list[float | None]:
        if not self.is_binary:
            return [None]
        value = self.values["positive_example_weight_mult"]
        balanced = float(counts[0] / counts[1])
        if value == AUTO:
            return [1.0, balanced, balanced**0.5]
        return [balanced if value == "balanced" else float(value)]

    def _choice(self, name: str, auto: bool) -> bool:
        value = self.values[name]
        return auto if value == AUTO else bool(value)


def _factors(count: int, wide: bool) -> list[float]:
    """Return factors of the penalties: 1, then a geometric sequence around it."""
    lowest, highest = (0.01, 1e4) if wide else (0.1, 10.0)
    return [1.0, *map(float, np.geomspace(lowest, highest, max(count - 1, 1)))]
