"""Processing jobs: what can be seen to be wrong with one before it runs."""

from collections.abc import Mapping

from lowcloud.core import images, job_tracking, jobs
from lowcloud.core.cloud import Cloud
from lowcloud.core.jobs import PROCESSING, Specification


def create(cloud: Cloud, name: str, specification: Specification, labels: Mapping[str, str] | None = None) -> None:
    """Ask for a job. Raises AlreadyExists, Invalid for what can be seen to fail before it runs, and NotFound."""
    images.program_of(cloud, PROCESSING, specification)
    jobs.create(cloud, PROCESSING, name, specification, labels, job_tracking.begin)
