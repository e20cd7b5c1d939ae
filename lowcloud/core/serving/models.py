"""Models: an image, the artifact it serves, and its environment."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, Row

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.tracking import provenance
from lowcloud.store.db.tables import models

KIND = "model"


@dataclass(frozen=True)
class Model:
    """What can be deployed. `artifact` is "s3://bucket/key" of a tar.gz, or None."""

    name: str
    created_at: float
    image: str
    role: str
    artifact: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    is_network_isolated: bool = False  # replicas of built-in programs never have a network, whatever is asked here


def subject(name: str) -> str:
    """What tags of a model are filed under."""
    return f"model/{name}"


def create(context: Context, model: Model, labels: Mapping[str, str] | None = None) -> None:
    """Keep a model. Raises AlreadyExists."""
    row = {"name": model.name, "created_at": model.created_at, "specification": asdict(model)}

    def track(connection: Connection) -> None:
        provenance.model(connection, model.name, model.image, model.artifact, model.created_at)

    resources.add(context, models, KIND, subject(model.name), row, labels, also=track)


def find(context: Context, name: str) -> Model:
    """The model of this name. Raises NotFound."""
    return from_row(resources.find(context, models, KIND, name))


def remove(context: Context, name: str) -> None:
    """Forget a model; endpoints that serve it keep their copy. Raises NotFound."""
    resources.remove(context, models, KIND, subject(name), name)


def from_row(row: Row[Any]) -> Model:
    """The model that a row of the table holds."""
    return Model(**row.specification)
