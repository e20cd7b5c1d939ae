"""What a replica needs that serves a model: its program, its archives and its Python environment."""

from collections.abc import Iterator

from lowcloud import contract
from lowcloud.core import building, images
from lowcloud.core.building import Need
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import Invalid
from lowcloud.core.images import Program
from lowcloud.core.models import Model
from lowcloud.engine import Input, StagingFailed


def program_of(cloud: Cloud, model: Model) -> Program:
    """What the replica runs. Raises StagingFailed."""
    try:
        return images.serving_program_of(cloud, model)
    except Invalid as error:
        raise StagingFailed(f"Model {model.name!r}: {error}") from error


def archives_of(cloud: Cloud, model: Model, program: Program) -> Iterator[Input]:
    """The model's data, and the archive of its script where that is another. Raises StagingFailed."""
    if model.artifact is not None:
        yield images.archive(cloud, "model data", model.artifact, contract.MODEL)
    if program.takes_source and (source := _source(model)).startswith("s3://"):
        yield images.archive(cloud, "source archive", source, contract.CODE)


def need_of(cloud: Cloud, model: Model) -> Need:
    """The Python environment: what the image means, and the requirements beside the script. Raises StagingFailed."""
    program = program_of(cloud, model)
    archives = {archive.path: archive for archive in archives_of(cloud, model, program)}
    if not program.takes_source:
        return building.need_of(cloud, program, None)
    if contract.CODE in archives:
        return building.need_of(cloud, program, archives[contract.CODE])
    return building.need_of(cloud, program, archives.get(contract.MODEL), within=f"{contract.CODE}/")


def _source(model: Model) -> str:
    return model.environment.get(images.SERVED_SOURCE, "")
