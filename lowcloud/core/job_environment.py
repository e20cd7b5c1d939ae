"""The Python environment of a job: there already, or built by a work of its own before the job's program starts."""

from dataclasses import dataclass

from lowcloud import contract
from lowcloud.core import environments, images, inputs, job_logs, requirements
from lowcloud.core.cloud import Cloud
from lowcloud.core.environments import Environment
from lowcloud.core.errors import Invalid
from lowcloud.core.jobs import Job
from lowcloud.engine import Input, Phase, StagingFailed

FAILURE_BYTES = 4096  # read of what a builder says of its failure
UNSAID = "The Python environment could not be built; the log says why."


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


def is_ready(cloud: Cloud, job: Job) -> bool:
    """Whether the environment that was chosen is there."""
    name = job.progress.environment
    return not name or name.startswith("/") or cloud.engine.has_environment(name)


def build(cloud: Cloud, job: Job) -> bool:
    """Build the environment, or go on with it; whether it is ready. Raises StagingFailed where it cannot be built."""
    if is_ready(cloud, job):
        return True
    work_id = _builder(job)
    statuses = cloud.engine.status(work_id)
    if not statuses or statuses[0].phase in (Phase.ABSENT, Phase.STAGING):
        need = _need(cloud, job)
        assert need.environment is not None, "only what has requirements is built"
        cloud.engine.start(environments.builder(cloud, need.environment, need.code))
        return False
    job_logs.collect(cloud, job, 0, work_id)
    if statuses[0].phase not in (Phase.EXITED, Phase.LOST):
        return False
    if statuses[0].exit_code == 0:
        cloud.engine.keep_environment(work_id)
        cloud.engine.remove(work_id)
        return True
    said = (cloud.engine.read_file(work_id, 0, contract.FAILURE, FAILURE_BYTES) or b"").decode(errors="replace")
    cloud.engine.remove(work_id)
    raise StagingFailed(said.strip().removeprefix("ClientError: ") or UNSAID)


def let_go(cloud: Cloud, job: Job) -> None:
    """The job is over: a builder that still works for it is ended. Another job that waits for it starts it again."""
    name = job.progress.environment
    if name and not is_ready(cloud, job):
        cloud.engine.remove(_builder(job))


def _builder(job: Job) -> str:
    return f"environment/{job.progress.environment}"


def _need(cloud: Cloud, job: Job) -> _Need:
    try:
        program = images.program_of(cloud, job.kind, job.specification)
        code = next(images.sources_of(cloud, job.specification), None) if program.takes_source else None
        asked = requirements.of_archive(inputs.fetch(cloud, code.source)) if code else None
        taught = requirements.of_texts({requirements.FILE: program.requirements_file})
    except Invalid as error:
        raise StagingFailed(str(error)) from error
    beneath = (*program.requirements, *(taught.lines if taught else ()))
    return _Need(environments.of_job(beneath, asked), program.python, code)
