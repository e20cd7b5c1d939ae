"""The Python environment of a job."""

from lowcloud.core import building, images, job_logs
from lowcloud.core.building import Need
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import Invalid
from lowcloud.core.jobs import Job
from lowcloud.engine import StagingFailed


def choose(cloud: Cloud, job: Job) -> str:
    """The environment that the job's program needs, as Work names it. Raises StagingFailed."""
    return _need(cloud, job).name


def is_ready(cloud: Cloud, job: Job) -> bool:
    """Whether the environment that was chosen is there."""
    return building.is_ready(cloud, job.progress.environment or "")


def build(cloud: Cloud, job: Job) -> bool:
    """Build the environment, or go on with it; whether it is ready. Raises StagingFailed where it cannot be built."""

    def collect(work_id: str) -> None:
        job_logs.collect(cloud, job, 0, work_id)

    return building.build(cloud, job.progress.environment or "", lambda: _need(cloud, job), collect)


def let_go(cloud: Cloud, job: Job) -> None:
    """The job is over: a builder that still works for it is ended. Another job that waits for it starts it again."""
    building.let_go(cloud, job.progress.environment or "")


def _need(cloud: Cloud, job: Job) -> Need:
    try:
        program = images.program_of(cloud, job.kind, job.specification)
    except Invalid as error:
        raise StagingFailed(str(error)) from error
    code = next(images.sources_of(cloud, job.specification), None) if program.takes_source else None
    return building.need_of(cloud, program, code)
