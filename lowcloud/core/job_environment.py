"""The Python environment of a job: there already, or built by a work of its own before the job's program starts."""

from dataclasses import dataclass

from lowcloud.core import environments, images, inputs, job_logs, requirements
from lowcloud.core.cloud import Cloud
from lowcloud.core.environments import Environment
from lowcloud.core.errors import Invalid
from lowcloud.core.jobs import Job
from lowcloud.engine import Input, StagingFailed, Work


@dataclass(frozen=True)
class _Need:
    """What a job's environment is made of."""

    environment: Environment | None
    folder: str  # of a user's own environment
    code: Input | None


def choose(cloud: Cloud, job: Job) -> str:
    """The environment that the job's program needs, as Work names it. Raises StagingFailed."""
    need = _need(cloud, job)
    return environments.key(need.environment) if need.environment else need.folder


def build(cloud: Cloud, job: Job) -> bool:
    """Build the environment, or go on with it; whether it is ready. Raises StagingFailed where it cannot be built."""

    def plan() -> Work:
        need = _need(cloud, job)
        assert need.environment is not None, "only what has requirements is built"
        return environments.builder(cloud, need.environment, need.code)

    def collect(work_id: str, run: str) -> None:
        job_logs.collect(cloud, job, 0, work_id, run=run)

    return environments.build(cloud, job.progress.environment or "", plan, collect)


def is_ready(cloud: Cloud, job: Job) -> bool:
    """Whether the environment that was chosen is there."""
    return environments.is_ready(cloud, job.progress.environment or "")


def let_go(cloud: Cloud, job: Job) -> None:
    """The job is over: a builder that still works for it is ended."""
    environments.let_go(cloud, job.progress.environment or "")


def _need(cloud: Cloud, job: Job) -> _Need:
    try:
        program = images.program_of(cloud, job.kind, job.specification)
        if program.python:
            return _Need(None, program.python, None)
        code = next(images.sources_of(cloud, job.specification), None) if program.takes_source else None
        asked = requirements.of_archive(inputs.fetch(cloud, code.source), "", code.size_bytes) if code else None
        taught = requirements.of_texts({requirements.FILE: program.requirements_file})
    except Invalid as error:
        raise StagingFailed(str(error)) from error
    beneath = (*program.requirements, *(taught.lines if taught else ()))
    return _Need(environments.of_job(beneath, asked), "", code)
