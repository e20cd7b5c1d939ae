"""The transform stored with a model: training on transformed data adds it, and serving then accepts raw rows."""

import shutil
from pathlib import Path

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms import FILE, UnreadableTransformError, load
from lowcloud.runtime.feature_transforms.requests import TransformedPredictor, TransformingPredictor
from lowcloud.schemas.transform import CHANNEL


def copy_to_model(data_folder: Path, model_folder: Path) -> None:
    """Copy the transform of the channel `transform`, if the job has one, to the model's folder. Raises ClientError."""
    channel = data_folder / CHANNEL
    found = sorted(path for path in channel.rglob("*") if path.is_file()) if channel.is_dir() else []
    if not found:
        return
    transforms = [path for path in found if path.name == FILE]
    if len(transforms) != 1:
        raise ClientError(f"Channel {CHANNEL} must contain one {FILE} written by preprocess; it has {len(transforms)}.")
    try:
        load(transforms[0])
    except UnreadableTransformError as error:
        raise ClientError(f"Channel {CHANNEL}: {error}") from None
    model_folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(transforms[0], model_folder / FILE)


def with_transform(predictor: TransformingPredictor, model_folder: Path) -> TransformingPredictor:
    """Return the predictor, wrapped in the transform in its model's folder if there is one.

    Raises UnreadableTransformError.
    """
    path = model_folder / FILE
    return TransformedPredictor(predictor, load(path)) if path.exists() else predictor
