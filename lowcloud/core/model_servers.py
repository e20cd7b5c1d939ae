"""What serves a model: a built-in program, or its user's inference script in the Python environment that this needs."""

from collections.abc import Mapping
from dataclasses import dataclass

from lowcloud import catalog, contract, frameworks
from lowcloud.core import environments, images, inputs, objects, requirements
from lowcloud.core.cloud import Cloud
from lowcloud.core.environments import Environment
from lowcloud.core.errors import CloudError, Invalid
from lowcloud.core.models import Model
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
    server = _server(cloud, model)
    environment, _ = _needed(cloud, model, server)
    return environments.key(environment) if environment else server.python


def builder(cloud: Cloud, model: Model) -> Work:
    """The work that builds it. Raises StagingFailed."""
    environment, code = _needed(cloud, model, _server(cloud, model))
    assert environment is not None, "only what has requirements is built"
    return environments.builder(cloud, environment, code)


def command_of(cloud: Cloud, model: Model) -> tuple[str, ...]:
    """What the replicas run. Raises StagingFailed."""
    return _server(cloud, model).command


def has_network(cloud: Cloud, model: Model) -> bool:
    """Users' scripts have the network unless they gave it up. Raises StagingFailed."""
    return not model.is_network_isolated and not _server(cloud, model).is_built_in


def archives_of(cloud: Cloud, model: Model) -> tuple[Input, ...]:
    """The model and, where it lies apart, its inference script. Raises StagingFailed."""
    found = [_archive(cloud, contract.MODEL, model.artifact)] if model.artifact else []
    source = model.environment.get(SOURCE, "")
    if source.startswith("s3://") and source != model.artifact:
        found.append(_archive(cloud, contract.CODE, source))
    return tuple(found)


def _server(cloud: Cloud, model: Model) -> Server:
    try:
        return find(cloud, model.image, model.environment)
    except Invalid as error:
        raise StagingFailed(f"Model {model.name!r}: {error}") from error


def _needed(cloud: Cloud, model: Model, server: Server) -> tuple[Environment | None, Input | None]:
    """The environment to build, and the archive that its requirements stand in."""
    if server.python:  # which is as its user has made it
        return None, None
    if server.is_built_in or not (archives := archives_of(cloud, model)):
        return environments.of_job(server.requirements, None), None
    code = archives[-1]
    within = CODE_IN_MODEL if code.path == contract.MODEL else ""
    try:
        asked = requirements.of_archive(inputs.fetch(cloud, code.source), within, code.size_bytes)
    except Invalid as error:
        raise StagingFailed(f"Model {model.name!r}: {error}") from error
    return environments.of_job(server.requirements, asked), code


def _archive(cloud: Cloud, path: str, uri: str) -> Input:
    try:
        bucket, key = inputs.parse_uri(uri)
        return Input(path, inputs.source_of(bucket, key), objects.head(cloud, bucket, key).size)
    except (CloudError, Invalid) as error:
        raise StagingFailed(f"The model data {uri} cannot be read: {error}") from error
