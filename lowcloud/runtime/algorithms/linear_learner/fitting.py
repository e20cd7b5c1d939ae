"""Fits a model to tables: scaling, model selection, the fit on all rows, and the decision threshold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.algorithms.linear_learner import minibatch, scaling, selection, solver
from lowcloud.runtime.algorithms.linear_learner.metrics import Criterion, choose_threshold
from lowcloud.runtime.algorithms.linear_learner.model import LinearModel
from lowcloud.runtime.algorithms.linear_learner.objective import FeatureScaling, Objective, TrainingRows
from lowcloud.runtime.algorithms.linear_learner.preconditioner import Floats, Penalty
from lowcloud.runtime.algorithms.linear_learner.scaling import LabelScaling
from lowcloud.runtime.algorithms.linear_learner.settings import LinearLearnerSettings, Variant
from lowcloud.runtime.collectives import ProcessGroup
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats.table import DenseTable
from lowcloud.runtime.stop_request import StopRequest

CALIBRATION_ROWS = 20_000  # limit for num_calibration_samples=auto
OnEpoch = Callable[[int, float, float | None], None]  # (epoch, training loss, validation loss)


@dataclass(frozen=True)
class LinearFit:
    """A fitted model, with what is needed to compute its metrics."""

    model: LinearModel
    variant: Variant
    parameters: Floats  # (1, outputs, features + 1)
    threshold: float
    origin: Floats
    scaling: FeatureScaling
    label: LabelScaling
    models: int


class Fitter:
    """One fit. It changes its tables: the origin of features far from 0 is subtracted in place, which saves a copy."""

    def __init__(
        self,
        settings: LinearLearnerSettings,
        train: DenseTable,
        validation: DenseTable | None,
        process_group: ProcessGroup,
        on_epoch: OnEpoch,
        stop: StopRequest | None = None,
    ):
        self._stop = stop or StopRequest()
        self.settings, self.process_group, self.on_epoch = settings, process_group, on_epoch
        self._train, self._validation = train, validation
        self.counts = self._count_classes()
        self.rows = (
            int(self.counts.sum()) if settings.classes else int(process_group.sum(np.array([float(len(train))]))[0])
        )
        mean, deviation = scaling.measure(train.features, int(settings.values["num_point_for_scaler"]), process_group)
        self.scaling, self.origin = scaling.compute_scaling(
            mean, deviation, settings.shifts_features, settings.scales_features
        )
        self.label = LabelScaling()
        if settings.is_regressor:
            self.label = scaling.measure_label(
                train.labels, settings.shifts_label, settings.scales_label, process_group
            )
        self.loss = settings.make_loss(self.label.scale, self.label.deviation / self.label.scale)
        for table in (train, validation):
            if table is not None:
                scaling.subtract_origin(table.features, self.origin)
        self.variants = settings.variants(self.rows, train.features.shape[1], self.counts)

    def fit(self) -> LinearFit:
        """Select the best variant, and fit it on all rows."""
        settings, models = self.settings, len(self.variants)
        held_out = None
        if settings.optimizer:
            parameters, index = self._fit_with_minibatches(settings.optimizer)
        else:
            index = 0
            if models > 1:
                objective = self.objective(self._train, self.variants)
                validation = self._validation_objective(self.variants)
                held_out = selection.evaluate_candidates(
                    objective, validation, lambda part: self._solve(part, self.variants)
                )
                index = selection.select_best(held_out, models, self._criterion(), self._calibration_rows(50_000))
            objective = self.objective(self._train, [self.variants[index]])
            parameters = self._solve(objective, [self.variants[index]], reports=True)
        variant = self.variants[index]
        if settings.outputs > 1 and not variant.l1:
            # Adding the same to all classes changes no probability: of the equal models, take the smallest weights.
            parameters = parameters - parameters.mean(axis=1, keepdims=True)
        threshold = self._threshold(
            parameters, variant, None if held_out is None else selection.margins_of_variant(held_out, index, models)
        )
        model = self._model(parameters, threshold, variant)
        return LinearFit(model, variant, parameters, threshold, self.origin, self.scaling, self.label, models)

    def objective(self, table: DenseTable, variants: Sequence[Variant]) -> Objective:
        """Return the mean loss over a table whose origin was subtracted."""
        labels = ((table.labels - self.label.shift) / self.label.scale).astype(np.float32)
        weights = self.settings.class_weights(list(variants), self.counts)
        rows = TrainingRows(table.features, labels, weights)
        settings = self.settings
        return Objective(
            rows,
            self.scaling,
            self.loss,
            outputs=settings.outputs,
            use_bias=settings.use_bias,
            process_group=self.process_group,
        )

    def _count_classes(self) -> NDArray[np.float64]:
        classes = self.settings.classes
        if not classes:
            return np.zeros(0)
        counts = np.bincount(self._train.labels.astype(np.intp), minlength=classes).astype(np.float64)
        counts = self.process_group.sum(counts)
        if np.count_nonzero(counts) < 2:
            raise ClientError(
                f"Channel train contains labels of only one class ({int(counts.argmax())}). "
                "A classifier needs rows of at least two classes."
            )
        return counts

    def _criterion(self) -> Criterion | None:
        return self.settings.criterion if self.settings.is_binary else None

    def _validation_objective(self, variants: Sequence[Variant]) -> Objective | None:
        return None if self._validation is None else self.objective(self._validation, variants)

    def _penalties(self, variants: Sequence[Variant], features: int) -> list[Penalty]:
        multiple = self.settings.values["bias_wd_mult"]
        on_bias = 0.0 if multiple == "auto" else float(multiple)
        outputs = self.settings.outputs
        return [
            Penalty(
                np.tile(np.append(np.full(features, variant.wd), variant.wd * on_bias), outputs),
                np.tile(np.append(np.full(features, variant.l1), 0.0), outputs),
            )
            for variant in variants
        ]

    def _solve(self, objective: Objective, variants: Sequence[Variant], reports: bool = False) -> Floats:
        start = np.zeros((len(variants), self.settings.outputs, objective.features + 1))
        validation = self._validation_objective(variants) if reports else None

        def report(epoch: int, parameters: Floats, losses: Floats) -> None:
            if reports:
                validation_loss = None if validation is None else float(validation.evaluate(parameters)[0][0])
                self.on_epoch(epoch, float(losses[0]), validation_loss)

        penalties = self._penalties(variants, objective.features)
        return solver.minimise(objective, start, penalties, self.settings.stopping, report, self._should_stop)

    def _fit_with_minibatches(self, optimizer: minibatch.Optimizer) -> tuple[Floats, int]:
        """Fit all variants with a minibatch optimizer; return the parameters and the index of the best."""
        objective = self.objective(self._train, self.variants)
        evaluated = self._validation_objective(self.variants) or objective.sample(selection.SELECTION_ROWS, seed=2)
        early_stopping = _EarlyStopping(
            self.settings, objective.sample(selection.SELECTION_ROWS, seed=3), evaluated, self.on_epoch
        )
        rates = np.array([variant.learning_rate for variant in self.variants])
        start = _start(self.settings, len(self.variants), objective.features)
        penalties = self._penalties(self.variants, objective.features)
        parameters = minibatch.minimise(
            objective,
            start,
            penalties,
            rates=rates,
            optimizer=optimizer,
            on_epoch=lambda epoch, parameters: early_stopping.record(epoch, parameters) and not self._should_stop(),
        )
        held_out = selection.evaluate_fitted(evaluated, parameters)
        index = selection.select_best(held_out, len(self.variants), self._criterion(), self._calibration_rows(50_000))
        return parameters[index : index + 1], index

    def _should_stop(self) -> bool:
        """Return whether any host has received a stop request: all must end after the same pass."""
        return bool(self.process_group.sum(np.array([float(self._stop.is_requested)]))[0])

    def _calibration_rows(self, auto: int) -> int:
        value = self.settings.values["num_calibration_samples"]
        return auto if value == "auto" else int(value)

    def _threshold(self, parameters: Floats, variant: Variant, held_out: Sequence[NDArray[np.float32]] | None) -> float:
        """Choose the threshold on the validation channel, otherwise on held-out rows, otherwise on training rows."""
        if not self.settings.is_binary:
            return 0.0
        limit = self._calibration_rows(CALIBRATION_ROWS)
        if self._validation is not None or held_out is None:
            table = self._train if self._validation is None else self._validation
            part = self.objective(table, [variant]).sample(limit, seed=4)
            held_out = [
                selection.gather(self.process_group, part.margins(parameters)[:, 0]),
                selection.gather(self.process_group, part.rows.y),
            ]
        margins, labels = held_out
        return choose_threshold(margins[:limit], labels[:limit], self.settings.criterion)[0]

    def _model(self, parameters: Floats, threshold: float, variant: Variant) -> LinearModel:
        weights, bias = self.scaling.fold(parameters[0])
        bias = bias - weights @ self.origin
        return LinearModel(
            predictor_type=self.settings.predictor_type,
            loss=self.settings.loss,
            weights=np.ascontiguousarray(weights.T) * self.label.scale,
            bias=bias * self.label.scale + self.label.shift,
            threshold=threshold,
            hyperparameters=variant.describe(),
        )


class _EarlyStopping:
    """Reports each epoch of a minibatch optimizer, and ends it after early_stopping_patience epochs without gain."""

    def __init__(self, settings: LinearLearnerSettings, train: Objective, evaluated: Objective, on_epoch: OnEpoch):
        self._train, self._evaluated, self._on_epoch = train, evaluated, on_epoch
        self._patience = int(settings.values["early_stopping_patience"])
        self._tolerance = float(settings.values["early_stopping_tolerance"])
        self._best, self._epochs_without_gain = np.inf, 0

    def record(self, epoch: int, parameters: Floats) -> bool:
        losses = self._evaluated.evaluate(parameters)[0]
        least = float(losses.min())
        self._on_epoch(epoch, float(self._train.evaluate(parameters)[0].min()), least)
        gains = not np.isfinite(self._best) or self._best - least > self._tolerance * abs(self._best)
        self._epochs_without_gain = 0 if gains else self._epochs_without_gain + 1
        self._best = min(self._best, least)
        return self._epochs_without_gain < self._patience


def _start(settings: LinearLearnerSettings, variants: int, features: int) -> Floats:
    """Return the initial weights of init_method, the same for all variants and hosts, and init_bias."""
    values, shape = settings.values, (settings.outputs, features + 1)
    generator = np.random.default_rng(0)
    if values["init_method"] == "normal":
        start = generator.normal(0.0, float(values["init_sigma"]), shape)
    else:
        start = generator.uniform(-float(values["init_scale"]), float(values["init_scale"]), shape)
    start[:, -1] = float(values["init_bias"]) if settings.use_bias else 0.0
    return np.repeat(start[None], variants, axis=0)
