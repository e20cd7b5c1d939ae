"""Models: each an image, the artifact that it serves, and environment variables."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.tracking import provenance
from lowcloud.store.db.tables.serving import models

MODEL = ResourceKind("model", "model", models, lambda row: from_record(row.specification))


@dataclass(frozen=True)
class Model:
    """A model, which can be deployed. `artifact` is "s3://bucket/key" of a tar.gz, or None."""

    name: str
    created_at: float
    image: str
    role: str
    artifact: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)  # environment variables of its replicas
    is_network_isolated: bool = False  # replicas of built-in programs never have a network


def from_record(document: Mapping[str, Any]) -> Model:
    """Load a model from the document that `dataclasses.asdict` produced."""
    members = dict(document)
    if "environment" in members:  # the name of the variables in version 0.1.0
        members["variables"] = members.pop("environment")
    return Model(**members)


def create(context: Context, model: Model, resource_tags: Mapping[str, str] | None = None) -> None:
    """Create a model. Raises AlreadyExistsError."""
    row = {"name": model.name, "created_at": model.created_at, "specification": asdict(model)}

    def track(connection: Connection) -> None:
        provenance.record_model(connection, model.name, model.image, model.artifact, model.created_at)

    resources.create(context, MODEL, row, resource_tags, within_transaction=track)
