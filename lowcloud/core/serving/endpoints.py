"""Endpoints: created from a configuration, listed, and deleted. Their life is in endpoint_lifecycle.py."""

from collections.abc import Mapping
from dataclasses import asdict

from sqlalchemy import Connection

from lowcloud.core import events, resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.serving import endpoint_lifecycle
from lowcloud.core.serving.endpoint_configurations import CONFIGURATION
from lowcloud.core.serving.endpoint_records import PREFIX, EndpointState, from_row
from lowcloud.core.serving.models import MODEL
from lowcloud.core.tracking import provenance
from lowcloud.store.db.tables.serving import endpoints

ENDPOINT = ResourceKind(
    "endpoint",
    PREFIX,
    endpoints,
    from_row,
    advance=endpoint_lifecycle.advance,
    environments_in_use=endpoint_lifecycle.environments_in_use,
    reserved_memory=endpoint_lifecycle.reserved_memory,
    suspend=endpoint_lifecycle.suspend,
)


def create(
    context: Context, name: str, configuration_name: str, resource_tags: Mapping[str, str] | None = None
) -> None:
    """Request an endpoint. Raises AlreadyExistsError, and NotFoundError for the configuration or a model of it."""
    configuration = resources.find(context, CONFIGURATION, configuration_name)
    served = {
        variant.model: asdict(resources.find(context, MODEL, variant.model)) for variant in configuration.variants
    }
    now = context.now()
    row = {
        "name": name,
        "state": EndpointState.CREATING,
        "created_at": now,
        "modified_at": now,
        "configuration": configuration_name,
        "progress": {
            "variants": [asdict(variant) for variant in configuration.variants],
            "models": served,
            "failure": None,
        },
        "due_at": now,
    }
    event = events.Event(now, EndpointState.CREATING, "Creating the endpoint")

    def track(connection: Connection) -> None:
        provenance.record_endpoint(connection, name, served, now)

    resources.create(context, ENDPOINT, row, resource_tags, event, track)


def delete(context: Context, name: str) -> None:
    """Request that the endpoint be deleted; from now on it answers no request.

    Raises NotFoundError, and InvalidError if it is being deleted already.
    """
    with context.database.transaction() as connection:
        if resources.require(connection, ENDPOINT, name).delete_requested:
            raise InvalidError(f"The endpoint {name!r} is being deleted.")
        now = context.now()
        values = {"delete_requested": True, "state": EndpointState.DELETING, "modified_at": now, "due_at": now}
        resources.save(connection, ENDPOINT, name, values)
    context.wake.notify()
