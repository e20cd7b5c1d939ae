"""Training jobs: the kind, their metrics, and their warm pools."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Row, update

from lowcloud import contract
from lowcloud.catalog import algorithms
from lowcloud.catalog.algorithms import Algorithm
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError
from lowcloud.core.jobs import jobs
from lowcloud.core.jobs.job_kind import JobKind
from lowcloud.core.jobs.jobs import Job, Specification
from lowcloud.core.jobs.programs import PROGRAM, JobRules
from lowcloud.core.jobs.work import resource_configuration
from lowcloud.core.programs import resolver
from lowcloud.core.programs.resolver import Program
from lowcloud.core.resources import Page, Query
from lowcloud.core.scheduling import admission, warm_pools
from lowcloud.core.staging import channels
from lowcloud.core.telemetry import metrics
from lowcloud.core.tracking.provenance import MODEL, TrackedFile
from lowcloud.schemas import InvalidHyperparametersError
from lowcloud.store.db.tables import training_jobs

CONTAINER_COMMAND = ("train",)  # https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html


@dataclass(frozen=True)
class TrainingRules(JobRules):
    """Training jobs also run built-in algorithms."""

    container_command: tuple[str, ...] = CONTAINER_COMMAND

    def of_algorithm(self, algorithm: Algorithm) -> Program | None:
        if self.requested.entrypoint or PROGRAM in self.requested.hyperparameters:
            return None  # a script that runs in the algorithm's framework
        return Program(algorithm.train_command, is_built_in=True, requirements=resolver.missing(algorithm))


@dataclass(frozen=True)
class TrainingJob:
    """A training job and its warm pool."""

    job: Job
    pool: warm_pools.Pool | None

    @property
    def name(self) -> str:
        return self.job.name


def list_page(context: Context, query: Query, pool: warm_pools.Status | None = None) -> Page[TrainingJob]:
    """Return a page of training jobs: those with a pool of this status if one is given.

    Raises InvalidPageTokenError.
    """
    now = context.now()
    where = [warm_pools.has_status(training_jobs, pool, now)] if pool else []
    return resources.list_page(context, TRAINING, query, partial(from_row, now), where)


def from_row(now: float, row: Row[Any]) -> TrainingJob:
    """Return the training job in a row of the table, with its warm pool at this time."""
    return TrainingJob(jobs.from_row(TRAINING, row), warm_pools.of_row(row, now))


def final_metrics(context: Context, names: Sequence[str]) -> dict[str, dict[str, metrics.Point]]:
    """Return the last point of each metric of each of these jobs that has any, by the names of job and metric."""
    with context.database.read() as connection:
        return metrics.final_values_of(connection, names)


def pool(context: Context, name: str) -> warm_pools.Pool | None:
    """Return the warm pool of a job; None if it requested none. Raises NotFoundError."""
    return warm_pools.of_row(resources.find(context, TRAINING, name), context.now())


def keep_pool(context: Context, name: str, seconds: int) -> None:
    """Retain the job's pool for so long after its end. Raises NotFoundError, and InvalidError if it has none."""
    row = resources.find(context, TRAINING, name)
    changed = warm_pools.changed(row, seconds, context.now())
    if changed is None:
        raise InvalidError(f"The training job {name!r} has no warm pool that could be changed.")
    with context.database.transaction() as connection:
        connection.execute(update(training_jobs).where(training_jobs.c.name == name).values(**changed))
        admission.admit(context, connection)
    context.wake.notify()


def _check(requested: Specification, program: Program) -> None:
    if not program.is_built_in:
        return
    try:
        algorithms.validate(algorithms.find(requested.image), requested.hyperparameters)
    except InvalidHyperparametersError as error:
        raise InvalidError(str(error)) from error


def _files(job: Job, rank: int) -> dict[str, str]:
    inputs = {channel.name: channels.configuration_of(channel) for channel in job.specification.channels}
    return {
        contract.HYPERPARAMETERS: json.dumps(dict(job.specification.hyperparameters)),
        contract.INPUT_DATA_CONFIG: json.dumps(inputs),
        contract.RESOURCE_CONFIG: json.dumps(resource_configuration(job, rank)),
    }


def _variables(job: Job) -> dict[str, str]:
    arn = str(job.specification.description.get("arn", ""))
    return {"TRAINING_JOB_NAME": job.name, "TRAINING_JOB_ARN": arn}


def _products(job: Job) -> Iterator[TrackedFile]:
    if job.progress.artifact:
        yield TrackedFile(f"{TRAINING.tracking_prefix}ModelArtifact", job.progress.artifact, MODEL)


TRAINING = JobKind(
    noun="training job",
    prefix="training-job",
    table=training_jobs,
    log_group="/aws/sagemaker/TrainingJobs",
    tracking_prefix="SageMaker.",
    role_session="SageMaker",
    rules=TrainingRules,
    check=_check,
    files=_files,
    variables=_variables,
    products=_products,
)
