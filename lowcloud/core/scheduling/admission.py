"""Admission: the queue as rows. A waiting job is not due until it is admitted or times out, so it costs nothing.

Whatever changes demand or capacity (a job is created, ends or is stopped) calls `admit` in its own transaction, so that
no crash can come between; a kill at any point neither loses a job nor admits one twice, since there is one writer.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, func, or_, select, update

from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError
from lowcloud.core.resource_kind import PeriodicTask
from lowcloud.core.scheduling import capacity, queue
from lowcloud.core.scheduling.queue import Holding, Ref, Waiting
from lowcloud.engine.work import Resources
from lowcloud.store.db.tables.control import periodic_tasks

WINDOW = 100  # jobs of an owner that are considered: the first is served first, the others may overtake it
PRIORITY_TAG = "lowcloud:priority"
PRIORITY_LIMIT = 1000
TASK = "queue"
SWEEP_SECONDS = 10.0  # while jobs wait: memory may become free that no job has held, such as an endpoint's
IDLE_SECONDS = 300.0
# The columns that give up the allocation of a job that still runs, once its programs have ended.
FREED = {"cpus": 0.0, "memory_bytes": 0, "gpus": 0}


@dataclass(frozen=True)
class Demand:
    """The resources that a job demands."""

    owner: str
    each: Resources  # of one replica
    replicas: int = 1
    priority: int = 0
    is_spot: bool = False

    def columns(self) -> dict[str, Any]:
        """Return the columns of a new row."""
        return {
            "owner": self.owner,
            "priority": self.priority,
            "replicas": self.replicas,
            "is_spot": self.is_spot,
            **waits_for(self.each),
        }


def waits_for(each: Resources) -> dict[str, Any]:
    """Return the columns of a job that waits, perhaps again, for these resources for each of its replicas."""
    allocation = {"cpus": each.cpus, "memory_bytes": each.memory_bytes, "gpus": each.gpus}
    return {"admitted_at": None, "blocked_at": None, **allocation}


def priority_of(resource_tags: Mapping[str, str]) -> int:
    """Return the value of the tag lowcloud:priority; 0 if there is none. Raises InvalidError."""
    text = resource_tags.get(PRIORITY_TAG, "0")
    try:
        priority = int(text)
    except ValueError:
        priority = PRIORITY_LIMIT + 1
    if abs(priority) > PRIORITY_LIMIT:
        least = -PRIORITY_LIMIT
        raise InvalidError(f"The tag {PRIORITY_TAG} is a whole number from {least} to {PRIORITY_LIMIT}, not {text!r}.")
    return priority


def admit(context: Context, connection: Connection) -> list[Ref]:
    """Make jobs due that may start now, in a writing transaction.

    After it, notify `context.wake` if any was admitted.
    """
    tables = _tables(context)
    if not _anything_waits(connection, tables):
        return []
    now = context.now()
    available = capacity.of_jobs(context, connection)
    running = [holding for table in tables for holding in _running(connection, table)]
    is_full = capacity.less(available, capacity.total(one.held for one in running)).cpus <= capacity.ROUNDING
    if is_full and not any(one.is_spot for one in running):
        return []
    waiting = [job for table in tables for job in _waiting(connection, table)]
    decision = queue.admit(
        waiting,
        running,
        available,
        now=now,
        pools=[pool for table in tables for pool in _pools(connection, table, now)],
        served=_served(connection, tables, {job.owner for job in waiting}),
    )
    _apply(connection, {table.name: table for table in tables}, decision, now)
    if blocked := next((job for job in waiting if job.ref == decision.blocked), None):
        _interrupt(connection, tables, queue.victims(blocked, running, available))
    return [start.ref for start in decision.starts]


def admit_waiting(context: Context) -> list[Ref]:
    """Run `admit` in a separate transaction: when a server starts, and when only time has passed."""
    with context.database.transaction() as connection:
        admitted = admit(context, connection)
    if admitted:
        context.wake.notify()
    return admitted


def step(context: Context, _progress: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
    """Admit what may start; see PeriodicTask.step."""
    admit_waiting(context)
    with context.database.read() as connection:
        return {}, SWEEP_SECONDS if _anything_waits(connection, _tables(context)) else IDLE_SECONDS


SWEEP = PeriodicTask(TASK, step, starts_immediately=True)


def is_waiting(table: Table) -> ColumnElement[bool]:
    """Return the condition that a row waits to be admitted."""
    return and_(table.c.admitted_at.is_(None), table.c.ended_at.is_(None), table.c.stop_requested.is_(False))


def jobs_ahead(context: Context, connection: Connection, row: Row[Any]) -> int | None:
    """Return how many waiting jobs have a higher priority or came earlier; None for a job that does not wait."""
    if row.admitted_at is not None or row.ended_at is not None or row.stop_requested:
        return None
    return sum(_count_ahead(connection, table, row) for table in _tables(context))


def holdings(context: Context, connection: Connection) -> list[Holding]:
    """Return what running jobs use and warm pools retain."""
    tables, now = _tables(context), context.now()
    running = [holding for table in tables for holding in _running(connection, table)]
    return running + [pool for table in tables for pool in _pools(connection, table, now)]


def _tables(context: Context) -> Sequence[Table]:
    """Return the tables of the kinds of jobs that wait for this machine."""
    return [kind.table for kind in context.kinds.queued]


def _anything_waits(connection: Connection, tables: Sequence[Table]) -> bool:
    return any(connection.scalar(select(table.c.name).where(is_waiting(table)).limit(1)) for table in tables)


def _waiting(connection: Connection, table: Table) -> Iterator[Waiting]:
    column = table.c
    columns = (column.name, column.owner, column.priority, column.created_at, column.blocked_at, column.pool_key)
    requested = (column.replicas, column.cpus, column.memory_bytes, column.gpus)
    has_jobs = and_(column.admitted_at.is_(None), column.ended_at.is_(None))  # as the index has it
    for owner in connection.scalars(select(column.owner).where(has_jobs).distinct()).all():
        first = (
            select(*columns, *requested)
            .where(is_waiting(table), column.owner == owner)
            .order_by(column.priority.desc(), column.created_at, column.name)
            .limit(WINDOW)
        )
        for row in connection.execute(first):
            yield Waiting(
                ref=(table.name, row.name),
                created_at=row.created_at,
                each=Resources(row.cpus, row.memory_bytes, row.gpus),
                replicas=row.replicas,
                owner=row.owner,
                priority=row.priority,
                blocked_at=row.blocked_at,
                pool_key=row.pool_key or "",
            )


def _running(connection: Connection, table: Table) -> Iterator[Holding]:
    is_running = and_(table.c.due_at.is_not(None), table.c.admitted_at.is_not(None))
    return (_holding(table, row) for row in connection.execute(_held(table).where(is_running)))


def _pools(connection: Connection, table: Table, now: float) -> Iterator[Holding]:
    return (_holding(table, row) for row in connection.execute(_held(table).where(table.c.retained_until > now)))


def _held(table: Table) -> Any:
    column = table.c
    allocation = (column.replicas, column.cpus, column.memory_bytes, column.gpus)
    whose = (column.owner, column.priority, column.admitted_at, column.is_spot, column.interrupt_requested)
    return select(column.name, *allocation, *whose, column.pool_key, column.retained_until)


def _holding(table: Table, row: Row[Any]) -> Holding:
    return Holding(
        ref=(table.name, row.name),
        held=capacity.times(Resources(row.cpus, row.memory_bytes, row.gpus), row.replicas),
        owner=row.owner,
        priority=row.priority,
        admitted_at=row.admitted_at,
        is_spot=row.is_spot,
        is_interrupted=row.interrupt_requested,
        pool_key=row.pool_key or "",
        until=row.retained_until,
    )


def _served(connection: Connection, tables: Sequence[Table], owners: set[str]) -> dict[str, float]:
    if len(owners) < 2:  # fairness matters only between owners
        return {}
    return {
        owner: max(
            connection.scalar(select(func.max(table.c.admitted_at)).where(table.c.owner == owner)) or 0.0
            for table in tables
        )
        for owner in owners
    }


def _apply(connection: Connection, tables: Mapping[str, Table], decision: queue.Decision, now: float) -> None:
    for start in decision.starts:
        table = tables[start.ref[0]]
        allocation = {"cpus": start.each.cpus, "memory_bytes": start.each.memory_bytes, "gpus": start.each.gpus}
        connection.execute(
            update(table)
            .where(table.c.name == start.ref[1], is_waiting(table))
            .values(due_at=now, admitted_at=now, blocked_at=None, **allocation)
        )
        if start.pool:
            _end_pool(connection, tables, start.pool, now, reused_by=start.ref[1])
    for pool in decision.yielded:
        _end_pool(connection, tables, pool, now, reused_by=None)
    if decision.blocked:
        table = tables[decision.blocked[0]]
        is_new = and_(table.c.name == decision.blocked[1], table.c.blocked_at.is_(None))
        connection.execute(update(table).where(is_new).values(blocked_at=now))
        again_at = min(decision.again_at or math.inf, now + SWEEP_SECONDS)
        due_at = periodic_tasks.c.due_at
        is_late = and_(periodic_tasks.c.name == TASK, or_(due_at.is_(None), due_at > again_at))
        connection.execute(update(periodic_tasks).where(is_late).values(due_at=again_at))


def _interrupt(connection: Connection, tables: Sequence[Table], victims: Sequence[Ref]) -> None:
    for table in tables:
        names = [name for kind, name in victims if kind == table.name]
        if names:
            connection.execute(update(table).where(table.c.name.in_(names)).values(interrupt_requested=True))


def _end_pool(
    connection: Connection, tables: Mapping[str, Table], pool: Ref, now: float, reused_by: str | None
) -> None:
    table = tables[pool[0]]
    ended = update(table).where(table.c.name == pool[1]).values(retained_until=now, reused_by=reused_by)
    connection.execute(ended)


def _count_ahead(connection: Connection, table: Table, row: Row[Any]) -> int:
    came_earlier = and_(table.c.priority == row.priority, table.c.created_at < row.created_at)
    ahead = or_(table.c.priority > row.priority, came_earlier)
    return connection.scalar(select(func.count()).select_from(table).where(is_waiting(table), ahead)) or 0
