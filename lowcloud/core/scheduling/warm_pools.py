"""Warm pools: capacity that a completed job retains for the next job like it.

Starting takes milliseconds here, so nothing is kept running: a pool is the job's allocation, reserved for
`keep_alive_seconds` after the job's end. A job of the same role, instances, volume and network starts in it
immediately, whatever else waits. How a pool yields to others is in queue.py. The status of a pool follows from columns
that are written when it is created, reused or ended, and from the time.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Table, and_, case, or_

COMPLETED = "completed"  # of jobs.State: the pool of such a job is created a moment later, when it is cleaned up


class Status(StrEnum):
    """The status of a pool."""

    IN_USE = "in use"  # its job runs, or is being cleaned up
    AVAILABLE = "available"
    REUSED = "reused"
    TERMINATED = "terminated"


@dataclass(frozen=True)
class Pool:
    """The pool of a job: how long it was idle (whole seconds, of each instance), and which job took it over."""

    status: Status
    idle_seconds: int
    reused_by: str | None = None


class Retaining(Protocol):
    """A job, as far as its pool follows from it."""

    @property
    def state(self) -> str: ...
    @property
    def ended_at(self) -> float | None: ...
    @property
    def keep_alive_seconds(self) -> int | None: ...
    @property
    def retained_until(self) -> float | None: ...
    @property
    def reused_by(self) -> str | None: ...


def key(role: str, instance_type: str, count: int, volume_gigabytes: int, is_isolated: bool) -> str:
    """Return what two jobs must have in common for one to take over the pool of the other."""
    return json.dumps([role, instance_type, count, volume_gigabytes, is_isolated], separators=(",", ":"))


def of_job(job: Retaining, now: float) -> Pool | None:
    """Return the pool of a job; None if it requested none."""
    if not job.keep_alive_seconds and job.retained_until is None:
        return None
    if job.ended_at is None:
        return Pool(Status.IN_USE, 0)
    if job.retained_until is None:
        return Pool(Status.IN_USE if job.state == COMPLETED else Status.TERMINATED, 0)
    idle_seconds = int(max(0.0, min(now, job.retained_until) - job.ended_at))
    if job.reused_by:
        return Pool(Status.REUSED, idle_seconds, job.reused_by)
    return Pool(Status.AVAILABLE if now < job.retained_until else Status.TERMINATED, idle_seconds)


def has_status(table: Table, status: Status, now: float) -> ColumnElement[bool]:
    """Return the condition that a row's pool has a status; the same as `of_job`, for listings."""
    column = table.c
    has_ended, is_kept = column.ended_at.is_not(None), column.retained_until.is_not(None)
    is_left_soon = and_(column.state == COMPLETED, ~is_kept)
    has_pool = or_(column.keep_alive_seconds > 0, is_kept)
    match status:
        case Status.IN_USE:
            return and_(has_pool, or_(column.ended_at.is_(None), is_left_soon))
        case Status.REUSED:
            return and_(is_kept, column.reused_by.is_not(None))
        case Status.AVAILABLE:
            return and_(column.retained_until > now, column.reused_by.is_(None))
        case Status.TERMINATED:
            is_over = or_(column.retained_until.is_(None), column.retained_until <= now)
            return and_(has_pool, has_ended, is_over, ~is_left_soon, column.reused_by.is_(None))


def retained_in(table: Table) -> dict[str, ColumnElement[float]]:
    """Return the columns of a completed job of this table: its pool, if it requested one."""
    column = table.c
    return {"retained_until": case((column.keep_alive_seconds > 0, column.ended_at + column.keep_alive_seconds))}


def changed(job: Retaining, keep_alive_seconds: int, now: float) -> dict[str, Any] | None:
    """Return the columns of a job that retains its pool for this long; None if it has none to change.

    The period begins at the job's end. If it is over already, the pool ends now.
    """
    pool = of_job(job, now)
    if pool is None or pool.status not in (Status.IN_USE, Status.AVAILABLE):
        return None
    columns: dict[str, Any] = {"keep_alive_seconds": keep_alive_seconds}
    if pool.status == Status.AVAILABLE:
        assert job.ended_at is not None
        columns["retained_until"] = max(now, job.ended_at + keep_alive_seconds)
    return columns
