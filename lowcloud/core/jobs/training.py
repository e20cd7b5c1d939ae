"""Training jobs: what one has measured, and what it keeps of the machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Row, update

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError
from lowcloud.core.jobs import jobs
from lowcloud.core.jobs.jobs import TRAINING, Job
from lowcloud.core.resources import Page, Query
from lowcloud.core.scheduling import admission, warm_pools
from lowcloud.core.telemetry import metrics
from lowcloud.store.db.tables import training_jobs


@dataclass(frozen=True)
class TrainingJob:
    """A training job and its warm pool."""

    job: Job
    pool: warm_pools.Pool | None

    @property
    def name(self) -> str:
        return self.job.name


def list_page(context: Context, query: Query, pool: warm_pools.Status | None = None) -> Page[TrainingJob]:
    """Return a page of training jobs: those with a pool of this status if one is given.

    Raises InvalidPageTokenError.
    """
    now = context.now()
    where = [warm_pools.stands(training_jobs, pool, now)] if pool else []
    return resources.list_page(context, TRAINING, query, partial(from_row, now), where)


def from_row(now: float, row: Row[Any]) -> TrainingJob:
    """Return the training job in a row of the table, with its warm pool at this time."""
    return TrainingJob(jobs.from_row(TRAINING, row), warm_pools.of_row(row, now))


def final_metrics(context: Context, names: Sequence[str]) -> dict[str, dict[str, metrics.Point]]:
    """Return the last point of each metric of each of these jobs that has any, by the names of job and metric."""
    with context.database.read() as connection:
        return metrics.final_values_of(connection, names)


def pool(context: Context, name: str) -> warm_pools.Pool | None:
    """What the job keeps of the machine for the next of its kind; None where it asked for none. Raises NotFound."""
    return warm_pools.of_row(resources.find(context, TRAINING, name), context.now())


def keep_pool(context: Context, name: str, seconds: int) -> None:
    """Have the job keep its pool for so long after its end. Raises NotFound, and InvalidError where it has none."""
    row = resources.find(context, TRAINING, name)
    changed = warm_pools.changed(row, seconds, context.now())
    if changed is None:
        raise InvalidError(f"The training job {name!r} has no warm pool that could be changed.")
    with context.database.transaction() as connection:
        connection.execute(update(training_jobs).where(training_jobs.c.name == name).values(**changed))
        admission.admit(context, connection)
    context.bell.ring()
