"""The Python environment of a job: there already, or built by a work of its own before the job's program starts."""

from lowcloud.core.context import Context
from lowcloud.core.environments import environments, requests, requirements
from lowcloud.core.environments.requests import EnvironmentRequest
from lowcloud.core.errors import InvalidError
from lowcloud.core.jobs import logs
from lowcloud.core.jobs.jobs import Job
from lowcloud.core.programs import images
from lowcloud.engine.work import StagingError, Work


def choose(context: Context, job: Job) -> str:
    """The environment that the job's program needs, as Work names it. Raises StagingError."""
    return _need(context, job).name


def build(context: Context, job: Job) -> bool:
    """Build the environment, or go on with it; whether it is ready. Raises StagingError where it cannot be built."""

    def plan() -> Work:
        return _need(context, job).builder(context)

    def collect(work_id: str, run: str) -> None:
        logs.collect(context, job, 0, work_id, run=run)

    return environments.build(context, job.progress.environment or "", plan, collect)


def is_ready(context: Context, job: Job) -> bool:
    """Whether the environment that was chosen is there."""
    return environments.is_ready(context, job.progress.environment or "")


def let_go(context: Context, job: Job) -> None:
    """The job is over: a builder that still works for it is ended."""
    environments.let_go(context, job.progress.environment or "")


def _need(context: Context, job: Job) -> EnvironmentRequest:
    try:
        program = images.program_of(context, job.kind, job.specification)
        code = images.source_of(context, job.specification) if program.takes_source and not program.python else None
        taught = requirements.of_texts({requirements.FILE: program.requirements_file})
        beneath = (*program.requirements, *(taught.lines if taught else ()))
        return requests.of_program(context, program.python, beneath, code)
    except InvalidError as error:
        raise StagingError(str(error)) from error
