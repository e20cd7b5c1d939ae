"""What serves a model: a built-in program, or its user's inference script in the Python environment that this needs."""

from collections.abc import Mapping
from dataclasses import dataclass

from lowcloud import catalog, contract, frameworks
from lowcloud.core import images, inputs, needs, requirements
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import Invalid
from lowcloud.core.models import Model
from lowcloud.core.needs import Need
from lowcloud.engine import Input, StagingFailed, Work

PROGRAM, SOURCE = "SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY"  # variables of a model's environment
CODE_IN_MODEL = f"{contract.CODE}/"


@dataclass(frozen=True)
class Server:
    """The program of a model's replicas."""

    command: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    python: str = ""  # the folder of a user's environment
    is_built_in: bool = True


def find(cloud: Cloud, image: str, variables: Mapping[str, str]) -> Server:
    """What serves a model of this image and environment. Raises UnknownImage, and Invalid for one that cannot serve."""
    if taught := images.find(cloud, image):
        if taught.is_container or taught.command:
            raise Invalid(f"The image {image!r} was taught as a command or a container, which serves no models yet.")
        lines = requirements.of_texts({requirements.FILE: taught.requirements})
        return Server(frameworks.SERVE_COMMAND, lines.lines if lines else (), taught.python, is_built_in=False)
    built_in = catalog.resolve(image)
    if built_in and PROGRAM not in variables:
        return Server(built_in.serve_command, images.missing(built_in))
    if choice := frameworks.choose(image):
        return Server(frameworks.SERVE_COMMAND, choice.requirements, is_built_in=False)
    raise images.unknown(image)


def environment_of(cloud: Cloud, model: Model) -> str:
    """The Python environment of a model's replicas, as Work names it. Raises StagingFailed."""
    return _need(cloud, model).name


def builder(cloud: Cloud, model: Model) -> Work:
    """The work that builds it. Raises StagingFailed."""
    return _need(cloud, model).builder(cloud)


def command_of(cloud: Cloud, model: Model) -> tuple[str, ...]:
    """What the replicas run. Raises StagingFailed."""
    return _server(cloud, model).command


def has_network(cloud: Cloud, model: Model) -> bool:
    """Users' scripts have the network unless they gave it up. Raises StagingFailed."""
    return not model.is_network_isolated and not _server(cloud, model).is_built_in


def archives_of(cloud: Cloud, model: Model) -> tuple[Input, ...]:
    """The model and, where it lies apart, its inference script. Raises StagingFailed."""
    found = [inputs.archive_at(cloud, contract.MODEL, model.artifact)] if model.artifact else []
    source = model.environment.get(SOURCE, "")
    if source.startswith("s3://") and source != model.artifact:
        found.append(inputs.archive_at(cloud, contract.CODE, source))
    return tuple(found)


def _server(cloud: Cloud, model: Model) -> Server:
    try:
        return find(cloud, model.image, model.environment)
    except Invalid as error:
        raise StagingFailed(f"Model {model.name!r}: {error}") from error


def _need(cloud: Cloud, model: Model) -> Need:
    server = _server(cloud, model)
    has_code = not (server.is_built_in or server.python)
    code = next(reversed(archives_of(cloud, model)), None) if has_code else None
    within = CODE_IN_MODEL if code and code.path == contract.MODEL else ""
    try:
        return needs.of_program(cloud, server.python, server.requirements, code, within)
    except Invalid as error:
        raise StagingFailed(f"Model {model.name!r}: {error}") from error
