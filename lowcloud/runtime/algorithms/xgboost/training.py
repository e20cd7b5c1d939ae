"""The training job of xgboost, from its channels to the stored model."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lowcloud import contract
from lowcloud.runtime.algorithms.xgboost import collective, data, folds, library, settings
from lowcloud.runtime.algorithms.xgboost.booster import Booster
from lowcloud.runtime.algorithms.xgboost.boosting import DataSets, boost
from lowcloud.runtime.algorithms.xgboost.checkpoints import Checkpoints
from lowcloud.runtime.algorithms.xgboost.collective import Communicator
from lowcloud.runtime.algorithms.xgboost.data import Samples
from lowcloud.runtime.algorithms.xgboost.settings import XGBoostSettings
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats.sparse import SparseMatrix
from lowcloud.runtime.stop_request import StopRequest

if TYPE_CHECKING:
    from lowcloud.runtime.training_run import TrainingRun

MODEL = "xgboost-model"
CHANNELS = {"train", "validation", "model", "code"}


def train(run: "TrainingRun") -> None:
    """Read the channels, boost and save. Raises ClientError and schemas.InvalidHyperparametersError."""
    config = settings.read_settings(run.hyperparameters)
    _check_channels(run, config)
    started = time.perf_counter()
    checkpoints = Checkpoints(_checkpoint_folder(run))
    if checkpoints.folder is not None:  # a round's random draws must not depend on previous rounds of this process
        config = replace(config, parameters=(*config.parameters, ("seed_per_iteration", "1")))
    start = _start(run, config, checkpoints)
    train_rows = data.read(run, "train", _names(start[0]))
    rows = {"train": data.split_off_weights(train_rows) if config.values["csv_weights"] else train_rows}
    if "validation" in run.channels:
        rows["validation"] = data.read(run, "validation", train_rows.names)
    rows = _fit(run, rows, config)
    rows["train"] = data.take(rows["train"], run.share("train", len(rows["train"]), rows["train"].queries))
    seconds = time.perf_counter() - started
    for name, samples in rows.items():
        summary = f"{name.capitalize()} matrix has {len(samples)} rows and {samples.width} columns"
        run.report.info(f"{summary}, read in {seconds:.2f} s." if name == "train" else f"{summary}.")
    try:
        with (
            collective.join(run.process_group, bool(len(rows["train"])), run.report.host) as communicator,
            StopRequest().listening() as stop,
        ):
            model = b"" if communicator is None else _train(run, config, rows, communicator, checkpoints, stop, start)
    except library.XGBoostLibraryError as error:
        run.process_group.barrier()  # raises CollectiveError if the cause is that another host has ended
        raise ClientError(f"XGBoost cannot train on this data: {error}") from error
    # the host that has the model may not be the first, if that has no rows
    model = max(run.process_group.gather(model), key=len)
    if run.process_group.rank == 0 and model:
        path = run.base / contract.MODEL / MODEL
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(model)


def _train(
    run: "TrainingRun",
    config: XGBoostSettings,
    rows: dict[str, Samples],
    communicator: Communicator,
    checkpoints: Checkpoints,
    stop: StopRequest,
    start: tuple[bytes, int],
) -> bytes:
    """Return the model on the first host that trains; b"" on the others, and after a cross-validation."""
    names = rows["train"].names
    if "_kfold" in config.values:
        all_rows = data.concatenate(rows["train"], rows["validation"]) if "validation" in rows else rows["train"]
        matrix = data.build_matrix(all_rows, config.objective, config.threads)
        model, output = run.base / contract.MODEL / MODEL, run.base / contract.OUTPUT_DATA
        folds.validate(config, DataSets({"train": matrix}, {"train": all_rows.labels}, names), model, output, stop)
        return b""
    matrices = {name: data.build_matrix(samples, config.objective, config.threads) for name, samples in rows.items()}
    labels = {name: samples.labels for name, samples in rows.items()}
    rows.clear()  # XGBoost has its own
    outcome = boost(config, DataSets(matrices, labels, names), communicator, checkpoints, stop, start)
    if stop.is_requested:
        run.report.info("Stop requested: the model of the completed rounds is stored.")
    return outcome.booster.to_bytes() if communicator.rank == 0 else b""


def _check_channels(run: "TrainingRun", config: XGBoostSettings) -> None:
    unknown = sorted(set(run.channels) - CHANNELS)
    if unknown:
        raise ClientError(
            f"Channel {unknown[0]!r} is not supported: xgboost has the channels train, validation and model."
        )
    if config.patience is not None and "validation" not in run.channels and "_kfold" not in config.values:
        raise ClientError("early_stopping_rounds needs a validation channel, and the job has none. Add one to fit().")
    if "_kfold" in config.values and run.process_group.size > 1:
        raise ClientError("Cross-validation (_kfold) runs on one host. Set the instance count to 1.")
    if config.values["process_type"] == "update" and "model" not in run.channels:
        raise ClientError("process_type update changes the trees of a model. Pass one in channel model.")


def _fit(run: "TrainingRun", rows: dict[str, Samples], config: XGBoostSettings) -> dict[str, Samples]:
    """Check the rows, and give them the same width on all hosts."""
    width = _width(run, rows["train"])
    train = rows["train"]
    adapted = {"train": data.adapt_width(train, width)}
    if "validation" in rows:
        validation = rows["validation"]
        has_weights = not isinstance(validation.features, SparseMatrix) and validation.width == width + 1
        if config.values["csv_weights"] and has_weights:
            validation = data.split_off_weights(validation)
        _width(run, validation)
        adapted["validation"] = data.adapt_width(validation, width)
    for samples in adapted.values():
        if len(samples):
            data.check(samples, config.objective, config.classes)
    _check_classes(run, adapted["train"], config)
    return adapted


def _width(run: "TrainingRun", samples: Samples) -> int:
    """Return the number of features of a channel. A host may have no rows of it, but not all hosts."""
    is_sparse = isinstance(samples.features, SparseMatrix)
    parts = run.process_group.gather(f"{samples.width if len(samples) else 0} {int(is_sparse)}".encode())
    widths = [int(part.split()[0]) for part in parts]
    if not max(widths):
        if not any(widths) and not len(samples):
            raise samples.reader.no_rows_error()
        raise ClientError(f"Channel {samples.reader.name} has rows without features.")
    if not any(int(part.split()[1]) for part in parts) and set(widths) - {0, max(widths)}:
        raise ClientError(f"Hosts read different numbers of features from channel {samples.reader.name}: {widths}.")
    return max(widths)


def _check_classes(run: "TrainingRun", train: Samples, config: XGBoostSettings) -> None:
    if not config.objective.startswith(("binary:", "multi:")):
        return
    local = ",".join(f"{label:g}" for label in np.unique(train.labels)).encode()
    found = {label for part in run.process_group.gather(local) for label in part.decode().split(",") if label}
    if len(found) < 2:
        raise ClientError(
            f"Channel train has only rows of class {', '.join(found)}; objective {config.objective} needs at least two "
            "classes."
        )


def _checkpoint_folder(run: "TrainingRun") -> Path | None:
    """Return the checkpoint folder, which exists if the job has a checkpoint configuration."""
    folder = run.base / contract.CHECKPOINTS
    return folder if folder.is_dir() else None


def _start(run: "TrainingRun", config: XGBoostSettings, checkpoints: Checkpoints) -> tuple[bytes, int]:
    """Return the model that training continues from, the same on all hosts, and the number of completed rounds."""
    content, done = checkpoints.latest() if "_kfold" not in config.values else (b"", 0)
    if not content and "model" in run.channels and run.process_group.rank == 0:
        content = _read_model_channel(run.channels["model"].folder)
    candidates = [part.partition(b" ") for part in run.process_group.gather(f"{done} ".encode() + content)]
    count, content = max(
        ((int(number), model) for number, _, model in candidates), key=lambda entry: (entry[0], len(entry[1]))
    )
    if count:
        run.report.info(f"Resuming from a checkpoint after {count} rounds.")
    return content, count


def _names(model: bytes) -> tuple[str, ...]:
    """Return the names of the columns that a model was trained on, the label first."""
    return Booster().load_bytes(model).names if model else ()


def _read_model_channel(folder: Path) -> bytes:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name.startswith(MODEL))
    if not paths:
        raise ClientError(f"Channel model does not contain a file {MODEL}. Pass an unpacked model of xgboost.")
    content = paths[0].read_bytes()
    try:
        Booster().load_bytes(content)
    except library.XGBoostLibraryError as error:
        raise ClientError(f"{paths[0].name} of channel model is not a valid XGBoost model: {error}.") from error
    return content
