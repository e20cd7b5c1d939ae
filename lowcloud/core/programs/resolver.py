"""The resolver: which program runs for an image name, decided once for each job and endpoint.

The result is stored with the job or endpoint, so that every later stage uses the program that was chosen at first.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lowcloud.catalog import algorithms, frameworks, processing_programs, unavailable
from lowcloud.catalog.algorithms import Algorithm
from lowcloud.catalog.frameworks import ResolvedFramework
from lowcloud.catalog.processing_programs import ProcessingProgram
from lowcloud.core.context import Context
from lowcloud.core.environments import requirements
from lowcloud.core.errors import InvalidError
from lowcloud.core.programs import images
from lowcloud.core.programs.images import Image
from lowcloud.core.telemetry.metrics import Definition
from lowcloud.schemas.spelling import did_you_mean


class UnknownImageError(InvalidError):
    """No program is known for an image; the message says how to register it."""


@dataclass(frozen=True)
class Program:
    """A command, and the required contents of its Python environment."""

    command: tuple[str, ...]
    is_built_in: bool = False
    takes_source: bool = False  # the archive of the user's script is staged, and its requirements are installed
    python: str = ""  # the folder of a user's environment
    requirements: tuple[str, ...] = ()
    container: str = ""
    metrics: tuple[Definition, ...] = ()  # that it is known to print

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Program":
        """Load a program from the document that `dataclasses.asdict` produced."""
        texts = {name: tuple(record[name]) for name in ("command", "requirements")}
        metrics = tuple(Definition(**one) for one in record.get("metrics", ()))
        return cls(**{**record, **texts, "metrics": metrics})


class ProgramRules(Protocol):
    """The programs with which one kind of work runs each type of image. None: it does not run this type.

    Each raises InvalidError if the request is invalid for this type.
    """

    def of_image(self, image: Image) -> Program:
        """Return the program for an image that a user has registered."""

    def of_algorithm(self, algorithm: Algorithm) -> Program | None:
        """Return the program for a built-in algorithm."""

    def of_processing_program(self, program: ProcessingProgram) -> Program | None:
        """Return the program for a built-in processing program."""

    def of_framework(self, framework: ResolvedFramework) -> Program | None:
        """Return the program for a framework image, which runs the user's script."""


def resolve(context: Context, uri: str, rules: ProgramRules) -> Program:
    """Return the program for an image name. Raises InvalidError; UnknownImageError if there is none."""
    if image := images.find(context, uri):
        return rules.of_image(image)
    found = None
    if algorithm := algorithms.resolve(uri):
        found = rules.of_algorithm(algorithm)
    if found is None and (ready := processing_programs.resolve(uri)):
        found = rules.of_processing_program(ready)
    if found is None and (framework := frameworks.resolve_libraries(uri)):
        found = rules.of_framework(framework)
    if found is None:
        raise unknown(uri, [image.name for image in images.registered(context)])
    return found


def metrics_of(uri: str) -> tuple[Definition, ...]:
    """Return the metrics that training with an algorithm's image prints; none for another image."""
    algorithm = algorithms.resolve(uri)
    return tuple(Definition(one.name, one.regex) for one in algorithm.metrics) if algorithm else ()


def missing(algorithm: Algorithm) -> tuple[str, ...]:
    """Return what must be installed for a built-in algorithm: nothing if the server's interpreter has its modules."""
    return () if all(importlib.util.find_spec(module) for module in algorithm.modules) else algorithm.requirements


def requirements_of(image: Image) -> tuple[str, ...]:
    """Return the lines of a registered image's requirements file."""
    found = requirements.of_texts({requirements.FILE: image.requirements})
    return found.lines if found else ()


def unknown(uri: str, own: Sequence[str] = ()) -> UnknownImageError:
    """Return the error that says why an image cannot run, or how to register it; `own` are the registered images."""
    registration = f"lowcloud image add {uri} --python VENV (or --requirements FILE, --command COMMAND, --container)"
    if reason := unavailable.reason(uri):  # by its repository, which a user's own image may share
        return UnknownImageError(f"{reason} If the image {uri!r} is your own, register it: {registration}.")
    known = sorted({*algorithms.IMAGES, *frameworks.FRAMEWORKS, *processing_programs.PROGRAMS})
    match = algorithms.IMAGE.fullmatch(uri)
    repository = match["repository"] if match else uri
    meant = did_you_mean(uri, own) or did_you_mean(repository, [*own, *known], f"Known are {', '.join(known)}.")
    return UnknownImageError(
        f"No program is known for the image {uri!r}. {meant} An image of your own is registered by: {registration}."
    )
