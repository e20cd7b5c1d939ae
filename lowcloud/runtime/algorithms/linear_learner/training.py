"""One training job of linear-learner, from its channels to the stored model."""

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lowcloud import contract
from lowcloud.runtime.algorithms.linear_learner import metrics, scaling, selection
from lowcloud.runtime.algorithms.linear_learner.fitting import Fit, Fitter
from lowcloud.runtime.algorithms.linear_learner.model import save
from lowcloud.runtime.algorithms.linear_learner.settings import Settings
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats.channel import ChannelReader, check_finite
from lowcloud.runtime.formats.table import DenseTable

if TYPE_CHECKING:
    from lowcloud.runtime.training_run import TrainingRun


def train(job: "TrainingRun") -> None:
    """Read the channels, fit, report, save. Raises ClientError and schemas.InvalidHyperparameters."""
    settings = Settings(job.hyperparameters)
    started = time.perf_counter()
    table = _read(job, "train", settings, settings.feature_dim)
    width = table.features.shape[1]
    validation = _read(job, "validation", settings, width) if "validation" in job.channels else None
    job.report.info(f"Read {len(table)} rows of {width} features in {time.perf_counter() - started:.2f} s.")
    names = f"{settings.make_loss(1.0, 1.0).objective}"

    def on_epoch(epoch: int, loss: float, beside: float | None) -> None:
        job.report.quality("train", names, loss, "loss", epoch)
        if beside is not None and validation is not None:
            job.report.quality("validation", names, beside, "loss", epoch)
        job.report.progress(min(99, (epoch + 1) * 100 // int(settings.values["epochs"])))

    fitter = Fitter(settings, table, validation, job.process_group, on_epoch)
    fit = fitter.fit()
    job.report.progress(100)
    job.report.info(f"Best of {fit.models} models has hyperparameters: {json.dumps(fit.variant.describe())}")
    found = _report_channel(job, fitter, fit, "train", table)
    if validation is not None:
        found |= _report_channel(job, fitter, fit, "validation", validation)
    if "test" in job.channels:
        test = _read(job, "test", settings, width)
        scaling.move(test.features, fit.origin)
        found |= _report_channel(job, fitter, fit, "test", test)
    job.report.throughput(fitter.rows / (time.perf_counter() - started))
    if job.process_group.rank == 0:
        save(replace(fit.model, metrics=found), job.base / contract.MODEL)


def _read(job: "TrainingRun", name: str, settings: Settings, feature_dim: int | None) -> DenseTable:
    """One channel, checked. A host may have no rows of it, all hosts together must."""
    reader = job.channels[name]
    table = reader.read(feature_dim)
    check_finite(table, reader)
    _check_labels(table, reader, settings)
    widths = [
        int(part) for part in job.process_group.gather(str(table.features.shape[1] if len(table) else 0).encode())
    ]
    width = max(widths)
    if not width:
        raise ClientError(f"Channel {name} has no rows. Check that its S3 prefix holds files with data.")
    if set(widths) - {0, width}:
        raise ClientError(f"Hosts read different numbers of features from channel {name}: {widths}.")
    if not len(table):
        table.features = np.empty((0, width), np.float32)
    return table


def _check_labels(table: DenseTable, reader: ChannelReader, settings: Settings) -> None:
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


def _report_channel(job: "TrainingRun", fitter: Fitter, fit: Fit, channel: str, table: DenseTable) -> dict[str, float]:
    """Print the final metrics of a channel, over the rows of all hosts; they are named "channel:metric"."""
    settings = fitter.settings
    objective = fitter.objective(table, [fit.variant])
    loss = float(objective.evaluate(fit.parameters)[0][0])
    job.report.quality(channel, objective.loss.objective, loss, "loss")
    margins = selection.gather(job.process_group, objective.margins(fit.parameters))
    labels = selection.gather(job.process_group, table.labels.astype(np.float32))
    beta = float(settings.values["f_beta"])
    if settings.is_binary:
        found = metrics.binary(margins[:, 0], labels, fit.threshold, beta, with_auc=channel != "train")
    elif settings.is_regressor:
        found = metrics.regression(margins[:, 0] * fit.label.scale + fit.label.shift, labels)
    else:
        found = metrics.multiclass(margins, labels, int(settings.values["accuracy_top_k"]), beta)
    for name, value in found.items():
        job.report.quality(channel, name, value, metrics.kind_of(name))
    job.report.metrics({f"{channel}_{objective.loss.objective}": loss}, model=0)
    found[objective.loss.objective] = loss
    return {f"{channel}:{name}": value for name, value in found.items()}
