"""The default input_fn, predict_fn and output_fn of each framework, and how it loads a model."""

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats import BadRequestError, UnsupportedMediaTypeError, arrays

LIBSVM = ("text/libsvm", "text/x-libsvm")


@dataclass(frozen=True)
class FrameworkDefaults:
    """The default input_fn, predict_fn and output_fn of a framework."""

    decode: Callable[[str | bytes, str], Any]
    predict: Callable[[Any, Any], Any]
    encode: Callable[[Any, str], tuple[bytes, str]]


def find_framework(model: Any) -> FrameworkDefaults:
    """Return the framework of a loaded model, determined by its base classes."""
    classes = {base.__module__.partition(".")[0] + "." + base.__name__ for base in type(model).__mro__}
    if "torch.Module" in classes or "torch.ScriptModule" in classes:
        return PYTORCH
    if "xgboost.Booster" in classes:
        return XGBOOST
    if "transformers.Pipeline" in classes:
        return HUGGING_FACE
    return SCIKIT_LEARN


def load(folder: Path) -> tuple[Any, FrameworkDefaults]:
    """Load the model of a script without a model_fn. Raises ClientError if there is no model of a known format."""
    if (folder / "config.json").is_file() or "HF_MODEL_ID" in os.environ:
        return _load_pipeline(folder), HUGGING_FACE
    torch_files = sorted([*folder.glob("*.pt"), *folder.glob("*.pth")])
    if len(torch_files) == 1:
        import torch

        return torch.jit.load(str(torch_files[0]), map_location=_device()), PYTORCH
    booster = folder / "xgboost-model"
    if booster.is_file():
        import xgboost

        return xgboost.Booster(model_file=str(booster)), XGBOOST
    saved = sorted([*folder.glob("*.joblib"), *folder.glob("*.skops")])
    if len(saved) == 1:  # in addition to what SageMaker's containers do
        return _load_scikit_learn(saved[0]), SCIKIT_LEARN
    content = ", ".join(sorted(entry.name for entry in folder.iterdir())) or "nothing"
    raise ClientError(
        "The inference script has no model_fn, and the model has no single file of "
        f"a known format: it contains {content}."
        " Write a model_fn."
    )


def _load_scikit_learn(path: Path) -> Any:
    """Load a user's model. It may run code: this is the user's own replica."""
    if path.suffix == ".joblib":
        import joblib

        return joblib.load(path)
    import skops.io

    return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))


def _decode_numbers(body: str | bytes, content_type: str) -> Any:
    rows = arrays.decode(body, content_type)
    return rows.astype(np.float32) if content_type.partition(";")[0] in arrays.TEXT_TYPES else rows


def _decode_tensor(body: str | bytes, content_type: str) -> Any:
    import torch

    rows = arrays.decode(body, content_type)
    return torch.as_tensor(rows.astype(np.float32) if rows.dtype == np.float64 else rows, device=_device())


def _predict_tensor(rows: Any, model: Any) -> Any:
    import torch

    with torch.no_grad():
        return model.to(_device()).eval()(rows)


def _encode_tensor(output: Any, accept: str) -> tuple[bytes, str]:
    return arrays.encode(output.detach().cpu().numpy() if hasattr(output, "detach") else output, accept)


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _decode_matrix(body: str | bytes, content_type: str) -> Any:
    import xgboost

    if content_type.partition(";")[0] in LIBSVM:
        with tempfile.NamedTemporaryFile() as file:
            file.write(body.encode() if isinstance(body, str) else body)
            file.flush()
            return xgboost.DMatrix(f"{file.name}?format=libsvm")
    return xgboost.DMatrix(np.atleast_2d(arrays.decode(body, content_type)))


def _predict_matrix(matrix: Any, model: Any) -> Any:
    return model.predict(matrix, validate_features=False)


def _load_pipeline(folder: Path) -> Any:
    import transformers

    task = os.environ.get("HF_TASK")
    if not task:
        raise ClientError("Set HF_TASK in the model's environment, such as text-classification, or write a model_fn.")
    model = os.environ.get("HF_MODEL_ID", str(folder))
    return transformers.pipeline(task, model=model, device=0 if _device() == "cuda" else -1)


def _decode_inputs(body: str | bytes, content_type: str) -> Any:
    if content_type.partition(";")[0] != arrays.JSON:
        raise UnsupportedMediaTypeError(f"Content type {content_type[:80]!r} is not supported. Send {arrays.JSON}.")
    try:
        document = json.loads(body)
    except ValueError as error:
        raise BadRequestError(f"The request is not valid JSON: {error}.") from error
    if not isinstance(document, dict) or "inputs" not in document:
        raise BadRequestError('The request must look like {"inputs": ..., "parameters": {...}}.')
    return document


def _predict_inputs(document: Any, model: Any) -> Any:
    return model(document["inputs"], **document.get("parameters") or {})


SCIKIT_LEARN = FrameworkDefaults(_decode_numbers, lambda rows, model: model.predict(np.atleast_2d(rows)), arrays.encode)
PYTORCH = FrameworkDefaults(_decode_tensor, _predict_tensor, _encode_tensor)
XGBOOST = FrameworkDefaults(_decode_matrix, _predict_matrix, arrays.encode)
HUGGING_FACE = FrameworkDefaults(_decode_inputs, _predict_inputs, arrays.encode)
