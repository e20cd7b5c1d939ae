"""Training jobs: what one has measured, and what it keeps of the machine."""

from sqlalchemy import update

from lowcloud.core import admission, metrics, pools, records
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import Invalid
from lowcloud.core.jobs import TRAINING
from lowcloud.store.tables import training_jobs


def final_metrics(cloud: Cloud, name: str) -> dict[str, metrics.Point]:
    """The last point of each of the job's metrics."""
    with cloud.database.read() as connection:
        return metrics.final_values(connection, name)


def pool(cloud: Cloud, name: str) -> pools.Pool | None:
    """What the job keeps of the machine for the next of its kind; None where it asked for none. Raises NotFound."""
    return pools.of_row(records.find(cloud, training_jobs, TRAINING.noun, name), cloud.now())


def keep_pool(cloud: Cloud, name: str, seconds: int) -> None:
    """Have the job keep its pool for so long after its end. Raises NotFound, and Invalid where it has none."""
    row = records.find(cloud, training_jobs, TRAINING.noun, name)
    changed = pools.changed(row, seconds, cloud.now())
    if changed is None:
        raise Invalid(f"The training job {name!r} has no warm pool that could be changed.")
    with cloud.database.transaction() as connection:
        connection.execute(update(training_jobs).where(training_jobs.c.name == name).values(**changed))
        admission.admit(cloud, connection)
    cloud.bell.ring()
