"""What trains: a built-in's name, a script or a function, made into an image, hyperparameters and a source archive."""

import difflib
import hashlib
import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from lowcloud.catalog import algorithms
from lowcloud.schemas import InvalidHyperparametersError
from lowcloud.sdk import imports, storage
from lowcloud.sdk.cloud import Cloud
from lowcloud.sdk.data import Channel, Style
from lowcloud.sdk.errors import InvalidInputError, asking

Function: TypeAlias = Callable[..., Any]  # (data, parameters) -> model, or (data) -> model
Model: TypeAlias = str | Path | Function
Requirements: TypeAlias = str | Path | Sequence[str]

PYTHON_IMAGE = "lowcloud-python"  # runs scripts by the server's own Python
PROGRAM_FILE = "lowcloud_program.py"
PROGRAM, SOURCE = "sagemaker_program", "sagemaker_submit_directory"
REQUIREMENTS = "requirements.txt"
COMPLETE = ("linear-learner",)  # built-ins whose features must all have values
ENTRY_POINTS = ("train.py", "main.py")  # looked for in a folder, in this order


@dataclass(frozen=True)
class Algorithm:
    """What trains, before it is known which cloud runs it."""

    stem: str  # of names
    style: Style
    image: str = ""  # of a built-in
    takes_missing: bool = True  # whether features may lack values
    entry_point: str = ""
    files: Mapping[str, storage.Content] = field(default_factory=dict)  # of the source archive
    function: Function | None = None


def read(model: Model) -> Algorithm:
    """What a user has named. Raises InvalidInputError."""
    if callable(model):
        return _of_function(model)
    if not isinstance(model, str | Path):
        raise InvalidInputError(
            f"A {type(model).__name__} cannot be trained as it is: give a built-in's name ({_built_ins()}), a script, "
            "or a function such as: def train(data, parameters): return model.fit(...)"
        )
    path = Path(model).expanduser()
    if path.is_dir():
        return _of_folder(path)
    if path.suffix in (".py", ".sh") or path.is_file():
        return _of_script(path)
    found = _built_in_programs().get(str(model))
    if found is None:
        close = difflib.get_close_matches(str(model), _built_in_programs(), 1)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise InvalidInputError(f"There is no built-in and no script {str(model)!r}. {hint}Built in: {_built_ins()}.")
    return Algorithm(found.name, Style.BUILT_IN, image=found.images[0], takes_missing=found.name not in COMPLETE)


def hyperparameters(algorithm: Algorithm, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as the API takes them: texts for a built-in, JSON texts for one's own code.

    Raises InvalidInputError.
    """
    if odd := next((name for name in parameters if not isinstance(name, str) or not name), None):
        raise InvalidInputError(f"The parameter {odd!r} has no name; parameters are a dict of texts to values.")
    if algorithm.style is not Style.BUILT_IN:
        return {name: _json(name, value) for name, value in parameters.items()}
    texts = {name: value if isinstance(value, str) else _json(name, value) for name, value in parameters.items()}
    try:
        algorithms.validate(algorithms.find(algorithm.image), texts)
    except InvalidHyperparametersError as error:
        raise InvalidInputError(str(error)) from None
    return texts


def read_requirements(algorithm: Algorithm, given: Requirements | None) -> bytes:
    """The text of a requirements file, empty where none is given. Raises InvalidInputError."""
    if given is None:
        return b""
    if algorithm.style is Style.BUILT_IN:
        raise InvalidInputError("requirements are for scripts and functions; a built-in brings what it needs.")
    if not isinstance(given, str | Path):
        return "".join(f"{line}\n" for line in given).encode()
    path = Path(given).expanduser()
    if not path.is_file():
        raise InvalidInputError(
            f"There is no requirements file {str(path)!r}; a list of requirements may be given too."
        )
    return path.read_bytes()


def place(
    cloud: Cloud,
    algorithm: Algorithm,
    channels: Sequence[Channel],
    image: str | None,
    requirements: bytes,
) -> tuple[str, dict[str, str]]:
    """The image that runs the algorithm, and hyperparameters that name its source, which is stored."""
    if algorithm.style is Style.BUILT_IN:
        return image or algorithm.image, {}
    files = dict(algorithm.files)
    if algorithm.function is not None:
        files |= _function_files(algorithm.function, channels)
    if requirements:
        files[REQUIREMENTS] = requirements
    source = storage.put(cloud, {"source.tar.gz": storage.archive(files)}) + "source.tar.gz"
    named = {PROGRAM: json.dumps(algorithm.entry_point), SOURCE: json.dumps(source)}
    return image or _python_image(cloud, has_requirements=REQUIREMENTS in files), named


def _of_script(path: Path) -> Algorithm:
    if not path.is_file():
        raise InvalidInputError(f"There is no script {str(path)!r} in {Path.cwd()}.")
    return Algorithm(path.stem, Style.SCRIPT, entry_point=path.name, files=imports.of_script(path))


def _of_folder(folder: Path) -> Algorithm:
    scripts = sorted(path.name for path in folder.glob("*.py"))
    entry = next((name for name in ENTRY_POINTS if name in scripts), scripts[0] if len(scripts) == 1 else None)
    if entry is None:
        raise InvalidInputError(
            f"Which script of {str(folder)!r} trains? Call it {' or '.join(ENTRY_POINTS)}, or give its own path "
            f"(it holds {', '.join(scripts) or 'no script'})."
        )
    files = {
        str(path.relative_to(folder)): path for path in folder.rglob("*") if _is_source(path.relative_to(folder), path)
    }
    return Algorithm(folder.resolve().name, Style.SCRIPT, entry_point=entry, files=files)


def _is_source(inside: Path, path: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in inside.parts)


def _of_function(function: Function) -> Algorithm:
    name = getattr(function, "__name__", type(function).__name__)
    _takes_parameters(function)
    stem = "function" if name == "<lambda>" else name
    return Algorithm(stem, Style.FUNCTION, entry_point=PROGRAM_FILE, function=function)


def _function_files(function: Function, channels: Sequence[Channel]) -> dict[str, storage.Content]:
    plan = {
        "python": list(sys.version_info[:2]),
        "takes_parameters": _takes_parameters(function),
        "channels": {channel.name: dict(channel.description) for channel in channels},
    }
    return {
        PROGRAM_FILE: Path(__file__).with_name("program.py").read_bytes(),
        "plan.json": json.dumps(plan).encode(),
        "function.pkl": imports.pickled(function),
    }


def _takes_parameters(function: Function) -> bool:
    """Whether the function is called with parameters too.

    Raises InvalidInputError where it takes neither one nor two.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise InvalidInputError(
            f"{function!r} does not say what it takes; wrap it in a function (data, parameters)."
        ) from None
    for arguments in (2, 1):
        try:
            signature.bind(*range(arguments))
        except TypeError:
            continue
        return arguments == 2
    raise InvalidInputError(f"The function takes {signature}; it is called as (data, parameters) or as (data).")


def _python_image(cloud: Cloud, *, has_requirements: bool) -> str:
    """The image whose Python is the one that runs this program, which the cloud is told of where it is not its own."""
    own = Path(sys.prefix)
    if has_requirements or not cloud.python or own.resolve() == Path(cloud.python).resolve():
        return PYTHON_IMAGE
    name = f"{PYTHON_IMAGE}:{hashlib.sha256(str(own).encode()).hexdigest()[:12]}"
    with asking():
        cloud.lowcloud.add_image(ImageName=name, Python=str(own))
    return name


def _json(name: str, value: object) -> str:
    plain = value.item() if hasattr(value, "item") and not isinstance(value, type) else value  # a number of numpy
    try:
        return json.dumps(plain)
    except (TypeError, ValueError):
        raise InvalidInputError(
            f"The parameter {name!r} is a {type(value).__name__}; give texts, numbers, booleans, or lists and dicts."
        ) from None


def _built_ins() -> str:
    return ", ".join(sorted(_built_in_programs()))


def _built_in_programs() -> dict[str, algorithms.Algorithm]:
    """By name; of several releases of one, the last."""
    return {program.name: program for program in algorithms.PROGRAMS}
