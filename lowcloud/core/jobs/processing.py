"""Processing jobs: the kind."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from lowcloud import contract
from lowcloud.catalog import processing_programs
from lowcloud.catalog.processing_programs import ProcessingProgram
from lowcloud.core.errors import InvalidError
from lowcloud.core.jobs.job_kind import JobKind
from lowcloud.core.jobs.jobs import Job, Specification, State
from lowcloud.core.jobs.programs import JobRules
from lowcloud.core.jobs.work import resource_configuration
from lowcloud.core.programs.resolver import Program
from lowcloud.core.telemetry.metrics import MetricScope
from lowcloud.core.tracking.provenance import TrackedUri
from lowcloud.schemas import InvalidHyperparametersError
from lowcloud.store.db.tables.jobs import processing_jobs


@dataclass(frozen=True)
class ProcessingRules(JobRules):
    """Processing jobs also run the built-in processing programs."""

    def of_processing_program(self, program: ProcessingProgram) -> Program | None:
        if self.requested.entrypoint:
            return None
        return Program((*program.command, *self.requested.arguments), is_built_in=True)


def _check(requested: Specification, program: Program) -> None:
    if not program.is_built_in:
        return
    ready = processing_programs.resolve(requested.image)
    assert ready is not None, "nothing else of a processing job is built in"
    if requested.instance_count > 1:
        raise InvalidError(f"The program {ready.name} runs on one instance; {requested.instance_count} were requested.")
    try:
        ready.validate(requested.arguments)
    except InvalidHyperparametersError as error:
        raise InvalidError(str(error)) from error


def _files(job: Job, rank: int) -> dict[str, str]:
    request = job.specification.description.get("request", {})
    return {
        contract.PROCESSING_CONFIG: json.dumps(request, default=str),
        contract.PROCESSING_RESOURCE_CONFIG: json.dumps(resource_configuration(job, rank)),
    }


def _variables(_job: Job) -> dict[str, str]:
    return {}


def _products(job: Job) -> Iterator[TrackedUri]:
    if job.state != State.FAILED:
        yield from (TrackedUri(output.name, output.uri) for output in job.specification.outputs)


PROCESSING = JobKind(
    noun="processing job",
    prefix="processing-job",
    table=processing_jobs,
    log_group="/aws/sagemaker/ProcessingJobs",
    metrics=MetricScope("/aws/sagemaker/ProcessingJobs", "ProcessingJobName"),
    tracking_prefix="SageMaker.",
    role_session="SageMaker",
    rules=ProcessingRules,
    check=_check,
    files=_files,
    variables=_variables,
    products=_products,
)
