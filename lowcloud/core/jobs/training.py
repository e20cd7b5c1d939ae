"""Training jobs: what one has measured, and what it keeps of the machine."""

from sqlalchemy import update

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError
from lowcloud.core.jobs.jobs import TRAINING
from lowcloud.core.scheduling import admission, warm_pools
from lowcloud.core.telemetry import metrics
from lowcloud.store.db.tables import training_jobs


def final_metrics(context: Context, name: str) -> dict[str, metrics.Point]:
    """The last point of each of the job's metrics."""
    with context.database.read() as connection:
        return metrics.final_values(connection, name)


def pool(context: Context, name: str) -> warm_pools.Pool | None:
    """What the job keeps of the machine for the next of its kind; None where it asked for none. Raises NotFound."""
    return warm_pools.of_row(resources.find(context, training_jobs, TRAINING.noun, name), context.now())


def keep_pool(context: Context, name: str, seconds: int) -> None:
    """Have the job keep its pool for so long after its end. Raises NotFound, and InvalidError where it has none."""
    row = resources.find(context, training_jobs, TRAINING.noun, name)
    changed = warm_pools.changed(row, seconds, context.now())
    if changed is None:
        raise InvalidError(f"The training job {name!r} has no warm pool that could be changed.")
    with context.database.transaction() as connection:
        connection.execute(update(training_jobs).where(training_jobs.c.name == name).values(**changed))
        admission.admit(context, connection)
    context.bell.ring()
