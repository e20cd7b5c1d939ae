"""Endpoint configurations: which models an endpoint serves, by how many replicas, with which weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.scheduling import capacity
from lowcloud.core.serving.endpoint_records import Variant
from lowcloud.core.serving.models import MODEL
from lowcloud.store.db.tables.serving import endpoint_configurations


@dataclass(frozen=True)
class Configuration:
    """The configuration from which an endpoint is created."""

    name: str
    created_at: float
    variants: tuple[Variant, ...]
    encryption_key: str | None = None


def _load(row: Row[Any]) -> Configuration:
    variants = tuple(Variant(**variant) for variant in row.specification["variants"])
    return Configuration(**{**row.specification, "variants": variants})


CONFIGURATION = ResourceKind("endpoint configuration", "endpoint-config", endpoint_configurations, _load)


def create(context: Context, configuration: Configuration, resource_tags: Mapping[str, str] | None = None) -> None:
    """Create a configuration.

    Raises AlreadyExistsError, NotFoundError for a model that it names, and InvalidError for an instance type.
    """
    for variant in configuration.variants:
        resources.find(context, MODEL, variant.model)
        capacity.find_instance(variant.instance_type)
    specification = asdict(configuration)
    row = {"name": configuration.name, "created_at": configuration.created_at, "specification": specification}
    resources.create(context, CONFIGURATION, row, resource_tags)
