"""Models: an image, the artifact it serves, and its environment."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, Row

from lowcloud.core import records, tracking
from lowcloud.core.cloud import Cloud
from lowcloud.store.tables import models

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


def create(cloud: Cloud, model: Model, labels: Mapping[str, str] | None = None) -> None:
    """Keep a model. Raises AlreadyExists."""
    row = {"name": model.name, "created_at": model.created_at, "specification": asdict(model)}

    def track(connection: Connection) -> None:
        tracking.model(connection, model.name, model.image, model.artifact, model.created_at)

    records.add(cloud, models, KIND, subject(model.name), row, labels, also=track)


def find(cloud: Cloud, name: str) -> Model:
    """The model of this name. Raises NotFound."""
    return from_row(records.find(cloud, models, KIND, name))


def remove(cloud: Cloud, name: str) -> None:
    """Forget a model; endpoints that serve it keep their copy. Raises NotFound."""
    records.remove(cloud, models, KIND, subject(name), name)


def from_row(row: Row[Any]) -> Model:
    """The model that a row of the table holds."""
    return Model(**row.specification)
