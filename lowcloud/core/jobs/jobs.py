"""Jobs: programs that run once on inputs. A job has a specification, progress, and requests to stop or interrupt it.

Jobs of every kind have the same record and the same lifecycle (lifecycle.py); kinds differ in JobKind (job_kind.py).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, or_, select, update

from lowcloud.core import events, resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.programs.resolver import Program
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.scheduling import waiting
from lowcloud.core.scheduling.waiting import Wait
from lowcloud.core.staging import channels
from lowcloud.core.staging.channels import Channel
from lowcloud.core.telemetry.metrics import Definition
from lowcloud.core.tracking.provenance import NO_GROUPING, Grouping
from lowcloud.engine.work import Resources

if TYPE_CHECKING:
    from lowcloud.core.jobs.job_kind import JobKind


class State(StrEnum):
    """The states of a job; the last three are final."""

    PENDING = "pending"  # waits for capacity
    PREPARING = "preparing"  # its Python environment is being built
    STAGING = "staging"
    RUNNING = "running"
    RESTARTING = "restarting"  # an attempt was interrupted and is being cleaned up for the next one
    STOPPING = "stopping"
    STORING = "storing"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_end(self) -> bool:
        return self in (State.COMPLETED, State.FAILED, State.STOPPED)


IN_PROGRESS = [state for state in State if not state.is_end]


class Limit(StrEnum):
    """The limits that can end a job."""

    RUNTIME = "runtime"
    WAIT = "wait"  # for capacity, between interruptions too
    PENDING = "pending"


@dataclass(frozen=True)
class Output:
    """A folder of the program (relative to its base) that is stored under a prefix of a bucket.

    An archive is stored as one tar.gz under the key `prefix`, otherwise each file is stored under the prefix: when the
    program has ended and, if `is_continuous`, while it runs.
    """

    name: str
    folder: str
    bucket: str
    prefix: str
    is_archive: bool = False
    is_continuous: bool = False
    is_optional: bool = False  # nothing is stored if the folder is empty

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


@dataclass(frozen=True)
class Specification:
    """The request for a job. It never changes."""

    image: str
    role: str
    instance_type: str
    instance_count: int
    volume_gigabytes: int
    max_runtime_seconds: int
    channels: tuple[Channel, ...] = ()
    outputs: tuple[Output, ...] = ()
    checkpoints: Output | None = None  # staged at every start, stored while the program runs
    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)  # environment variables
    metric_definitions: tuple[Definition, ...] = ()
    is_network_isolated: bool = False
    is_interruptible: bool = False
    max_wait_seconds: int | None = None  # of an interruptible job, from its creation on
    max_pending_seconds: int | None = None
    retries: int = 0  # further attempts where the machine, not the program, has failed
    keep_alive_seconds: int = 0
    grouping: Grouping = NO_GROUPING
    description: Mapping[str, Any] = field(
        default_factory=dict
    )  # the request as the API received it, to describe the job


@dataclass(frozen=True)
class Progress:
    """The progress of a job so far. Times are seconds since the epoch."""

    attempt: int = 1
    program: Program | None = None  # what its image name stood for when it was created; None: of an earlier version
    environment: str | None = None  # the Python environment, as Work names it; None: not chosen yet
    retried: int = 0  # attempts that were repeated because a host was lost
    started_at: float | None = None  # of the first attempt
    attempt_started_at: float | None = None  # billing starts here
    spent_seconds: float = 0.0  # by earlier attempts
    ended_by: Limit | None = None
    was_stopped: bool = False  # its program was ended
    failure: str | None = None
    artifact: str | None = None  # "s3://bucket/key" of the first output once it is stored
    billable_seconds: int | None = None
    exit_message: str | None = None  # reported by a processing program at its end
    waits_for: str | None = None  # why the engine cannot start it now, although it has capacity


@dataclass(frozen=True)
class Job:
    """The current state of a job."""

    kind: "JobKind"
    name: str
    state: State
    created_at: float
    modified_at: float
    ended_at: float | None
    stop_requested: bool
    interrupt_requested: bool
    is_admitted: bool
    allocation: Resources  # of each host: requested, and once the job is admitted what it gets
    specification: Specification
    progress: Progress
    keep_alive_seconds: int | None = None  # its warm pool follows from this and the next two (scheduling/warm_pools.py)
    retained_until: float | None = None
    reused_by: str | None = None

    @property
    def subject(self) -> str:
        return self.kind.subject(self.name)

    @property
    def work_id(self) -> str:
        """The work of the current attempt."""
        return f"{self.subject}/{self.progress.attempt}"


def waits_until(specification: Specification, created_at: float, attempt: int = 1) -> float | None:
    """Return when a job that waits for capacity has waited too long, in seconds since the epoch."""
    limits = [specification.max_wait_seconds, specification.max_pending_seconds if attempt == 1 else None]
    return min((created_at + seconds for seconds in limits if seconds is not None), default=None)


def list_newest(
    context: Context,
    limit: int,
    name: str | None = None,
    *,
    in_progress: bool = False,
    after: tuple[float, str, str] | None = None,
) -> list[Job]:
    """Return the newest jobs of every kind, newest first; of exactly this name, or only unended ones, if requested.

    `after` is the position (see `position`) of the last job of the page before.
    """
    found: list[Job] = []
    with context.database.read() as connection:
        for kind in context.kinds.queued:
            column = kind.table.c
            query = select(kind.table).order_by(column.created_at.desc(), column.name).limit(limit)
            query = query if name is None else query.where(kind.is_named(name))
            query = query.where(column.state.in_(IN_PROGRESS)) if in_progress else query
            query = query.where(_is_after(kind, after)) if after else query
            found += [kind.load(row) for row in connection.execute(query)]
    return sorted(found, key=lambda job: (-job.created_at, job.name, job.kind.prefix))[:limit]


def position(job: Job) -> tuple[float, str, str]:
    """Return the place of a job in the list of the newest jobs."""
    return job.created_at, job.name, job.kind.prefix


def waits(context: Context, listed: Sequence[Job]) -> dict[str, Wait]:
    """Return why those of the jobs that wait do so, by their subjects: for capacity, or until the engine can start."""
    found = {
        job.subject: Wait(job.progress.waits_for)
        for job in listed
        if job.is_admitted and job.state == State.PENDING and job.progress.waits_for
    }
    queued = [job for job in listed if not job.is_admitted and not job.state.is_end]
    if not queued:
        return found
    with context.database.read() as connection:
        now_used = waiting.usage(context, connection)
        for job in queued:
            row = connection.execute(select(job.kind.table).where(job.kind.is_named(job.name))).one_or_none()
            # It may have been deleted since it was listed.
            if row and (wait := waiting.reason(context, connection, row, now_used)):
                found[job.subject] = wait
    return found


def history(context: Context, job: Job) -> list[events.Event]:
    """Return the events of a job, oldest first; the last one of a job that waits says what it waits for."""
    with context.database.read() as connection:
        found = events.of(connection, job.subject)
    wait = waits(context, [job]).get(job.subject)
    return [*found[:-1], replace(found[-1], message=wait.message)] if found and wait else found


def stop(context: Context, kind: "JobKind", name: str) -> None:
    """Request that the job stop. Raises NotFoundError, and InvalidError if it has ended."""
    _request(context, kind, name, "stopped", stop_requested=True)


def interrupt(context: Context, kind: "JobKind", name: str) -> None:
    """Interrupt a spot job, as a cloud does when it needs the machine back; the job starts again later.

    Raises NotFoundError, and InvalidError if it has ended, does not run, or did not ask for spot capacity.
    """
    job = resources.find(context, kind, name)
    if not job.specification.is_interruptible:
        raise InvalidError(f"The {kind.noun} {name!r} did not ask for spot capacity, so it cannot be interrupted.")
    if job.state not in (State.PREPARING, State.STAGING, State.RUNNING) and not job.state.is_end:
        raise InvalidError(f"The {kind.noun} {name!r} does not run ({job.state}) and cannot be interrupted.")
    _request(context, kind, name, "interrupted", interrupt_requested=True)


def environments_in_use(connection: Connection, table: Table) -> set[str]:
    """Return the Python environments (see Work.environment) of jobs that run or are about to run."""
    column = table.c  # the first two conditions are those of an index
    has_begun = (column.admitted_at.is_not(None), column.due_at.is_not(None), column.ended_at.is_(None))
    query = select(column.progress).where(*has_begun, column.state != State.RESTARTING)
    return {progress.get("environment") or "" for progress in connection.scalars(query)}


def billable_seconds(started_at: float, ended_at: float) -> int:
    """Return the seconds, rounded up; at least 1."""
    return max(1, math.ceil(ended_at - started_at))


def from_row(kind: "JobKind", row: Row[Any]) -> Job:
    """Return the job in a row of its kind's table."""
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
        allocation=Resources(row.cpus, row.memory_bytes, row.gpus),
        specification=_specification(row.specification),
        progress=_progress(row.progress),
        keep_alive_seconds=row.keep_alive_seconds,
        retained_until=row.retained_until,
        reused_by=row.reused_by,
    )


def _is_after(kind: ResourceKind[Any], after: tuple[float, str, str]) -> ColumnElement[bool]:
    created_at, name, prefix = after
    column = kind.table.c
    is_next = column.name >= name if kind.prefix > prefix else column.name > name
    return or_(column.created_at < created_at, and_(column.created_at == created_at, is_next))


def _specification(document: Mapping[str, Any]) -> Specification:
    if "environment" in document:  # the name of the variables in version 0.1.0
        document = {**document, "variables": document["environment"]}
    known = {each.name for each in fields(Specification)}  # an earlier version may have stored more
    members = {name: value for name, value in document.items() if name in known}
    members["channels"] = tuple(channels.from_record(channel) for channel in members["channels"])
    members["outputs"] = tuple(Output(**output) for output in members["outputs"])
    members["checkpoints"] = members["checkpoints"] and Output(**members["checkpoints"])
    members["entrypoint"], members["arguments"] = tuple(members["entrypoint"]), tuple(members["arguments"])
    members["grouping"] = Grouping(**members["grouping"]) if "grouping" in members else NO_GROUPING
    members["metric_definitions"] = tuple(Definition(**definition) for definition in members["metric_definitions"])
    return Specification(**members)


def _progress(document: Mapping[str, Any]) -> Progress:
    program = document.get("program")
    return Progress(**{**document, "program": Program.from_record(program) if program else None})


def _request(context: Context, kind: "JobKind", name: str, done: str, **request: bool) -> None:
    table = kind.table
    with context.database.transaction() as connection:
        row = connection.execute(select(table.c.state).where(table.c.name == name)).one_or_none()
        if row is None:
            raise NotFoundError(kind.noun, name)
        if State(row.state).is_end:
            raise InvalidError(f"The {kind.noun} {name!r} has ended ({row.state}) and cannot be {done}.")
        # A job that waits for capacity is not due until now.
        connection.execute(update(table).where(table.c.name == name).values(**request, due_at=context.now()))
    context.wake.notify()
