"""Endpoints and their configurations: which models are served, by how many replicas, with which weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row

from lowcloud.core import events, resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.resources import Page, Query
from lowcloud.core.serving import models
from lowcloud.core.serving.models import Model
from lowcloud.core.tracking import provenance
from lowcloud.store.db.tables import endpoint_configurations, endpoints

ENDPOINT = ResourceKind("endpoint", "endpoint", endpoints)
CONFIGURATION = ResourceKind("endpoint configuration", "endpoint-config", endpoint_configurations)


class EndpointState(StrEnum):
    """The states of an endpoint."""

    CREATING = "creating"
    IN_SERVICE = "in service"
    DELETING = "deleting"
    FAILED = "failed"


@dataclass(frozen=True)
class Variant:
    """One model behind an endpoint, its replicas, and its weight among the variants."""

    name: str
    model: str
    instance_type: str
    instance_count: int = 1
    weight: float = 1.0


@dataclass(frozen=True)
class Configuration:
    """What an endpoint is created from."""

    name: str
    created_at: float
    variants: tuple[Variant, ...]
    encryption_key: str | None = None


@dataclass(frozen=True)
class Endpoint:
    """The current state of an endpoint, and its models as they were when it was created."""

    name: str
    state: EndpointState
    created_at: float
    modified_at: float
    configuration: str
    delete_requested: bool
    variants: tuple[Variant, ...]
    models: Mapping[str, Model]
    failure: str | None = None
    short_lives: Mapping[str, int] = field(default_factory=dict)  # how many in a row the replica of a work has had
    environments: Mapping[str, str] = field(default_factory=dict)  # of each model, as Work names it
    prepared_at: float | None = None  # since when all of these are there

    @property
    def subject(self) -> str:
        return ENDPOINT.subject(self.name)

    def work_ids(self) -> dict[str, list[str]]:
        """Return the id of each replica's work, by variant."""
        created_ms = int(self.created_at * 1000)  # a name may be used again, for other work
        return {
            variant.name: [
                f"{self.subject}/{created_ms}/{variant.name}/{replica}" for replica in range(variant.instance_count)
            ]
            for variant in self.variants
        }


def create_configuration(
    context: Context, configuration: Configuration, labels: Mapping[str, str] | None = None
) -> None:
    """Create a configuration. Raises AlreadyExistsError, and NotFoundError for a model that it names."""
    for variant in configuration.variants:
        models.find(context, variant.model)
    specification = asdict(configuration)
    row = {"name": configuration.name, "created_at": configuration.created_at, "specification": specification}
    resources.create(context, CONFIGURATION, row, labels)


def find_configuration(context: Context, name: str) -> Configuration:
    """Return the configuration of this name. Raises NotFoundError."""
    return configuration_from_row(resources.find(context, CONFIGURATION, name))


def list_configurations(context: Context, query: Query) -> Page[Configuration]:
    """Return a page of configurations. Raises InvalidPageTokenError."""
    return resources.list_page(context, CONFIGURATION, query, configuration_from_row)


def remove_configuration(context: Context, name: str) -> None:
    """Delete a configuration; endpoints created from it remain. Raises NotFoundError."""
    resources.remove(context, CONFIGURATION, name)


def create(context: Context, name: str, configuration_name: str, labels: Mapping[str, str] | None = None) -> None:
    """Request an endpoint. Raises AlreadyExistsError, and NotFoundError for the configuration or a model of it."""
    configuration = find_configuration(context, configuration_name)
    served = {variant.model: asdict(models.find(context, variant.model)) for variant in configuration.variants}
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

    resources.create(context, ENDPOINT, row, labels, event, track)


def find(context: Context, name: str) -> Endpoint:
    """Return the endpoint of this name. Raises NotFoundError."""
    return from_row(resources.find(context, ENDPOINT, name))


def list_page(context: Context, query: Query) -> Page[Endpoint]:
    """Return a page of endpoints. Raises InvalidPageTokenError."""
    return resources.list_page(context, ENDPOINT, query, from_row)


def request_removal(context: Context, name: str) -> None:
    """Request that the endpoint be deleted; from now on it answers no request.

    Raises NotFoundError, and InvalidError if it is being deleted already.
    """
    with context.database.transaction() as connection:
        if resources.require(connection, ENDPOINT, name).delete_requested:
            raise InvalidError(f"The endpoint {name!r} is being deleted.")
        now = context.now()
        values = {"delete_requested": True, "state": EndpointState.DELETING, "modified_at": now, "due_at": now}
        resources.save(connection, ENDPOINT, name, values)
    context.bell.ring()


def from_row(row: Row[Any]) -> Endpoint:
    """Return the endpoint in a row of the table."""
    return Endpoint(
        name=row.name,
        state=EndpointState(row.state),
        created_at=row.created_at,
        modified_at=row.modified_at,
        configuration=row.configuration,
        delete_requested=row.delete_requested,
        variants=tuple(Variant(**variant) for variant in row.progress["variants"]),
        models={name: Model(**model) for name, model in row.progress["models"].items()},
        failure=row.progress["failure"],
        short_lives=row.progress.get("short_lives", {}),
        environments=row.progress.get("environments", {}),
        prepared_at=row.progress.get("prepared_at"),
    )


def configuration_from_row(row: Row[Any]) -> Configuration:
    """Return the configuration in a row of the table."""
    variants = tuple(Variant(**variant) for variant in row.specification["variants"])
    return Configuration(**{**row.specification, "variants": variants})
