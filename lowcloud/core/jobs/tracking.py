"""Tracking of jobs: parameters, inputs, outputs and status.

`begin` belongs in the transaction that creates the job, `follow` in each that changes its state.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from lowcloud.core.jobs import programs
from lowcloud.core.jobs.jobs import Job, Specification, State
from lowcloud.core.tracking import provenance
from lowcloud.core.tracking.provenance import CHECKPOINT, CODE, DATASET, IMAGE, TrackedUri

if TYPE_CHECKING:
    from lowcloud.core.jobs.job_kind import JobKind

CODE_INPUTS = ("code", "entrypoint")  # the names that SDKs give the inputs of a processing job that hold its script
STATUS = {State.COMPLETED: "Completed", State.FAILED: "Failed", State.STOPPED: "Stopped"}


def begin(connection: Connection, kind: "JobKind", name: str, requested: Specification, now: float) -> None:
    """Record what a new job is made from. Raises NotFoundError and InvalidError for what its grouping names."""
    parameters: dict[str, str | float] = {
        f"{kind.tracking_prefix}InstanceType": requested.instance_type,
        f"{kind.tracking_prefix}InstanceCount": requested.instance_count,
        f"{kind.tracking_prefix}VolumeSizeInGB": requested.volume_gigabytes,
        **requested.hyperparameters,
    }
    inputs = list(_inputs(kind, requested))
    provenance.begin(connection, kind.subject(name), now, inputs, parameters, requested.grouping)


def follow(connection: Connection, before: Job, job: Job) -> None:
    """Record that a job runs now, or has ended."""
    if job.state == State.RUNNING and before.state != State.RUNNING:
        now = job.modified_at
        provenance.start(connection, job.subject, now, job.progress.started_at or now)
    if not job.state.is_end or before.state.is_end:
        return
    failure = job.progress.failure or ""
    provenance.end(connection, job.subject, job.modified_at, STATUS[job.state], failure, list(_products(job)))


def _inputs(kind: "JobKind", requested: Specification) -> Iterator[TrackedUri]:
    yield TrackedUri(f"{kind.tracking_prefix}ImageUri", requested.image, IMAGE)
    for channel in requested.channels:
        type_ = CODE if channel.name in CODE_INPUTS else DATASET
        yield TrackedUri(channel.name, f"s3://{channel.bucket}/{channel.prefix}", type_, channel.content_type)
    if source := programs.source_uri(requested):
        yield TrackedUri(f"{kind.tracking_prefix}SourceCode", source, CODE)


def _products(job: Job) -> Iterator[TrackedUri]:
    yield from job.kind.products(job)
    if job.specification.checkpoints:
        yield TrackedUri(f"{job.kind.tracking_prefix}Checkpoints", job.specification.checkpoints.uri, CHECKPOINT)
