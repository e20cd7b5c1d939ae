"""Models: each an image, the artifact that it serves, and its environment."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from sqlalchemy import Connection

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.tracking import provenance
from lowcloud.store.db.tables.serving import models

MODEL = ResourceKind("model", "model", models, lambda row: Model(**row.specification))


@dataclass(frozen=True)
class Model:
    """A model, which can be deployed. `artifact` is "s3://bucket/key" of a tar.gz, or None."""

    name: str
    created_at: float
    image: str
    role: str
    artifact: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    is_network_isolated: bool = False  # replicas of built-in programs never have a network


def create(context: Context, model: Model, labels: Mapping[str, str] | None = None) -> None:
    """Create a model. Raises AlreadyExistsError."""
    row = {"name": model.name, "created_at": model.created_at, "specification": asdict(model)}

    def track(connection: Connection) -> None:
        provenance.record_model(connection, model.name, model.image, model.artifact, model.created_at)

    resources.create(context, MODEL, row, labels, within_transaction=track)
