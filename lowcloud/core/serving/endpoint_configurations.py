"""Endpoint configurations: which models an endpoint serves, by how many replicas, with which weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.resources import Page, Query
from lowcloud.core.serving import models
from lowcloud.core.serving.endpoint_records import Variant
from lowcloud.store.db.tables import endpoint_configurations

CONFIGURATION = ResourceKind("endpoint configuration", "endpoint-config", endpoint_configurations)


@dataclass(frozen=True)
class Configuration:
    """The configuration from which an endpoint is created."""

    name: str
    created_at: float
    variants: tuple[Variant, ...]
    encryption_key: str | None = None


def create(context: Context, configuration: Configuration, labels: Mapping[str, str] | None = None) -> None:
    """Create a configuration. Raises AlreadyExistsError, and NotFoundError for a model that it names."""
    for variant in configuration.variants:
        models.find(context, variant.model)
    specification = asdict(configuration)
    row = {"name": configuration.name, "created_at": configuration.created_at, "specification": specification}
    resources.create(context, CONFIGURATION, row, labels)


def find(context: Context, name: str) -> Configuration:
    """Return the configuration of this name. Raises NotFoundError."""
    return from_row(resources.find(context, CONFIGURATION, name))


def list_page(context: Context, query: Query) -> Page[Configuration]:
    """Return a page of configurations. Raises InvalidPageTokenError."""
    return resources.list_page(context, CONFIGURATION, query, from_row)


def remove(context: Context, name: str) -> None:
    """Delete a configuration; endpoints created from it remain. Raises NotFoundError."""
    resources.remove(context, CONFIGURATION, name)


def from_row(row: Row[Any]) -> Configuration:
    """Return the configuration in a row of the table."""
    variants = tuple(Variant(**variant) for variant in row.specification["variants"])
    return Configuration(**{**row.specification, "variants": variants})
