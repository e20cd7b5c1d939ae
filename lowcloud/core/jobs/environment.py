"""The Python environment of a job: there already, or built by a work of its own before the job's program starts."""

from lowcloud.core.context import Context
from lowcloud.core.environments import builds, requests
from lowcloud.core.environments.requests import EnvironmentRequest
from lowcloud.core.errors import InvalidError
from lowcloud.core.jobs import logs, programs
from lowcloud.core.jobs.jobs import Job
from lowcloud.engine.work import StagingError, Work


def choose(context: Context, job: Job) -> str:
    """Return the environment that the job's program needs; see Work.environment. Raises StagingError."""
    return _request(context, job).name


def build(context: Context, job: Job) -> bool:
    """Take a turn of building the environment; return whether it is ready.

    Raises StagingError if it cannot be built.
    """

    def plan() -> Work:
        return _request(context, job).builder(context)

    def collect(work_id: str, run: str) -> None:
        logs.collect(context, job, 0, work_id, run=run)

    return builds.build(context, job.progress.environment or "", plan, collect)


def is_ready(context: Context, job: Job) -> bool:
    """Return whether the chosen environment exists."""
    return builds.is_ready(context, job.progress.environment or "")


def release(context: Context, job: Job) -> None:
    """Remove the builder of the job's environment, unless another record relies on it."""
    builds.release(context, job.progress.environment or "")


def _request(context: Context, job: Job) -> EnvironmentRequest:
    program = programs.of_job(context, job)
    has_code = program.takes_source and not program.python
    code = programs.source_of(programs.store_of(context, job), job.specification) if has_code else None
    try:
        return requests.of_program(context, program.python, program.requirements, code)
    except InvalidError as error:
        raise StagingError(str(error)) from error
