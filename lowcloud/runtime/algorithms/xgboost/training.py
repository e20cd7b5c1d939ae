"""One training job of xgboost, from its channels to the stored model."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lowcloud import contract
from lowcloud.runtime.algorithms.xgboost import collective, data, folds, library, settings
from lowcloud.runtime.algorithms.xgboost.booster import Booster
from lowcloud.runtime.algorithms.xgboost.boosting import Sets, Stop, boost
from lowcloud.runtime.algorithms.xgboost.checkpoints import Checkpoints
from lowcloud.runtime.algorithms.xgboost.collective import Ring
from lowcloud.runtime.algorithms.xgboost.data import Samples
from lowcloud.runtime.algorithms.xgboost.settings import Settings
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats.sparse import SparseMatrix

if TYPE_CHECKING:
    from lowcloud.runtime.training_run import TrainingRun

MODEL = "xgboost-model"
CHANNELS = {"train", "validation", "model", "code"}


def train(job: "TrainingRun") -> None:
    """Read the channels, boost, save. Raises ClientError and schemas.InvalidHyperparameters."""
    asked = settings.read(job.hyperparameters)
    _check_channels(job, asked)
    started = time.perf_counter()
    rows = {name: samples for name in ("train", "validation") if (samples := _read(job, name, asked)) is not None}
    rows = _fit(job, rows, asked)
    taken = time.perf_counter() - started
    for name, samples in rows.items():
        said = f"{name.capitalize()} matrix has {len(samples)} rows and {samples.width} columns"
        job.report.info(f"{said}, read in {taken:.2f} s." if name == "train" else f"{said}.")
    checkpoints = Checkpoints(_checkpoint_folder(job))
    if checkpoints.folder is not None:  # what a round draws must not depend on the rounds that were run before it
        asked = replace(asked, parameters=(*asked.parameters, ("seed_per_iteration", "1")))
    start = _start(job, asked, checkpoints)
    try:
        with (
            collective.join(job.process_group, bool(len(rows["train"])), job.report.host) as ring,
            Stop().listening() as stop,
        ):
            model = b"" if ring is None else _train(job, asked, rows, ring, checkpoints, stop, start)
    except library.XGBoostLibraryError as error:
        job.process_group.barrier()  # which says so where the fault is that a fellow host has gone
        raise ClientError(f"XGBoost cannot train on this: {error}") from error
    # one host has it, which is not the first where that has no rows
    model = max(job.process_group.gather(model), key=len)
    if job.process_group.rank == 0 and model:
        path = job.base / contract.MODEL / MODEL
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(model)


def _train(
    job: "TrainingRun",
    asked: Settings,
    rows: dict[str, Samples],
    ring: Ring,
    checkpoints: Checkpoints,
    stop: Stop,
    start: tuple[bytes, int],
) -> bytes:
    """The model, on the first host of the ring; nothing on the others, and where a cross-validation stored its own."""
    if "_kfold" in asked.values:
        whole = data.join(rows["train"], rows["validation"]) if "validation" in rows else rows["train"]
        matrix = data.matrix(whole, asked.objective, asked.threads)
        model, output = job.base / contract.MODEL / MODEL, job.base / contract.OUTPUT_DATA
        folds.validate(asked, matrix, whole.labels, model, output, stop)
        return b""
    matrices = {name: data.matrix(samples, asked.objective, asked.threads) for name, samples in rows.items()}
    labels = {name: samples.labels for name, samples in rows.items()}
    rows.clear()  # XGBoost has its own
    outcome = boost(asked, Sets(matrices, labels), ring, checkpoints, stop, start)
    if stop.is_asked:
        job.report.info("Asked to stop: the model of the rounds done is stored.")
    return outcome.booster.to_bytes() if ring.rank == 0 else b""


def _check_channels(job: "TrainingRun", asked: Settings) -> None:
    unknown = sorted(set(job.channels) - CHANNELS)
    if unknown:
        raise ClientError(f"Channel {unknown[0]!r} is not one of xgboost: it has train, validation and model.")
    if asked.patience is not None and "validation" not in job.channels and "_kfold" not in asked.values:
        raise ClientError(
            "early_stopping_rounds looks at a validation channel, and the job has none. Add one to fit()."
        )
    if "_kfold" in asked.values and job.process_group.size > 1:
        raise ClientError("Cross-validation (_kfold) runs on one host. Set the instance count to 1.")
    if asked.values["process_type"] == "update" and "model" not in job.channels:
        raise ClientError("process_type update changes the trees of a model: pass one in channel model.")


def _read(job: "TrainingRun", name: str, asked: Settings) -> Samples | None:
    """One channel of this host, its weights taken out; None where the job has no such channel."""
    if name not in job.channels:
        return None
    samples = data.read(job.channels[name])
    return data.weigh(samples) if asked.values["csv_weights"] and name == "train" else samples


def _fit(job: "TrainingRun", rows: dict[str, Samples], asked: Settings) -> dict[str, Samples]:
    """The rows checked and of one width, over all hosts."""
    width = _width(job, rows["train"])
    train = rows["train"]
    fitted = {"train": data.fit_width(train, width)}
    if "validation" in rows:
        validation = rows["validation"]
        is_weighed = not isinstance(validation.features, SparseMatrix) and validation.width == width + 1
        if asked.values["csv_weights"] and is_weighed:
            validation = data.weigh(validation)
        _width(job, validation)
        fitted["validation"] = data.fit_width(validation, width)
    for samples in fitted.values():
        if len(samples):
            data.check(samples, asked.objective, asked.classes)
    _check_classes(job, fitted["train"], asked)
    return fitted


def _width(job: "TrainingRun", samples: Samples) -> int:
    """The features of a channel, of which hosts may have no rows but all together must."""
    is_sparse = isinstance(samples.features, SparseMatrix)
    parts = job.process_group.gather(f"{samples.width if len(samples) else 0} {int(is_sparse)}".encode())
    widths = [int(part.split()[0]) for part in parts]
    if not max(widths):
        raise ClientError(
            f"Channel {samples.reader.name} has no rows. Check that its S3 prefix holds files with data."
            if not any(widths) and not len(samples)
            else f"Channel {samples.reader.name} has rows without features."
        )
    if not any(int(part.split()[1]) for part in parts) and set(widths) - {0, max(widths)}:
        raise ClientError(f"Hosts read different numbers of features from channel {samples.reader.name}: {widths}.")
    return max(widths)


def _check_classes(job: "TrainingRun", train: Samples, asked: Settings) -> None:
    if not asked.objective.startswith(("binary:", "multi:")):
        return
    here = ",".join(f"{label:g}" for label in np.unique(train.labels)).encode()
    found = {label for part in job.process_group.gather(here) for label in part.decode().split(",") if label}
    if len(found) < 2:
        raise ClientError(
            f"Channel train has rows of class {', '.join(found)} alone; objective {asked.objective} needs two at least."
        )


def _checkpoint_folder(job: "TrainingRun") -> Path | None:
    """Where checkpoints go: the folder is there if the job has a place for them."""
    folder = job.base / contract.CHECKPOINTS
    return folder if folder.is_dir() else None


def _start(job: "TrainingRun", asked: Settings, checkpoints: Checkpoints) -> tuple[bytes, int]:
    """The model that training goes on from, the same on all hosts, and its rounds that count as done."""
    content, done = checkpoints.latest() if "_kfold" not in asked.values else (b"", 0)
    if not content and "model" in job.channels and job.process_group.rank == 0:
        content = _given_model(job.channels["model"].folder)
    there = [part.partition(b" ") for part in job.process_group.gather(f"{done} ".encode() + content)]
    count, content = max(
        ((int(number), model) for number, _, model in there), key=lambda entry: (entry[0], len(entry[1]))
    )
    if count:
        job.report.info(f"Resuming from a checkpoint after {count} rounds.")
    return content, count


def _given_model(folder: Path) -> bytes:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name.startswith(MODEL))
    if not paths:
        raise ClientError(f"Channel model holds no file {MODEL}. Pass a model that xgboost stored, unpacked.")
    content = paths[0].read_bytes()
    try:
        Booster().load_bytes(content)
    except library.XGBoostLibraryError as error:
        raise ClientError(f"{paths[0].name} of channel model is not a model that XGBoost reads: {error}.") from error
    return content
