"""The transform beside a model: training on transformed data puts it there, and serving then takes raw rows."""

import shutil
from pathlib import Path

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms import FILE, UnreadableTransformError, load
from lowcloud.runtime.feature_transforms.requests import TransformedPredictor, TransformingPredictor

CHANNEL = "transform"


def copy_to_model(data_folder: Path, model_folder: Path) -> None:
    """Put the transform of the channel `transform`, if the job has one, into the model's folder. Raises ClientError."""
    channel = data_folder / CHANNEL
    found = sorted(path for path in channel.rglob("*") if path.is_file()) if channel.is_dir() else []
    if not found:
        return
    named = [path for path in found if path.name == FILE]
    if len(named) != 1:
        raise ClientError(f"Channel {CHANNEL} must hold one {FILE}, as preprocess writes it; it holds {len(named)}.")
    try:
        load(named[0])
    except UnreadableTransformError as error:
        raise ClientError(f"Channel {CHANNEL}: {error}") from None
    model_folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(named[0], model_folder / FILE)


def with_transform(predictor: TransformingPredictor, model_folder: Path) -> TransformingPredictor:
    """The predictor, behind the transform that lies in its model's folder, if one does.

    Raises UnreadableTransformError.
    """
    path = model_folder / FILE
    return TransformedPredictor(predictor, load(path)) if path.exists() else predictor
