"""Models: an image, the artifact it serves, and its environment."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.exc import IntegrityError

from lowcloud.core import tags
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import AlreadyExists, NotFound
from lowcloud.store.pages import Order, Page, read_page
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


def subject(name: str) -> str:
    """What tags of a model are filed under."""
    return f"model/{name}"


def create(cloud: Cloud, model: Model, labels: Mapping[str, str] | None = None) -> None:
    """Keep a model. Raises AlreadyExists."""
    row = {"name": model.name, "created_at": model.created_at, "specification": asdict(model)}
    try:
        with cloud.database.transaction() as connection:
            connection.execute(insert(models).values(**row))
            tags.put(connection, subject(model.name), labels or {})
    except IntegrityError as error:
        raise AlreadyExists(KIND, model.name) from error


def find(cloud: Cloud, name: str) -> Model:
    """The model of this name. Raises NotFound."""
    with cloud.database.read() as connection:
        row = connection.execute(select(models).where(models.c.name == name)).one_or_none()
    if row is None:
        raise NotFound(KIND, name)
    return from_row(row)


def list_page(cloud: Cloud, where: list[Any], order: Order, limit: int, token: str | None) -> Page:
    """A page of rows; give each to `from_row`. Raises pages.BadToken."""
    with cloud.database.read() as connection:
        return read_page(connection, models, where, order, limit, token)


def remove(cloud: Cloud, name: str) -> None:
    """Forget a model; endpoints that serve it keep their copy. Raises NotFound."""
    with cloud.database.transaction() as connection:
        if connection.execute(delete(models).where(models.c.name == name)).rowcount == 0:
            raise NotFound(KIND, name)
        tags.forget(connection, subject(name))


def from_row(row: Row[Any]) -> Model:
    """The model that a row of the table holds."""
    return Model(**row.specification)
