"""A model served by a user's inference script: model_fn, input_fn, predict_fn and output_fn, or transform_fn.

The defaults of these functions are those of SageMaker's inference toolkits for scikit-learn, PyTorch, XGBoost and
HuggingFace, as documented at https://sagemaker.readthedocs.io/en/stable/frameworks/.
"""

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from lowcloud import contract
from lowcloud.runtime.environments import framework_modules
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats import BadRequestError, OtherStatusError, arrays
from lowcloud.runtime.serving import framework_defaults

DEFAULT_PROGRAM = "inference.py"
LISTED_FILES = 20  # in a message
DEFAULT_ACCEPT_VARIABLE = "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"
ARGUMENT_COUNTS = {"model_fn": 1, "input_fn": 2, "predict_fn": 2, "output_fn": 2, "transform_fn": 4}

Function = Callable[..., Any]


class ScriptModel:
    """A model loaded by a script, with the functions that use it."""

    def __init__(self, model: Any, functions: dict[str, Function], framework: framework_defaults.FrameworkDefaults):
        self._model = model
        self._transform = functions.get("transform_fn")
        self._input: Function = functions.get("input_fn", framework.decode)
        self._predict: Function = functions.get("predict_fn", framework.predict)
        self._output: Function = functions.get("output_fn", framework.encode)
        self._default_accept = os.environ.get(DEFAULT_ACCEPT_VARIABLE, arrays.JSON)

    def respond(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Return the response body and its content type.

        The default functions raise formats.UnsupportedMediaTypeError, NotAcceptableError and BadRequestError; a
        response object with another status than 200 is raised as formats.OtherStatusError.
        """
        content_type = content_type or arrays.JSON
        accept = self._default_accept if accept in ("", "*/*") else accept
        content = _as_text(body) if content_type.startswith(("text/", arrays.JSON)) else body
        if self._transform:
            return _to_body(self._transform(self._model, content, content_type, accept), accept)
        rows = self._input(content, content_type)
        return _to_body(self._output(self._predict(rows, self._model), accept), accept)


def load(model_folder: Path) -> ScriptModel:
    """Load the model in a folder with the script named by SAGEMAKER_PROGRAM. Raises ClientError."""
    os.environ.setdefault("SM_MODEL_DIR", str(model_folder))
    framework_modules.add_to_process()
    script = _import(_code_folder(model_folder), os.environ.get("SAGEMAKER_PROGRAM") or None)
    functions = {
        name: _without_context(getattr(script, name), count)
        for name, count in ARGUMENT_COUNTS.items()
        if hasattr(script, name)
    }
    if "transform_fn" in functions and functions.keys() & {"input_fn", "predict_fn", "output_fn"}:
        raise ClientError(
            "The script defines transform_fn, which replaces input_fn, predict_fn and output_fn. Remove either."
        )
    if "model_fn" in functions:
        model = functions["model_fn"](str(model_folder))
        return ScriptModel(model, functions, framework_defaults.find_framework(model))
    model, framework = framework_defaults.load(model_folder)
    return ScriptModel(model, functions, framework)


def _code_folder(model_folder: Path) -> Path:
    base = model_folder.parent
    submitted = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "").removeprefix("file://")
    path = Path(submitted)
    if submitted and "://" not in submitted:
        if path.is_relative_to(contract.DEFAULT_BASE_DIR):
            path = base / path.relative_to(contract.DEFAULT_BASE_DIR)
        return path
    staged = base / contract.CODE
    return staged if submitted and staged.is_dir() else model_folder / contract.CODE


def _import(code: Path, program: str | None) -> ModuleType:
    """Import the script; return an empty module if none is named and the default script does not exist."""
    path = code / (program or DEFAULT_PROGRAM)
    if not path.is_file():
        if program is None:
            return ModuleType("inference")
        raise ClientError(_misplaced(code, program))
    sys.path[:0] = [str(path.parent), str(code)]
    try:
        return importlib.import_module(path.stem)
    except SystemExit as ended:  # a script that trains when it is imported
        raise ClientError(
            f"The inference script {path.name!r} exited with {ended.code} when it was imported. "
            'Put the training code below `if __name__ == "__main__":`.'
        ) from ended


def _misplaced(code: Path, program: str) -> str:
    """Return where a script should be and what is there instead."""
    is_in_model = code.name == contract.CODE and code.parent.name == contract.MODEL
    archive, top = ("model", code.parent) if is_in_model else ("source", code)
    files = sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()) if top.is_dir() else []
    place = f"in the folder {contract.CODE} of the model archive" if is_in_model else "in the source archive"
    content = ", ".join(files[:LISTED_FILES]) + (", ..." if len(files) > LISTED_FILES else "")
    return f"The inference script {program!r} is not {place}. The {archive} archive contains: {content or 'nothing'}."


def _without_context(function: Function, count: int) -> Function:
    """Return a function of `count` arguments; the context that newer toolkits pass as another argument is None."""
    parameters = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.default is parameter.empty
    ]
    if len(parameters) == count + 1:
        return lambda *arguments: function(*arguments, None)
    return function


def _as_text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BadRequestError(f"The request is not valid UTF-8: {error}.") from error


def _to_body(result: Any, accept: str) -> tuple[bytes, str]:
    """Return the body and content type of a script's result: a body, a pair of both, or a response that has both.

    Raises OtherStatusError for a response with another status than 200.
    """
    if hasattr(result, "get_data") and hasattr(result, "mimetype"):  # of werkzeug, or our framework_modules
        status = getattr(result, "status_code", HTTPStatus.OK)
        if status != HTTPStatus.OK:
            raise OtherStatusError(status, result.get_data(), result.mimetype)
        result = result.get_data(), result.mimetype
    body, content_type = result if isinstance(result, tuple) and len(result) == 2 else (result, accept)
    if isinstance(body, str):
        body = body.encode()
    if not isinstance(body, bytes | bytearray):
        body, content_type = arrays.encode(body, accept)
    return bytes(body), cast(str, content_type)
