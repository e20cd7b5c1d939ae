"""The training job of linear-learner, from its channels to the stored model."""

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lowcloud import contract
from lowcloud.runtime.algorithms.linear_learner import metrics, scaling, selection
from lowcloud.runtime.algorithms.linear_learner.fitting import Fitter, LinearFit
from lowcloud.runtime.algorithms.linear_learner.model import save
from lowcloud.runtime.algorithms.linear_learner.settings import LinearLearnerSettings
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats.channel import ChannelReader, check_finite
from lowcloud.runtime.formats.table import DenseTable
from lowcloud.runtime.stop_request import StopRequest

if TYPE_CHECKING:
    from lowcloud.runtime.training_run import TrainingRun


def train(run: "TrainingRun") -> None:
    """Read the channels, fit, report and save. Raises ClientError and schemas.InvalidHyperparametersError."""
    settings = LinearLearnerSettings(run.hyperparameters)
    started = time.perf_counter()
    table = _read(run, "train", settings, settings.feature_dim)
    width = table.features.shape[1]
    validation = _read(run, "validation", settings, width, table.names) if "validation" in run.channels else None
    run.report.info(f"Read {len(table)} rows of {width} features in {time.perf_counter() - started:.2f} s.")
    with StopRequest().listening() as stop:
        _fit_and_save(run, settings, table, validation, started, stop)


def _fit_and_save(
    run: "TrainingRun",
    settings: LinearLearnerSettings,
    table: DenseTable,
    validation: DenseTable | None,
    started: float,
    stop: StopRequest,
) -> None:
    objective_name, width = settings.make_loss(1.0, 1.0).objective, table.features.shape[1]

    def on_epoch(epoch: int, loss: float, validation_loss: float | None) -> None:
        run.report.quality("train", objective_name, loss, "loss", epoch)
        if validation_loss is not None and validation is not None:
            run.report.quality("validation", objective_name, validation_loss, "loss", epoch)
        run.report.progress(min(99, (epoch + 1) * 100 // int(settings.values["epochs"])))

    fitter = Fitter(settings, table, validation, run.process_group, on_epoch, stop)
    fit = fitter.fit()
    if stop.is_requested:
        run.report.info("A stop was requested: the model of the passes so far is stored.")
    run.report.progress(100)
    run.report.info(f"Best of {fit.models} models has hyperparameters: {json.dumps(fit.variant.describe())}")
    quality = _report_channel(run, fitter, fit, "train", table)
    if validation is not None:
        quality |= _report_channel(run, fitter, fit, "validation", validation)
    if "test" in run.channels:
        test = _read(run, "test", settings, width, table.names)
        scaling.subtract_origin(test.features, fit.origin)
        quality |= _report_channel(run, fitter, fit, "test", test)
    run.report.throughput(fitter.rows / (time.perf_counter() - started))
    if run.process_group.rank == 0:
        save(replace(fit.model, metrics=quality, names=table.names[1:]), run.base / contract.MODEL)


def _read(
    run: "TrainingRun",
    name: str,
    settings: LinearLearnerSettings,
    feature_dim: int | None,
    names: tuple[str, ...] = (),
) -> DenseTable:
    """Read and check one channel. A host may have no rows of it, but not all hosts."""
    reader = run.channels[name]
    table = reader.read(feature_dim, names)
    check_finite(table, reader)
    _check_labels(table, reader, settings)
    widths = [
        int(part) for part in run.process_group.gather(str(table.features.shape[1] if len(table) else 0).encode())
    ]
    width = max(widths)
    if not width:
        raise reader.no_rows_error()
    if set(widths) - {0, width}:
        raise ClientError(f"Hosts read different numbers of features from channel {name}: {widths}.")
    if not len(table):
        table.features = np.empty((0, width), np.float32)
    run.agree_on_names(name, table)
    table.keep(run.share(name, len(table)))
    return table


def _check_labels(table: DenseTable, reader: ChannelReader, settings: LinearLearnerSettings) -> None:
    if settings.is_regressor:
        return
    labels = table.labels
    bad = (labels < 0) | (labels >= settings.classes) | (labels != np.floor(labels))
    if bad.any():
        row = int(bad.argmax())
        allowed = "0 or 1" if settings.classes == 2 else f"a class from 0 to {settings.classes - 1} (num_classes)"
        raise ClientError(
            f"{reader.describe_row(table, row)}, column 1: the label {labels[row]:g} is not {allowed}, as "
            f"predictor_type {settings.predictor_type} requires. Renumber the labels, and put them in the first column."
        )


def _report_channel(
    run: "TrainingRun", fitter: Fitter, fit: LinearFit, channel: str, table: DenseTable
) -> dict[str, float]:
    """Print the final metrics of a channel over the rows of all hosts; return them as "channel:metric"."""
    settings = fitter.settings
    objective = fitter.objective(table, [fit.variant])
    loss = float(objective.evaluate(fit.parameters)[0][0])
    run.report.quality(channel, objective.loss.objective, loss, "loss")
    margins = selection.gather(run.process_group, objective.margins(fit.parameters))
    labels = selection.gather(run.process_group, table.labels.astype(np.float32))
    beta = float(settings.values["f_beta"])
    if settings.is_binary:
        found = metrics.binary(margins[:, 0], labels, fit.threshold, beta, with_auc=channel != "train")
    elif settings.is_regressor:
        found = metrics.regression(margins[:, 0] * fit.label.scale + fit.label.shift, labels)
    else:
        found = metrics.multiclass(margins, labels, int(settings.values["accuracy_top_k"]), beta)
    for name, value in found.items():
        run.report.quality(channel, name, value, metrics.loss_or_score(name))
    run.report.metrics({f"{channel}_{objective.loss.objective}": loss}, model=0)
    found[objective.loss.objective] = loss
    return {f"{channel}:{name}": value for name, value in found.items()}
