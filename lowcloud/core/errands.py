"""Errands: what a server does by itself, again and again. The reconciler carries each as a record of its own."""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from lowcloud.core import admission, environments, lifecycle_sweep, scrubber
from lowcloud.core.cloud import Cloud
from lowcloud.core.reconciler import Claim
from lowcloud.store.tables import errands
from lowcloud.store.upsert import insert_missing

SHORT_SECONDS = 1.0  # for so long the claim is kept: it costs writes

# Takes an errand one step further: where it stands then, and in how many seconds to go on.
Errand = Callable[[Cloud, Mapping[str, Any]], tuple[dict[str, Any], float]]
ERRANDS: dict[str, Errand] = {
    "lifecycle": lifecycle_sweep.advance,
    "scrub": scrubber.advance,
    "environments": environments.sweep,
    admission.ERRAND: admission.sweep,
}


def ensure(cloud: Cloud) -> None:
    """Have a row of each errand. In a new store there is nothing to look for on its first day, but for jobs."""
    with cloud.database.read() as connection:
        missing = ERRANDS.keys() - set(connection.scalars(sa.select(errands.c.name)))
    if missing:
        with cloud.database.transaction() as connection:
            for name in missing:
                due_at = cloud.now() + (0.0 if name == admission.ERRAND else cloud.settings.day_seconds)
                row = {"name": name, "progress": {}, "due_at": due_at, "lease_until": 0}
                insert_missing(connection, errands, row)


def advance(claim: Claim) -> float | None:
    """One step of an errand; see reconciler.Advance."""
    cloud = claim.cloud
    with cloud.database.read() as connection:
        progress = connection.scalar(sa.select(errands.c.progress).where(errands.c.name == claim.name))
    progress, wait_seconds = ERRANDS[claim.name](cloud, progress or {})
    if wait_seconds <= SHORT_SECONDS:
        claim.save({"progress": progress})
        return wait_seconds
    due_at = cloud.now() + wait_seconds
    claim.save({"progress": progress, "lease_owner": None, "lease_until": 0, "due_at": due_at})
    return None


def progress_of(connection: sa.Connection, name: str) -> Mapping[str, Any]:
    """Where an errand stands, as it says itself; empty where it has not begun."""
    return connection.scalar(sa.select(errands.c.progress).where(errands.c.name == name)) or {}
