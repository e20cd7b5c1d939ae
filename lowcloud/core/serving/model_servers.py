"""What serves a model: a built-in program, or its user's inference script in the Python environment that this needs."""

from collections.abc import Mapping
from dataclasses import dataclass

from lowcloud import contract
from lowcloud.catalog import algorithms, frameworks
from lowcloud.core.context import Context
from lowcloud.core.environments import requests, requirements
from lowcloud.core.environments.requests import EnvironmentRequest
from lowcloud.core.errors import InvalidError
from lowcloud.core.programs import images
from lowcloud.core.serving.models import Model
from lowcloud.core.staging import inputs
from lowcloud.engine.work import Input, StagingError, Work

PROGRAM, SOURCE = "SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY"  # variables of a model's environment
CODE_IN_MODEL = f"{contract.CODE}/"


@dataclass(frozen=True)
class Server:
    """The program of a model's replicas."""

    command: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    python: str = ""  # the folder of a user's environment
    is_built_in: bool = True


def find(context: Context, image: str, variables: Mapping[str, str]) -> Server:
    """What serves a model of this image and environment.

    Raises UnknownImage, and InvalidError for one that cannot serve.
    """
    if taught := images.find(context, image):
        if taught.is_container or taught.command:
            raise InvalidError(
                f"The image {image!r} was taught as a command or a container, which serves no models yet."
            )
        lines = requirements.of_texts({requirements.FILE: taught.requirements})
        return Server(frameworks.SERVE_COMMAND, lines.lines if lines else (), taught.python, is_built_in=False)
    built_in = algorithms.resolve(image)
    if built_in and PROGRAM not in variables:
        return Server(built_in.serve_command, images.missing(built_in))
    if choice := frameworks.resolve_libraries(image):
        return Server(frameworks.SERVE_COMMAND, choice.requirements, is_built_in=False)
    raise images.unknown(image)


def environment_of(context: Context, model: Model) -> str:
    """The Python environment of a model's replicas, as Work names it. Raises StagingError."""
    return _need(context, model).name


def builder(context: Context, model: Model) -> Work:
    """The work that builds it. Raises StagingError."""
    return _need(context, model).builder(context)


def command_of(context: Context, model: Model) -> tuple[str, ...]:
    """What the replicas run. Raises StagingError."""
    return _server(context, model).command


def has_network(context: Context, model: Model) -> bool:
    """Users' scripts have the network unless they gave it up. Raises StagingError."""
    return not model.is_network_isolated and not _server(context, model).is_built_in


def archives_of(context: Context, model: Model) -> tuple[Input, ...]:
    """The model and, where it lies apart, its inference script. Raises StagingError."""
    found = [inputs.archive_at(context, contract.MODEL, model.artifact)] if model.artifact else []
    source = model.environment.get(SOURCE, "")
    if source.startswith("s3://") and source != model.artifact:
        found.append(inputs.archive_at(context, contract.CODE, source))
    return tuple(found)


def _server(context: Context, model: Model) -> Server:
    try:
        return find(context, model.image, model.environment)
    except InvalidError as error:
        raise StagingError(f"Model {model.name!r}: {error}") from error


def _need(context: Context, model: Model) -> EnvironmentRequest:
    server = _server(context, model)
    has_code = not (server.is_built_in or server.python)
    code = next(reversed(archives_of(context, model)), None) if has_code else None
    within = CODE_IN_MODEL if code and code.path == contract.MODEL else ""
    try:
        return requests.of_program(context, server.python, server.requirements, code, within)
    except InvalidError as error:
        raise StagingError(f"Model {model.name!r}: {error}") from error
