"""The Python environment of a job: there already, or built by a work of its own before the job's program starts."""

from lowcloud.core import environments, images, job_logs, needs, requirements
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import Invalid
from lowcloud.core.jobs import Job
from lowcloud.core.needs import Need
from lowcloud.engine import StagingFailed, Work


def choose(cloud: Cloud, job: Job) -> str:
    """The environment that the job's program needs, as Work names it. Raises StagingFailed."""
    return _need(cloud, job).name


def build(cloud: Cloud, job: Job) -> bool:
    """Build the environment, or go on with it; whether it is ready. Raises StagingFailed where it cannot be built."""

    def plan() -> Work:
        return _need(cloud, job).builder(cloud)

    def collect(work_id: str, run: str) -> None:
        job_logs.collect(cloud, job, 0, work_id, run=run)

    return environments.build(cloud, job.progress.environment or "", plan, collect)


def is_ready(cloud: Cloud, job: Job) -> bool:
    """Whether the environment that was chosen is there."""
    return environments.is_ready(cloud, job.progress.environment or "")


def let_go(cloud: Cloud, job: Job) -> None:
    """The job is over: a builder that still works for it is ended."""
    environments.let_go(cloud, job.progress.environment or "")


def _need(cloud: Cloud, job: Job) -> Need:
    try:
        program = images.program_of(cloud, job.kind, job.specification)
        code = images.source_of(cloud, job.specification) if program.takes_source and not program.python else None
        taught = requirements.of_texts({requirements.FILE: program.requirements_file})
        beneath = (*program.requirements, *(taught.lines if taught else ()))
        return needs.of_program(cloud, program.python, beneath, code)
    except Invalid as error:
        raise StagingFailed(str(error)) from error
