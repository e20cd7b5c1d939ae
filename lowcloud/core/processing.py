"""Processing jobs: what can be seen to be wrong with one before it runs."""

from collections.abc import Mapping

from lowcloud import programs
from lowcloud.core import images, jobs
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import Invalid
from lowcloud.core.jobs import PROCESSING, Specification
from lowcloud.schemas import InvalidHyperparameters


def create(cloud: Cloud, name: str, specification: Specification, labels: Mapping[str, str] | None = None) -> None:
    """Ask for a job. Raises AlreadyExists, and Invalid for what can be seen to fail before it runs."""
    program = images.program_of(cloud, PROCESSING, specification)
    if program.is_built_in:
        _check_arguments(specification)
    jobs.create(cloud, PROCESSING, name, specification, labels)


def _check_arguments(specification: Specification) -> None:
    program = programs.resolve(specification.image)
    assert program is not None
    if specification.instance_count > 1:
        raise Invalid(
            f"The program {program.name} runs on one instance; {specification.instance_count} were asked for."
        )
    try:
        program.validate(specification.arguments)
    except InvalidHyperparameters as error:
        raise Invalid(str(error)) from error
