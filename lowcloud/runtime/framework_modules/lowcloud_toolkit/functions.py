"""Functions of scripts, and their logs and files."""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lowcloud_toolkit import environment


def getargspec(fn: Callable[..., Any]) -> inspect.FullArgSpec:
    """Return the arguments of a function."""
    return inspect.getfullargspec(fn)


def matching_args(fn: Callable[..., Any], dictionary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the items of a mapping that a function takes as arguments: all if it takes any keyword."""
    taken = inspect.getfullargspec(fn)
    if taken.varkw:
        return dict(dictionary)
    return {name: dictionary[name] for name in (*taken.args, *taken.kwonlyargs) if name in dictionary}


def error_wrapper(fn: Callable[..., Any], error_class: type[Exception]) -> Callable[..., Any]:
    """Return a function whose errors are of another class."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except Exception as error:
            raise error_class(error) from error

    return wrapped


def get_logger() -> logging.Logger:
    """Return the logger of the toolkit."""
    return logging.getLogger("sagemaker-training-toolkit")


def configure_logger(level: int | str, log_format: str | None = None) -> None:
    """Write records of this level and above to the job's log."""
    form = log_format or "%(asctime)s %(name)-12s %(levelname)-8s %(message)s"
    logging.basicConfig(level=level, format=form, stream=sys.stdout, force=True)


def read_file(path: str, mode: str = "r") -> Any:
    """Return the content of a file."""
    with open(path, mode) as file:
        return file.read()


def read_json(path: str) -> Any:
    """Return the content of a JSON file."""
    return json.loads(Path(path).read_text())


def write_file(path: str, data: Any, mode: str = "w") -> None:
    """Write a file."""
    with open(path, mode) as file:
        file.write(data)


def write_failure_file(failure_msg: str) -> None:
    """Write the job's failure reason."""
    Path(environment.output_dir, "failure").write_text(failure_msg)


def write_success_file() -> None:
    """Write the file `success` of the job's output."""
    Path(environment.output_dir, "success").touch()


@contextlib.contextmanager
def tmpdir(suffix: str = "", prefix: str = "tmp", directory: str | None = None) -> Iterator[str]:
    """Make a temporary folder that is removed at the end."""
    with tempfile.TemporaryDirectory(suffix, prefix, directory) as folder:
        yield folder


def refuse_server(*_arguments: Any, **_settings: Any) -> None:
    """Say that a script cannot start a container's server."""
    raise RuntimeError(
        "Lowcloud runs the model server itself: give it model_fn, input_fn, predict_fn and output_fn in an inference "
        f"script. This process is {os.getpid()} of a job or an endpoint."
    )
