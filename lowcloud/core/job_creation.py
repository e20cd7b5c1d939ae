"""How a job begins: what can be seen to be wrong with it before it runs, its row, and its place in the queue."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from lowcloud import catalog, instances
from lowcloud.core import admission, buckets, channels, events, images, job_tracking, pools, records, shares
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import Invalid, NotFound
from lowcloud.core.jobs import TRAINING, Kind, Output, Progress, Specification, State, subject, waits_until
from lowcloud.schemas import InvalidHyperparameters


def create(
    cloud: Cloud, kind: Kind, name: str, specification: Specification, labels: Mapping[str, str] | None = None
) -> None:
    """Ask for a job, which waits for its turn among the roles.

    Raises AlreadyExists, Invalid for what can be seen to fail before it runs, and NotFound.
    """
    _check(cloud, kind, specification)
    now = cloud.now()
    fitted = shares.fit(specification.instance_type, specification.instance_count, shares.of_machine(cloud))
    row = {
        "name": name,
        "state": State.PENDING,
        "created_at": now,
        "modified_at": now,
        "specification": asdict(specification),
        "progress": asdict(Progress()),
        "due_at": waits_until(specification, now),
        **_demand(specification, labels or {}),
    }
    begun = events.Event(now, State.PENDING, f"Starting the {kind.noun}. {fitted.sentence}".strip())

    def also(connection: Connection) -> None:
        job_tracking.begin(connection, kind, name, specification, now)
        admission.admit(cloud, connection)

    records.add(cloud, kind.table, kind.noun, subject(kind, name), row, labels, begun, also)


def _check(cloud: Cloud, kind: Kind, asked: Specification) -> None:
    program = images.program_of(cloud, kind, asked)
    if kind is TRAINING and program.is_built_in:
        _check_hyperparameters(asked)
    channels.check(asked.channels)
    for output in asked.outputs:
        _check_bucket(cloud, output)


def _check_hyperparameters(asked: Specification) -> None:
    try:
        catalog.validate(catalog.find(asked.image), asked.hyperparameters)
    except InvalidHyperparameters as error:
        raise Invalid(str(error)) from error


def _check_bucket(cloud: Cloud, output: Output) -> None:
    try:
        buckets.find(cloud, output.bucket)
    except NotFound as error:
        raise Invalid(
            f"The bucket {output.bucket!r} of the output does not exist. Create it, or name another."
        ) from error


def _demand(asked: Specification, labels: Mapping[str, str]) -> dict[str, Any]:
    """What the queue has to know, as columns."""
    each = shares.of_instance(instances.find(asked.instance_type))
    priority = admission.priority_of(labels)
    demand = admission.Demand(asked.role, each, asked.instance_count, priority, asked.is_interruptible)
    alike = (asked.instance_type, asked.instance_count, asked.volume_gigabytes, asked.is_network_isolated)
    return {
        **demand.columns(),
        "pool_key": pools.key(asked.role, *alike),
        "keep_alive_seconds": asked.keep_alive_seconds or None,
    }
