"""Errands: what a server does by itself, again and again. The reconciler carries each as a record of its own."""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.control.reconciler import LeasedRecord
from lowcloud.core.environments import environments
from lowcloud.core.scheduling import admission
from lowcloud.core.storage.integrity import scrub_task
from lowcloud.core.storage.lifecycle import sweep
from lowcloud.store.db.tables import periodic_tasks
from lowcloud.store.db.upsert import insert_missing

SHORT_SECONDS = 1.0  # for so long the claim is kept: it costs writes

# Takes an errand one step further: where it stands then, and in how many seconds to go on.
Errand = Callable[[Context, Mapping[str, Any]], tuple[dict[str, Any], float]]
ERRANDS: dict[str, Errand] = {
    "lifecycle": sweep.advance,
    "scrub": scrub_task.advance,
    "environments": environments.sweep,
    admission.ERRAND: admission.sweep,
}


def ensure(context: Context) -> None:
    """Have a row of each errand. In a new store there is nothing to look for on its first day, but for jobs."""
    with context.database.read() as connection:
        missing = ERRANDS.keys() - set(connection.scalars(sa.select(periodic_tasks.c.name)))
    if missing:
        with context.database.transaction() as connection:
            for name in missing:
                due_at = context.now() + (0.0 if name == admission.ERRAND else context.settings.day_seconds)
                row = {"name": name, "progress": {}, "due_at": due_at, "lease_until": 0}
                insert_missing(connection, periodic_tasks, row)


def advance(claim: LeasedRecord) -> float | None:
    """One step of an errand; see reconciler.Advance."""
    context = claim.context
    with context.database.read() as connection:
        progress = connection.scalar(sa.select(periodic_tasks.c.progress).where(periodic_tasks.c.name == claim.name))
    progress, wait_seconds = ERRANDS[claim.name](context, progress or {})
    if wait_seconds <= SHORT_SECONDS:
        claim.save({"progress": progress})
        return wait_seconds
    due_at = context.now() + wait_seconds
    claim.save({"progress": progress, "lease_owner": None, "lease_until": 0, "due_at": due_at})
    return None


def progress_of(connection: sa.Connection, name: str) -> Mapping[str, Any]:
    """Where an errand stands, as it says itself; empty where it has not begun."""
    return connection.scalar(sa.select(periodic_tasks.c.progress).where(periodic_tasks.c.name == name)) or {}
