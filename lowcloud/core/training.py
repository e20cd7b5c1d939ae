"""Training jobs: what can be seen to be wrong with one before it runs, and what it has measured."""

from collections.abc import Mapping

from lowcloud import catalog
from lowcloud.core import images, job_tracking, jobs, metrics
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import Invalid
from lowcloud.core.jobs import TRAINING, Specification
from lowcloud.schemas import InvalidHyperparameters


def create(cloud: Cloud, name: str, specification: Specification, labels: Mapping[str, str] | None = None) -> None:
    """Ask for a job. Raises AlreadyExists, Invalid for what can be seen to fail before it runs, and NotFound."""
    program = images.program_of(cloud, TRAINING, specification)
    if program.is_built_in:
        _check_hyperparameters(specification)
    jobs.create(cloud, TRAINING, name, specification, labels, job_tracking.begin)


def final_metrics(cloud: Cloud, name: str) -> dict[str, metrics.Point]:
    """The last point of each of the job's metrics."""
    with cloud.database.read() as connection:
        return metrics.final_values(connection, name)


def _check_hyperparameters(specification: Specification) -> None:
    try:
        catalog.validate(catalog.find(specification.image), specification.hyperparameters)
    except InvalidHyperparameters as error:
        raise Invalid(str(error)) from error
