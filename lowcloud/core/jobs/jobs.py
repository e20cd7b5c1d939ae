"""Jobs: programs that run once, over inputs, to an end. What was asked, what has become of it, and the wishes about it.

Training and processing jobs are the same record; they differ in what is laid around their program (job_work.py).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import Row, select, update

from lowcloud.core import events, resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.resources import Page, Query
from lowcloud.core.scheduling import admission
from lowcloud.core.staging import channels
from lowcloud.core.staging.channels import Channel
from lowcloud.core.telemetry.metrics import Definition
from lowcloud.core.tracking.provenance import NOWHERE, Grouping
from lowcloud.engine.work import Resources
from lowcloud.store.db import tables

SESSION = "SageMaker"  # of the role that a job's program acts as


@dataclass(frozen=True, eq=False, kw_only=True)
class JobKind(ResourceKind):
    """One kind of job."""

    log_group: str


TRAINING = JobKind("training job", "training-job", tables.training_jobs, log_group="/aws/sagemaker/TrainingJobs")
PROCESSING = JobKind(
    "processing job", "processing-job", tables.processing_jobs, log_group="/aws/sagemaker/ProcessingJobs"
)


class State(StrEnum):
    """Where a job stands; the last three are ends."""

    PENDING = "pending"  # waits for room
    PREPARING = "preparing"  # its Python environment is being built
    STAGING = "staging"
    RUNNING = "running"
    RESTARTING = "restarting"  # an attempt has ended before its time: what it left is cleared for the next
    STOPPING = "stopping"
    STORING = "storing"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_end(self) -> bool:
        return self in (State.COMPLETED, State.FAILED, State.STOPPED)


class Limit(StrEnum):
    """Which of its limits has ended a job."""

    RUNTIME = "runtime"
    WAIT = "wait"  # for room, between interruptions too
    PENDING = "pending"


@dataclass(frozen=True)
class Output:
    """A folder of the program (relative to its base) that is stored under a prefix of a bucket.

    An archive goes under the key `prefix` as one tar.gz, else each file under the prefix, when the program has ended
    and, where `is_continuous`, while it runs.
    """

    name: str
    folder: str
    bucket: str
    prefix: str
    is_archive: bool = False
    is_continuous: bool = False
    is_optional: bool = False  # nothing is stored where the program has left nothing


@dataclass(frozen=True)
class Specification:
    """What was asked for; it never changes."""

    image: str
    role: str
    instance_type: str
    instance_count: int
    volume_gigabytes: int
    max_runtime_seconds: int
    channels: tuple[Channel, ...] = ()
    outputs: tuple[Output, ...] = ()
    checkpoints: Output | None = None  # laid at every start, stored while the program runs
    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    metric_definitions: tuple[Definition, ...] = ()
    is_network_isolated: bool = False
    is_interruptible: bool = False
    max_wait_seconds: int | None = None  # of an interruptible job, from its creation on
    max_pending_seconds: int | None = None
    retries: int = 0  # further attempts where the machine, not the program, has failed
    keep_alive_seconds: int = 0
    grouping: Grouping = NOWHERE
    description: Mapping[str, Any] = field(default_factory=dict)  # the dialect's own words, to tell the job again


@dataclass(frozen=True)
class Progress:
    """What has become of it. Times are seconds since the epoch."""

    attempt: int = 1
    environment: str | None = None  # the Python environment, as Work names it; None: not chosen yet
    retried: int = 0  # attempts that were repeated since a host was lost
    started_at: float | None = None  # of the first attempt
    attempt_started_at: float | None = None  # from here the bill runs
    spent_seconds: float = 0.0  # by earlier attempts
    ended_by: Limit | None = None
    was_stopped: bool = False  # its program did not end by itself
    failure: str | None = None
    artifact: str | None = None  # "s3://bucket/key" of the first output once it lies there
    billable_seconds: int | None = None
    exit_message: str | None = None  # what a processing program has said at its end


@dataclass(frozen=True)
class Job:
    """A job as it stands."""

    kind: JobKind
    name: str
    state: State
    created_at: float
    modified_at: float
    ended_at: float | None
    stop_requested: bool
    interrupt_requested: bool
    is_admitted: bool
    share: Resources  # of the machine: asked for, and once it is admitted what each host has
    specification: Specification
    progress: Progress

    @property
    def subject(self) -> str:
        return subject(self.kind, self.name)

    @property
    def work_id(self) -> str:
        """The work of the attempt it is in."""
        return f"{self.subject}/{self.progress.attempt}"


def subject(kind: JobKind, name: str) -> str:
    """What events and tags of a job are filed under."""
    return kind.subject(name)


def waits_until(specification: Specification, created_at: float, attempt: int = 1) -> float | None:
    """When a job that waits for room has waited for too long, in seconds since the epoch."""
    limits = [specification.max_wait_seconds, specification.max_pending_seconds if attempt == 1 else None]
    return min((created_at + seconds for seconds in limits if seconds is not None), default=None)


def find(context: Context, kind: JobKind, name: str) -> Job:
    """The job of this name. Raises NotFoundError."""
    return from_row(kind, resources.find(context, kind, name))


def list_page(context: Context, query: Query, kind: JobKind) -> Page[Job]:
    """Return a page of jobs of one kind. Raises InvalidPageTokenError."""
    return resources.list_page(context, kind, query, partial(from_row, kind))


def history(context: Context, job: Job) -> list[events.Event]:
    """What the job has gone through, oldest first; the last event of one that waits says how many are ahead of it."""
    table = job.kind.table
    with context.database.read() as connection:
        found = events.of(connection, job.subject)
        if job.is_admitted or job.state.is_end:
            return found
        row = connection.execute(select(table).where(table.c.name == job.name)).one()
        ahead = admission.jobs_ahead(connection, row)
    if ahead is None or not found:
        return found
    return [*found[:-1], replace(found[-1], message=admission.waiting_message(ahead))]


def stop(context: Context, kind: JobKind, name: str) -> None:
    """Wish the job to end; the reconciler sees to it. Raises NotFoundError, and InvalidError where it has ended."""
    _wish(context, kind, name, "stopped", stop_requested=True)


def interrupt(context: Context, kind: JobKind, name: str) -> None:
    """Take the machine from an interruptible job, as a cloud does when it needs it back; the job starts again later.

    Raises NotFoundError, and InvalidError where it has ended, does not run, or did not say that it may be interrupted.
    """
    job = find(context, kind, name)
    if not job.specification.is_interruptible:
        raise InvalidError(f"The {kind.noun} {name!r} did not ask for spot capacity, so it cannot be interrupted.")
    if job.state not in (State.PREPARING, State.STAGING, State.RUNNING) and not job.state.is_end:
        raise InvalidError(f"The {kind.noun} {name!r} does not run ({job.state}) and cannot be interrupted.")
    _wish(context, kind, name, "interrupted", interrupt_requested=True)


def billable_seconds(started_at: float, ended_at: float) -> int:
    """Whole seconds, begun ones counted."""
    return max(1, math.ceil(ended_at - started_at))


def from_row(kind: JobKind, row: Row[Any]) -> Job:
    """The job that a row of its kind's table holds."""
    return Job(
        kind=kind,
        name=row.name,
        state=State(row.state),
        created_at=row.created_at,
        modified_at=row.modified_at,
        ended_at=row.ended_at,
        stop_requested=row.stop_requested,
        interrupt_requested=row.interrupt_requested,
        is_admitted=row.admitted_at is not None,
        share=Resources(row.cpus, row.memory_bytes, row.gpus),
        specification=_specification(row.specification),
        progress=Progress(**row.progress),
    )


def _specification(document: Mapping[str, Any]) -> Specification:
    known = {member.name for member in fields(Specification)}  # an earlier version may have kept more
    asked = {name: value for name, value in document.items() if name in known}
    asked["channels"] = tuple(channels.from_record(channel) for channel in asked["channels"])
    asked["outputs"] = tuple(Output(**output) for output in asked["outputs"])
    asked["checkpoints"] = asked["checkpoints"] and Output(**asked["checkpoints"])
    asked["entrypoint"], asked["arguments"] = tuple(asked["entrypoint"]), tuple(asked["arguments"])
    asked["grouping"] = Grouping(**asked["grouping"]) if "grouping" in asked else NOWHERE
    asked["metric_definitions"] = tuple(Definition(**definition) for definition in asked["metric_definitions"])
    return Specification(**asked)


def _wish(context: Context, kind: JobKind, name: str, done: str, **wish: bool) -> None:
    table = kind.table
    with context.database.transaction() as connection:
        row = connection.execute(select(table.c.state).where(table.c.name == name)).one_or_none()
        if row is None:
            raise NotFoundError(kind.noun, name)
        if State(row.state).is_end:
            raise InvalidError(f"The {kind.noun} {name!r} has ended ({row.state}) and cannot be {done}.")
        # A job that waits for room is due to nobody until now.
        connection.execute(update(table).where(table.c.name == name).values(**wish, due_at=context.now()))
    context.bell.ring()
