"""Endpoints and their configurations: which models are served, by how many replicas, with which weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, select, update

from lowcloud.core import events, resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.programs.resolver import Program
from lowcloud.core.serving import models
from lowcloud.core.serving.models import Model
from lowcloud.core.tracking import provenance
from lowcloud.store.db.tables import endpoint_configurations, endpoints

KIND = "endpoint"
CONFIGURATION_KIND = "endpoint configuration"


class EndpointState(StrEnum):
    """Where an endpoint stands."""

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
    """What an endpoint is made from."""

    name: str
    created_at: float
    variants: tuple[Variant, ...]
    encryption_key: str | None = None


@dataclass(frozen=True)
class Endpoint:
    """An endpoint as it stands. It holds its models as they were when it was made."""

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
    programs: Mapping[str, Program] = field(default_factory=dict)  # that serves each model, once chosen
    environments: Mapping[str, str] = field(default_factory=dict)  # of each model, as Work names it
    prepared_at: float | None = None  # since when all of these are ready

    @property
    def subject(self) -> str:
        return subject(self.name)

    def work_ids(self) -> dict[str, list[str]]:
        """The work of each replica, by variant."""
        born = int(self.created_at * 1000)  # a name may be used again; its work is then another
        return {
            variant.name: [
                f"{self.subject}/{born}/{variant.name}/{replica}" for replica in range(variant.instance_count)
            ]
            for variant in self.variants
        }


def subject(name: str) -> str:
    """What events and tags of an endpoint are filed under."""
    return f"endpoint/{name}"


def configuration_subject(name: str) -> str:
    """What tags of an endpoint configuration are filed under."""
    return f"endpoint-config/{name}"


def configure(context: Context, configuration: Configuration, labels: Mapping[str, str] | None = None) -> None:
    """Keep a configuration. Raises AlreadyExists, and NotFoundError for a model it names."""
    for variant in configuration.variants:
        models.find(context, variant.model)
    name = configuration.name
    row = {"name": name, "created_at": configuration.created_at, "specification": asdict(configuration)}
    resources.add(context, endpoint_configurations, CONFIGURATION_KIND, configuration_subject(name), row, labels)


def find_configuration(context: Context, name: str) -> Configuration:
    """The configuration of this name. Raises NotFoundError."""
    return configuration_from_row(resources.find(context, endpoint_configurations, CONFIGURATION_KIND, name))


def remove_configuration(context: Context, name: str) -> None:
    """Forget a configuration; endpoints made from it stay. Raises NotFoundError."""
    resources.remove(context, endpoint_configurations, CONFIGURATION_KIND, configuration_subject(name), name)


def create(context: Context, name: str, configuration_name: str, labels: Mapping[str, str] | None = None) -> None:
    """Ask for an endpoint. Raises AlreadyExists, and NotFoundError for the configuration or a model of it."""
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
    begun = events.Event(now, EndpointState.CREATING, "Creating the endpoint")

    def track(connection: Connection) -> None:
        provenance.endpoint(connection, name, served, now)

    resources.add(context, endpoints, KIND, subject(name), row, labels, begun, track)


def find(context: Context, name: str) -> Endpoint:
    """The endpoint of this name. Raises NotFoundError."""
    return from_row(resources.find(context, endpoints, KIND, name))


def request_removal(context: Context, name: str) -> None:
    """Request that the endpoint be deleted; from now on it answers no request.

    Raises NotFoundError, and InvalidError if it is being deleted already.
    """
    with context.database.transaction() as connection:
        row = connection.execute(select(endpoints).where(endpoints.c.name == name)).one_or_none()
        if row is None:
            raise NotFoundError(KIND, name)
        if row.delete_requested:
            raise InvalidError(f"The endpoint {name!r} is being deleted.")
        now = context.now()
        values = {"delete_requested": True, "state": EndpointState.DELETING, "modified_at": now, "due_at": now}
        connection.execute(update(endpoints).where(endpoints.c.name == name).values(**values))
    context.wake.notify()


def from_row(row: Row[Any]) -> Endpoint:
    """The endpoint that a row of the table holds."""
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
        programs={name: Program.from_record(each) for name, each in row.progress.get("programs", {}).items()},
        environments=row.progress.get("environments", {}),
        prepared_at=row.progress.get("prepared_at"),
    )


def configuration_from_row(row: Row[Any]) -> Configuration:
    """The configuration that a row of the table holds."""
    kept = dict(row.specification)
    return Configuration(**{**kept, "variants": tuple(Variant(**variant) for variant in kept["variants"])})
