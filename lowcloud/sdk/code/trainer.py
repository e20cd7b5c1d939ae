"""Trainers of models: a built-in algorithm, a script or a function, as image, hyperparameters and source code."""

import hashlib
import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from lowcloud.catalog import algorithms, unavailable
from lowcloud.schemas import InvalidHyperparametersError
from lowcloud.schemas.spelling import did_you_mean
from lowcloud.sdk import storage, wording
from lowcloud.sdk.code import imports
from lowcloud.sdk.connection import Cloud
from lowcloud.sdk.data.channels import Channel, ModelKind
from lowcloud.sdk.data.sources import Size
from lowcloud.sdk.errors import InvalidInputError, translate_errors

Function: TypeAlias = Callable[..., Any]  # (data, parameters) -> model, or (data) -> model
Model: TypeAlias = str | Path | Function
Requirements: TypeAlias = str | Path | Sequence[str]

PYTHON_IMAGE = "lowcloud-python"  # runs scripts with the server's own Python
PROGRAM_FILE = "lowcloud_program.py"
PROGRAM_PARAMETER, SOURCE_PARAMETER = "sagemaker_program", "sagemaker_submit_directory"
REQUIREMENTS = "requirements.txt"
WITHOUT_MISSING_VALUES = ("linear-learner",)  # built-in algorithms that need a value for every feature
ENTRY_POINTS = ("train.py", "main.py")  # of a folder, in order of preference


@dataclass(frozen=True)
class Trainer:
    """A trainer of a model, independent of the cloud that runs it."""

    name_prefix: str  # of job names
    model_kind: ModelKind
    image: str = ""  # of a built-in algorithm
    algorithm: str = ""  # its name
    allows_missing: bool = True  # whether features may have missing values
    entry_point: str = ""
    files: Mapping[str, storage.Content] = field(default_factory=dict)  # of the source archive
    function: Function | None = None


def read_hyperparameter(text: str) -> Any:
    """Return the value of a hyperparameter: SDKs send JSON, and other clients may send plain texts."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def read_model(model: Model) -> Trainer:
    """Return what trains, from the `model` argument of train(). Raises InvalidInputError."""
    if callable(model) and not isinstance(model, type):
        return _from_function(model)
    if not isinstance(model, str | Path):
        what = f"The class {model.__name__}" if isinstance(model, type) else f"A {type(model).__name__}"
        raise InvalidInputError(
            f"{what} cannot be trained as it is. Give a built-in algorithm ({_built_in_names()}), a "
            "script, or a function such as: def train(data, parameters): return model.fit(...)"
        )
    path = Path(model).expanduser()
    if path.is_dir():
        return _from_folder(path)
    if path.suffix in (".py", ".sh") or path.is_file():
        return _from_script(path)
    found = _built_in_programs().get(str(model))
    if found is None and (reason := unavailable.algorithm_reason(str(model))):
        raise InvalidInputError(reason)
    if found is None:
        known = did_you_mean(model, _built_in_programs(), f"Built-in algorithms: {_built_in_names()}.")
        raise InvalidInputError(f"There is no built-in algorithm or script {str(model)!r}. {known}")
    return Trainer(
        found.name,
        ModelKind.BUILT_IN,
        image=found.images[0],
        algorithm=found.name,
        allows_missing=found.name not in WITHOUT_MISSING_VALUES,
    )


def to_hyperparameters(chosen: Trainer, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return parameters as the API expects them: strings for a built-in algorithm, JSON strings for user code.

    Raises InvalidInputError.
    """
    if invalid := next((name for name in parameters if not isinstance(name, str) or not name), None):
        raise InvalidInputError(f"{invalid!r} is not a parameter name; parameters are a dict from strings to values.")
    if chosen.model_kind is not ModelKind.BUILT_IN:
        return {name: _to_json(name, value) for name, value in parameters.items()}
    strings = {name: value if isinstance(value, str) else _to_json(name, value) for name, value in parameters.items()}
    try:
        algorithms.validate(algorithms.find(chosen.image), strings)
    except InvalidHyperparametersError as error:
        raise InvalidInputError(str(error)) from None
    return strings


def check_names(chosen: Trainer, parameters: Mapping[str, Any]) -> None:
    """Raise InvalidInputError for a parameter that a built-in algorithm does not have, before any data is read."""
    if chosen.model_kind is not ModelKind.BUILT_IN:
        return
    schema = algorithms.find(chosen.image).schema
    for name in parameters:
        if isinstance(name, str) and (problem := schema.unknown(name)):
            raise InvalidInputError(problem)


def check_parameters(given: object) -> None:
    """Raise InvalidInputError if the argument `parameters` of train() is no mapping."""
    if given is not None and not isinstance(given, Mapping):
        raise InvalidInputError(
            f"parameters are a dict from names to values, such as {{'num_round': 5}}, not {given!r}."
        )


def measure(chosen: Trainer) -> Size:
    """Return how many files of code would be sent, and their bytes."""
    return Size(len(chosen.files), sum(map(storage.size, chosen.files.values())))


def read_requirements(chosen: Trainer, given: Requirements | None) -> bytes:
    """Return the content of the requirements file, empty if none is given. Raises InvalidInputError."""
    if given is None:
        return b""
    if chosen.model_kind is ModelKind.BUILT_IN:
        raise InvalidInputError(
            f"{wording.argument('requirements')} is for scripts and functions; a built-in algorithm needs none."
        )
    if not isinstance(given, str | Path):
        return "".join(f"{line}\n" for line in given).encode()
    path = Path(given).expanduser()
    if not path.is_file():
        also = wording.either(" A list of requirements is accepted too.", "")
        raise InvalidInputError(f"There is no requirements file {str(path)!r}.{also}")
    return path.read_bytes()


def upload(
    cloud: Cloud,
    chosen: Trainer,
    channels: Sequence[Channel],
    image: str | None,
    requirements: bytes,
) -> tuple[str, dict[str, str]]:
    """Upload the code. Returns the image that runs it, and the hyperparameters that name the uploaded source."""
    if chosen.model_kind is ModelKind.BUILT_IN:
        return image or chosen.image, {}
    files = dict(chosen.files)
    if chosen.function is not None:
        files |= _function_files(chosen.function, channels)
    if requirements:
        files[REQUIREMENTS] = requirements
    source = storage.upload(cloud, {"source.tar.gz": storage.make_archive(files)}) + "source.tar.gz"
    parameters = {PROGRAM_PARAMETER: json.dumps(chosen.entry_point), SOURCE_PARAMETER: json.dumps(source)}
    return image or _python_image(cloud, has_requirements=REQUIREMENTS in files), parameters


def _from_script(path: Path) -> Trainer:
    if not path.is_file():
        raise InvalidInputError(f"There is no script {str(path)!r} in {Path.cwd()}.")
    return Trainer(path.stem, ModelKind.SCRIPT, entry_point=path.name, files=imports.find_script_files(path))


def _from_folder(folder: Path) -> Trainer:
    scripts = sorted(path.name for path in folder.glob("*.py"))
    entry = next((name for name in ENTRY_POINTS if name in scripts), scripts[0] if len(scripts) == 1 else None)
    if entry is None:
        raise InvalidInputError(
            f"It is not clear which script of the folder {str(folder)!r} trains. Name it "
            f"{' or '.join(ENTRY_POINTS)}, or give the path of the script "
            f"(the folder contains {', '.join(scripts) or 'no scripts'})."
        )
    files = {
        str(path.relative_to(folder)): path for path in folder.rglob("*") if _is_source(path.relative_to(folder), path)
    }
    return Trainer(folder.resolve().name, ModelKind.SCRIPT, entry_point=entry, files=files)


def _is_source(inside: Path, path: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in inside.parts)


def _from_function(function: Function) -> Trainer:
    name = getattr(function, "__name__", type(function).__name__)
    _takes_parameters(function)
    prefix = "function" if name == "<lambda>" else name
    return Trainer(prefix, ModelKind.FUNCTION, entry_point=PROGRAM_FILE, function=function)


def _function_files(function: Function, channels: Sequence[Channel]) -> dict[str, storage.Content]:
    call = {
        "python": list(sys.version_info[:2]),
        "takes_parameters": _takes_parameters(function),
        "channels": {channel.name: dict(channel.description) for channel in channels},
        **_source_of(function),
    }
    return {
        PROGRAM_FILE: Path(__file__).with_name("job_program.py").read_bytes(),
        "call.json": json.dumps(call).encode(),
        "function.pkl": imports.pickle_function(function),
    }


def _source_of(function: Function) -> dict[str, str]:
    """Return the name of the function's file and its source at its lines, if there is a source."""
    try:
        lines, first = inspect.getsourcelines(function)
        file = Path(inspect.getsourcefile(function) or "").name
    except (OSError, TypeError):  # typed into a prompt, or not a function
        return {}
    return {"file": file, "source": "\n" * (max(first, 1) - 1) + "".join(lines)}


def _takes_parameters(function: Function) -> bool:
    """Return whether the function takes (data, parameters) rather than (data).

    Raises InvalidInputError if it takes neither.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise InvalidInputError(
            f"The arguments of {function!r} are unknown; wrap it in a function (data, parameters)."
        ) from None
    for count in (2, 1):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return count == 2
    raise InvalidInputError(f"The function takes {signature}, but it is called with (data, parameters) or (data).")


def _python_image(cloud: Cloud, *, has_requirements: bool) -> str:
    """Return an image that runs scripts with this program's Python, which is registered if it is not the server's."""
    own = Path(sys.prefix)
    if has_requirements or not cloud.python or own.resolve() == Path(cloud.python).resolve():
        return PYTHON_IMAGE
    name = f"{PYTHON_IMAGE}:{hashlib.sha256(str(own).encode()).hexdigest()[:12]}"
    with translate_errors():
        cloud.lowcloud.add_image(ImageName=name, Python=str(own))
    return name


def _to_json(name: str, value: object) -> str:
    plain = value.item() if hasattr(value, "item") and not isinstance(value, type) else value  # of a numpy scalar
    try:
        return json.dumps(plain)
    except (TypeError, ValueError):
        raise InvalidInputError(
            f"The parameter {name!r} has type {type(value).__name__}; give strings, numbers, booleans, lists or dicts."
        ) from None


def _built_in_names() -> str:
    return ", ".join(sorted(_built_in_programs()))


def _built_in_programs() -> dict[str, algorithms.Algorithm]:
    """Return the built-in algorithms by name, each in its last version."""
    return {algorithm.name: algorithm for algorithm in algorithms.ALGORITHMS}
