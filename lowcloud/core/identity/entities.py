"""What users, groups, roles, policies and instance profiles have in common: names, paths, unique ids and tags."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, func, insert, select

from lowcloud.core import resources, tags
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, LimitExceededError
from lowcloud.core.identity.identifiers import new_identifier
from lowcloud.core.resource_kind import ResourceKind

ID_CHARACTERS = 17  # of a unique id, after its prefix


class Entity(Protocol):
    """A record of any of these kinds."""

    @property
    def account(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def id(self) -> str: ...  # unique among all accounts; the subject of its tags
    @property
    def path(self) -> str: ...
    @property
    def created_at(self) -> float: ...  # seconds since the epoch


Found = TypeVar("Found", bound=Entity)


@contextmanager
def changing(context: Context) -> Iterator[Connection]:
    """Yield a connection within a transaction; at its end, cached keys and policies are read again."""
    with context.database.transaction() as connection:
        yield connection
    context.access.invalidate()


def require(connection: Connection, context: Context, kind: ResourceKind[Found], name: str) -> Found:
    """Return the entity of this name, within a transaction. Raises NotFoundError."""
    return resources.require(connection, kind.in_account(context.account_id), name)


def create(context: Context, kind: ResourceKind[Found], row: Mapping[str, Any], id_prefix: str, limit: int) -> Found:
    """Create an entity from its name and path and what its kind has in addition; "tags" are its tags.

    Raises AlreadyExistsError, and LimitExceededError if the account has `limit` of them.
    """
    with changing(context) as connection:
        return insert_new(connection, context, kind, row, id_prefix, limit)


def insert_new(
    connection: Connection,
    context: Context,
    kind: ResourceKind[Found],
    row: Mapping[str, Any],
    id_prefix: str,
    limit: int,
) -> Found:
    """Do what `create` does, within a transaction."""
    own = kind.in_account(context.account_id)
    columns = {name: value for name, value in row.items() if name != "tags"}
    if resources.exists(connection, own.is_named(row["name"])):
        raise AlreadyExistsError(kind.noun, row["name"])
    if count(connection, own) >= limit:
        raise LimitExceededError(f"Cannot exceed quota for {kind.noun}s per account: {limit}")
    unique = {"account": context.account_id, "id": new_identifier(id_prefix, ID_CHARACTERS)}
    now = float(int(context.now()))
    connection.execute(insert(kind.table).values(created_at=now, **unique, **columns))
    tags.put(connection, unique["id"], row.get("tags") or {})
    return resources.require(connection, own, row["name"])


def list_page(
    context: Context, kind: ResourceKind[Found], path_prefix: str, after: str, limit: int
) -> tuple[list[Found], bool]:
    """Return the entities under a path whose names come after `after`, by name, and whether there are more."""
    own, rows = kind.in_account(context.account_id), kind.table.c
    found = (
        select(kind.table)
        .where(*own.conditions, rows.name > after, rows.path.startswith(path_prefix, autoescape=True))
        .order_by(rows.name)
        .limit(limit + 1)
    )
    with context.database.read() as connection:
        records = [kind.load(row) for row in connection.execute(found)]
    return records[:limit], len(records) > limit


def rename(context: Context, kind: ResourceKind[Found], name: str, new_name: str | None, new_path: str | None) -> None:
    """Change name and path of an entity, as far as given. Raises NotFoundError and AlreadyExistsError."""
    own = kind.in_account(context.account_id)
    with changing(context) as connection:
        found = resources.require(connection, own, name)
        is_taken = new_name is not None and new_name.lower() != found.name.lower()
        if new_name is not None and is_taken and resources.exists(connection, own.is_named(new_name)):
            raise AlreadyExistsError(kind.noun, new_name)
        values = {"name": new_name or found.name, "path": new_path or found.path}
        resources.save(connection, own, found.name, values)


def delete(connection: Connection, kind: ResourceKind[Any], entity: Entity) -> None:
    """Delete an entity with its tags, within a transaction; its kind has checked that nothing refers to it."""
    connection.execute(kind.table.delete().where(kind.table.c.id == entity.id))
    tags.delete_all(connection, entity.id)


def count(connection: Connection, kind: ResourceKind[Any]) -> int:
    """Return how many entities of a kind of one account there are."""
    return connection.execute(select(func.count()).select_from(kind.table).where(*kind.conditions)).scalar_one()


def tags_of(context: Context, entity: Entity) -> dict[str, str]:
    """Return the tags of an entity, by key."""
    with context.database.read() as connection:
        return tags.of(connection, entity.id)


def tag(context: Context, kind: ResourceKind[Found], name: str, values: Mapping[str, str]) -> None:
    """Set tags of an entity. Raises NotFoundError, and LimitExceededError past 50 tags."""
    with changing(context) as connection:
        entity = require(connection, context, kind, name)
        if len({**tags.of(connection, entity.id), **values}) > tags.TAGS_LIMIT:
            raise LimitExceededError(f"Cannot exceed quota for TagsPer{kind.noun.title()}: {tags.TAGS_LIMIT}")
        tags.put(connection, entity.id, values)


def untag(context: Context, kind: ResourceKind[Found], name: str, keys: Iterable[str]) -> None:
    """Delete tags of an entity; keys that it does not have are ignored. Raises NotFoundError."""
    with changing(context) as connection:
        tags.delete(connection, require(connection, context, kind, name).id, keys)
