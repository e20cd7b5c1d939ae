"""Training jobs: the kind, their metrics, and their warm pools."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import update

from lowcloud import contract
from lowcloud.catalog import algorithms
from lowcloud.catalog.algorithms import Algorithm
from lowcloud.catalog.frameworks import ResolvedFramework
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError
from lowcloud.core.jobs.job_kind import JobKind
from lowcloud.core.jobs.jobs import Job, Specification
from lowcloud.core.jobs.programs import SCRIPT_PARAMETER, JobRules
from lowcloud.core.jobs.work import resource_configuration
from lowcloud.core.programs import resolver
from lowcloud.core.programs.resolver import Program
from lowcloud.core.resources import Condition
from lowcloud.core.scheduling import admission, warm_pools
from lowcloud.core.staging import channels
from lowcloud.core.telemetry import metrics
from lowcloud.core.telemetry.metrics import MetricScope
from lowcloud.core.tracking.provenance import MODEL, TrackedUri
from lowcloud.schemas import InvalidHyperparametersError
from lowcloud.store.db.tables.jobs import training_jobs

CONTAINER_COMMAND = ("train",)  # https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html


@dataclass(frozen=True)
class TrainingRules(JobRules):
    """Training jobs also run built-in algorithms."""

    container_command: tuple[str, ...] = CONTAINER_COMMAND

    def of_algorithm(self, algorithm: Algorithm) -> Program | None:
        if self.requested.entrypoint or SCRIPT_PARAMETER in self.requested.hyperparameters:
            return None  # a script that runs in the algorithm's framework
        return Program(
            algorithm.train_command,
            is_built_in=True,
            requirements=resolver.missing(algorithm),
            metrics=resolver.metrics_of(self.requested.image),
        )

    def of_framework(self, framework: ResolvedFramework) -> Program | None:
        """The script of a framework that is also an algorithm prints the metrics of the algorithm."""
        found = super().of_framework(framework)
        return found and replace(found, metrics=resolver.metrics_of(self.requested.image))


def has_pool(status: warm_pools.Status, now: float) -> Condition:
    """Whether a training job has a warm pool of this status."""
    return warm_pools.has_status(training_jobs, status, now)


def final_metrics(context: Context, names: Sequence[str]) -> dict[str, dict[str, metrics.Point]]:
    """Return the last point of each metric of each of these jobs that has any, by the names of job and metric."""
    with context.database.read() as connection:
        return metrics.final_values(connection, TRAINING.metrics, names)


def keep_pool(context: Context, name: str, seconds: int) -> None:
    """Retain the job's pool for so long after its end. Raises NotFoundError, and InvalidError if it has none."""
    changed = warm_pools.changed(resources.find(context, TRAINING, name), seconds, context.now())
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


def _products(job: Job) -> Iterator[TrackedUri]:
    if job.progress.artifact:
        yield TrackedUri(f"{TRAINING.tracking_prefix}ModelArtifact", job.progress.artifact, MODEL)


TRAINING = JobKind(
    noun="training job",
    prefix="training-job",
    table=training_jobs,
    log_group="/aws/sagemaker/TrainingJobs",
    metrics=MetricScope("/aws/sagemaker/TrainingJobs", "TrainingJobName"),
    tracking_prefix="SageMaker.",
    role_session="SageMaker",
    rules=TrainingRules,
    check=_check,
    files=_files,
    variables=_variables,
    products=_products,
)
