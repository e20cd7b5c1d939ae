"""Periodic tasks: background work of the server, each a record that the reconciler advances."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.control.reconciler import LeasedRecord
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.store.db.tables.control import periodic_tasks
from lowcloud.store.db.upsert import insert_missing

SHORT_WAIT_SECONDS = 1.0  # a task that continues this soon keeps its lease, which saves two writes


def ensure(context: Context) -> None:
    """Create the row of each registered task that has none."""
    tasks = {task.name: task for task in context.kinds.tasks}
    with context.database.read() as connection:
        missing = tasks.keys() - set(connection.scalars(sa.select(periodic_tasks.c.name)))
    if missing:
        with context.database.transaction() as connection:
            for name in missing:
                delay_seconds = 0.0 if tasks[name].starts_immediately else context.settings.day_seconds
                row = {"name": name, "progress": {}, "due_at": context.now() + delay_seconds, "lease_until": 0}
                insert_missing(connection, periodic_tasks, row)


def advance(record: LeasedRecord) -> float | None:
    """Run one step of a task; see ResourceKind.advance."""
    context = record.context
    progress = resources.find(context, record.kind, record.name)
    task = next((task for task in context.kinds.tasks if task.name == record.name), None)
    if task is None:  # of another version of Lowcloud
        record.release(None)
        return None
    progress, wait_seconds = task.step(context, progress)
    if wait_seconds <= SHORT_WAIT_SECONDS:
        record.save({"progress": progress})
        return wait_seconds
    due_at = context.now() + wait_seconds
    record.save({"progress": progress, "lease_owner": None, "lease_until": 0, "due_at": due_at})
    return None


def progress_of(connection: sa.Connection, name: str) -> Mapping[str, Any]:
    """Return what a task has saved of its progress; empty if it has not begun."""
    return connection.scalar(sa.select(periodic_tasks.c.progress).where(periodic_tasks.c.name == name)) or {}


PERIODIC_TASK = ResourceKind(
    "periodic task", "periodic-task", periodic_tasks, lambda row: row.progress, has_tags=False, advance=advance
)
