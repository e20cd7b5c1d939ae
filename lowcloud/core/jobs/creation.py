"""The creation of a job: checks, its row, and its place in the queue."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from lowcloud.catalog.instances import Instance
from lowcloud.core import events, resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.jobs import programs, tracking
from lowcloud.core.jobs.job_kind import JobKind
from lowcloud.core.jobs.jobs import Output, Progress, Specification, State, waits_until
from lowcloud.core.programs import resolver
from lowcloud.core.programs.resolver import Program
from lowcloud.core.scheduling import admission, capacity, warm_pools
from lowcloud.core.staging import channels
from lowcloud.core.storage.buckets import buckets


def create(
    context: Context,
    kind: JobKind,
    name: str,
    specification: Specification,
    resource_tags: Mapping[str, str] | None = None,
) -> None:
    """Create a job, which then waits in the queue.

    Raises AlreadyExistsError, InvalidError for a request that cannot succeed, and NotFoundError.
    """
    instance = capacity.find_instance(specification.instance_type)
    program = _check(context, kind, specification)
    now = context.now()
    fitted = capacity.fit(instance, specification.instance_count, capacity.of_machine(context))
    row = {
        "name": name,
        "state": State.PENDING,
        "created_at": now,
        "modified_at": now,
        "specification": asdict(specification),
        "progress": asdict(Progress(program=program)),
        "due_at": waits_until(specification, now),
        **_demand(specification, instance, resource_tags or {}),
    }
    sentences = (f"Starting the {kind.noun}.", fitted.message, programs.isolation_of(context, program))
    created = events.Event(now, State.PENDING, " ".join(filter(None, sentences)))

    def track_and_admit(connection: Connection) -> None:
        tracking.begin(connection, kind, name, specification, now)
        admission.admit(context, connection)

    resources.create(context, kind, row, resource_tags, created, track_and_admit)


def _check(context: Context, kind: JobKind, requested: Specification) -> Program:
    program = resolver.resolve(context, requested.image, kind.rules(requested))
    kind.check(requested, program)
    channels.check(requested.channels)
    for output in requested.outputs:
        _check_bucket(context, output)
    return program


def _check_bucket(context: Context, output: Output) -> None:
    try:
        buckets.find(context, output.bucket)
    except NotFoundError as error:
        raise InvalidError(
            f"The bucket {output.bucket!r} of the output does not exist. Create it, or name another."
        ) from error


def _demand(requested: Specification, instance: Instance, resource_tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the columns that the queue uses."""
    each = capacity.of_instance(instance)
    priority = admission.priority_of(resource_tags)
    demand = admission.Demand(requested.role, each, requested.instance_count, priority, requested.is_interruptible)
    shape = (
        requested.instance_type,
        requested.instance_count,
        requested.volume_gigabytes,
        requested.is_network_isolated,
    )
    return {
        **demand.columns(),
        "pool_key": warm_pools.key(requested.role, *shape),
        "keep_alive_seconds": requested.keep_alive_seconds or None,
    }
