"""How a job begins: what can be seen to be wrong with it before it runs, its row, and its place in the queue."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from lowcloud.catalog import algorithms, instances
from lowcloud.core import events, resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.jobs import tracking
from lowcloud.core.jobs.jobs import TRAINING, JobKind, Output, Progress, Specification, State, waits_until
from lowcloud.core.programs import images
from lowcloud.core.scheduling import admission, capacity, warm_pools
from lowcloud.core.staging import channels
from lowcloud.core.storage.buckets import buckets
from lowcloud.schemas import InvalidHyperparametersError


def create(
    context: Context, kind: JobKind, name: str, specification: Specification, labels: Mapping[str, str] | None = None
) -> None:
    """Ask for a job, which waits for its turn among the roles.

    Raises AlreadyExists, InvalidError for what can be seen to fail before it runs, and NotFoundError.
    """
    _check(context, kind, specification)
    now = context.now()
    fitted = capacity.fit(specification.instance_type, specification.instance_count, capacity.of_machine(context))
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
        tracking.begin(connection, kind, name, specification, now)
        admission.admit(context, connection)

    resources.create(context, kind, row, labels, begun, also)


def _check(context: Context, kind: JobKind, asked: Specification) -> None:
    program = images.program_of(context, kind, asked)
    if kind is TRAINING and program.is_built_in:
        _check_hyperparameters(asked)
    channels.check(asked.channels)
    for output in asked.outputs:
        _check_bucket(context, output)


def _check_hyperparameters(asked: Specification) -> None:
    try:
        algorithms.validate(algorithms.find(asked.image), asked.hyperparameters)
    except InvalidHyperparametersError as error:
        raise InvalidError(str(error)) from error


def _check_bucket(context: Context, output: Output) -> None:
    try:
        buckets.find(context, output.bucket)
    except NotFoundError as error:
        raise InvalidError(
            f"The bucket {output.bucket!r} of the output does not exist. Create it, or name another."
        ) from error


def _demand(asked: Specification, labels: Mapping[str, str]) -> dict[str, Any]:
    """What the queue has to know, as columns."""
    each = capacity.of_instance(instances.find(asked.instance_type))
    priority = admission.priority_of(labels)
    demand = admission.Demand(asked.role, each, asked.instance_count, priority, asked.is_interruptible)
    alike = (asked.instance_type, asked.instance_count, asked.volume_gigabytes, asked.is_network_isolated)
    return {
        **demand.columns(),
        "pool_key": warm_pools.key(asked.role, *alike),
        "keep_alive_seconds": asked.keep_alive_seconds or None,
    }
