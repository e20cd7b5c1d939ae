"""The Python environment of a job: there already, or built by a work of its own before the job's program starts."""

from lowcloud.core.cloud import Cloud
from lowcloud.core.jobs import Job


def is_ready(cloud: Cloud, job: Job) -> bool:
    """Whether the job's program can start."""
    return True


def build(cloud: Cloud, job: Job) -> bool:
    """Build the environment; whether it is ready. Raises StagingFailed where it cannot be built."""
    return True


def let_go(cloud: Cloud, job: Job) -> None:
    """The job needs no environment any more."""
