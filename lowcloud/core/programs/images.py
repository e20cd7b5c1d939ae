"""What an image name means here: a program that is built in, a framework that runs scripts, or what a user taught."""

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select

from lowcloud import contract
from lowcloud.catalog import algorithms, frameworks, processing_programs
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError
from lowcloud.core.jobs.jobs import PROCESSING, TRAINING, JobKind, Specification
from lowcloud.core.staging import inputs
from lowcloud.engine.work import Input
from lowcloud.schemas import InvalidHyperparametersError
from lowcloud.store.db.tables import images

KIND = "image"
PROGRAM, SOURCE = "sagemaker_program", "sagemaker_submit_directory"  # hyperparameters, JSON texts


class UnknownImageError(InvalidError):
    """Nobody knows what an image is; the message says how to teach it."""


@dataclass(frozen=True)
class Image:
    """What a user has taught about an image name: one of an environment, a command and a container."""

    name: str
    created_at: float
    python: str = ""  # the folder of a virtual environment
    requirements: str = ""  # the text of a requirements file
    command: tuple[str, ...] = ()
    is_container: bool = False  # run by docker or podman


@dataclass(frozen=True)
class ResolvedProgram:
    """What a job runs, and what its Python environment must hold."""

    command: tuple[str, ...]
    is_built_in: bool = False
    takes_source: bool = False  # the archive of the user's script is laid, and its requirements are installed
    python: str = ""  # the folder of a user's environment
    requirements: tuple[str, ...] = ()
    requirements_file: str = ""
    container: str = ""


def teach(context: Context, image: Image) -> None:
    """Keep what an image name means, instead of what was taught of it before. Raises Invalid."""
    if sum(map(bool, (image.python, image.requirements, image.command, image.is_container))) != 1:
        raise InvalidError("Say one thing of an image: a Python environment, requirements, a command, or a container.")
    if image.python and not Path(image.python, "bin", "python").exists():
        raise InvalidError(
            f"{image.python!r} is no virtual environment: it has no bin/python. `python -m venv` makes one."
        )
    row = {"name": image.name, "created_at": image.created_at, "specification": asdict(image)}
    with context.database.transaction() as connection:
        connection.execute(images.delete().where(images.c.name == image.name))
        connection.execute(images.insert().values(**row))


def taught(context: Context) -> list[Image]:
    """What was taught, by name."""
    with context.database.read() as connection:
        return [_from_row(row) for row in connection.execute(select(images).order_by(images.c.name))]


def forget(context: Context, name: str) -> None:
    """Raises NotFound."""
    resources.remove(context, images, KIND, f"image/{name}", name)


def program_of(context: Context, kind: JobKind, asked: Specification) -> ResolvedProgram:
    """What a job of this kind runs.

    Raises UnknownImageError, and InvalidError where what is asked for does not fit the image.
    """
    if known := find(context, asked.image):
        return _of_image(known, kind, asked)
    built_in = algorithms.resolve(asked.image)
    if built_in and kind is TRAINING and not asked.entrypoint and PROGRAM not in asked.hyperparameters:
        return ResolvedProgram(
            built_in.train_command,
            is_built_in=True,
            requirements=missing(built_in),
        )
    if kind is PROCESSING and (ready := processing_programs.resolve(asked.image)) and not asked.entrypoint:
        _check_arguments(ready, asked)
        return ResolvedProgram((*ready.command, *asked.arguments), is_built_in=True)
    if choice := frameworks.resolve_libraries(asked.image):
        command = _command_in_environment(asked, choice.sentence)
        needed = (*choice.requirements, *frameworks.command_requirements(asked.arguments))
        return ResolvedProgram(command, takes_source=True, requirements=needed)
    raise unknown(asked.image)


def find(context: Context, uri: str) -> Image | None:
    """What was taught of this very image, else of its repository and tag, else of its repository."""
    match = algorithms.IMAGE.fullmatch(uri)
    names = [uri]
    if match is not None:
        names += [uri.rpartition("/")[2], match["repository"]]
    with context.database.read() as connection:
        rows = connection.execute(select(images).where(images.c.name.in_(names))).all()
    return min(map(_from_row, rows), key=lambda image: names.index(image.name), default=None)


def metrics_of(uri: str) -> Sequence[algorithms.Metric]:
    """What the program of an image is known to report."""
    program = algorithms.resolve(uri)
    return program.metrics if program else ()


def source_of(context: Context, asked: Specification) -> Input | None:
    """The archive that holds the user's script; None where the image does. Raises StagingFailed."""
    source = read_json_text(asked.hyperparameters.get(SOURCE, ""))
    return inputs.archive_at(context, contract.CODE, source) if source.startswith("s3://") else None


def read_json_text(text: str) -> str:
    """A hyperparameter of the SDK: a JSON text, or a plain one."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def unknown(uri: str) -> UnknownImageError:
    """Says how to teach an image."""
    there = ", ".join(sorted({*algorithms.IMAGES, *frameworks.FRAMEWORKS, *processing_programs.PROGRAMS}))
    return UnknownImageError(
        f"No program is known for the image {uri!r}. Say what it means here: lowcloud image add {uri} --python VENV "
        f"(or --requirements FILE, --command COMMAND, --container). Known: {there}."
    )


def missing(program: algorithms.Algorithm) -> tuple[str, ...]:
    """What must be installed for a built-in program: nothing where the server's own interpreter has its modules."""
    return () if all(importlib.util.find_spec(module) for module in program.modules) else program.requirements


def _of_image(image: Image, kind: JobKind, asked: Specification) -> ResolvedProgram:
    if image.is_container:
        own = ("train",) if kind is TRAINING and not asked.entrypoint else ()
        return ResolvedProgram(asked.arguments or own, container=asked.image)
    if image.command:
        return ResolvedProgram((*frameworks.RUN_COMMAND, *image.command, *asked.arguments))
    # A user's own environment is never built upon: the script's requirements go into the layer that each job has.
    command = _command_in_environment(asked, *((frameworks.INSTALL,) if image.python else ()))
    return ResolvedProgram(command, takes_source=True, python=image.python, requirements_file=image.requirements)


def _check_arguments(program: processing_programs.ProcessingProgram, asked: Specification) -> None:
    if asked.instance_count > 1:
        raise InvalidError(f"The program {program.name} runs on one instance; {asked.instance_count} were asked for.")
    try:
        program.validate(asked.arguments)
    except InvalidHyperparametersError as error:
        raise InvalidError(str(error)) from error


def _command_in_environment(asked: Specification, *sentences: str) -> tuple[str, ...]:
    """Runs the user's entry point or script; `sentences` are printed before a script."""
    if asked.entrypoint:
        return (*frameworks.RUN_COMMAND, *asked.entrypoint, *asked.arguments)
    if PROGRAM in asked.hyperparameters:
        return (*frameworks.SCRIPT_COMMAND, *sentences)
    raise InvalidError(
        f"The image {asked.image!r} is a Python environment: name your script by the hyperparameter {PROGRAM}, "
        "which the SDK's estimators call entry_point, or give an entrypoint."
    )


def _from_row(row: Row[Any]) -> Image:
    kept = dict(row.specification)
    return Image(**{**kept, "command": tuple(kept["command"])})
