"""Tags: keys and values on the resources of any kind."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, select

from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError
from lowcloud.store.db import upsert
from lowcloud.store.db.tables.resources import tags

TAGS_LIMIT = 50


def of_many(context: Context, subjects: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the tags of each of these subjects that has any."""
    found: dict[str, dict[str, str]] = {}
    statement = select(tags).where(tags.c.subject.in_(subjects)).order_by(tags.c.key)
    with context.database.read() as connection:
        for row in connection.execute(statement):
            found.setdefault(row.subject, {})[row.key] = row.value
    return found


def put(connection: Connection, subject: str, values: Mapping[str, str]) -> None:
    """Set tags of a subject, within a transaction. Raises InvalidError past 50 tags."""
    if len({**of(connection, subject), **values}) > TAGS_LIMIT:
        raise InvalidError(f"A resource can have at most {TAGS_LIMIT} tags.")
    for key, value in values.items():
        upsert.put(connection, tags, {"subject": subject, "key": key, "value": value}, ["subject", "key"])


def delete(connection: Connection, subject: str, keys: Iterable[str]) -> None:
    """Delete the tags of these keys, within a transaction; keys that the subject does not have are ignored."""
    connection.execute(tags.delete().where(tags.c.subject == subject, tags.c.key.in_(list(keys))))


def delete_all(connection: Connection, subject: str) -> None:
    """Delete all tags of a subject that is being deleted."""
    connection.execute(tags.delete().where(tags.c.subject == subject))


def of(connection: Connection, subject: str) -> dict[str, str]:
    """Return the tags of a subject, by key."""
    rows = connection.execute(select(tags).where(tags.c.subject == subject).order_by(tags.c.key))
    return {row.key: row.value for row in rows}
