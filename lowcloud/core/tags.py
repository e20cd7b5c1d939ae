"""Tags: key and value on any subject that has a name."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, delete, select

from lowcloud.core.errors import InvalidError
from lowcloud.store.db import upsert
from lowcloud.store.db.tables import tags

TAGS_LIMIT = 50


def put(connection: Connection, subject: str, values: Mapping[str, str]) -> None:
    """Set tags of a subject, e.g. "training-job/NAME". Raises Invalid past 50 tags."""
    if len({**of(connection, subject), **values}) > TAGS_LIMIT:
        raise InvalidError(f"A resource can have at most {TAGS_LIMIT} tags.")
    for key, value in values.items():
        upsert.put(connection, tags, {"subject": subject, "key": key, "value": value}, ["subject", "key"])


def of(connection: Connection, subject: str) -> dict[str, str]:
    """The tags of a subject, by key."""
    rows = connection.execute(select(tags).where(tags.c.subject == subject).order_by(tags.c.key))
    return {row.key: row.value for row in rows}


def of_many(connection: Connection, subjects: Sequence[str]) -> dict[str, dict[str, str]]:
    """The tags of each of these subjects that has any."""
    found: dict[str, dict[str, str]] = {}
    for row in connection.execute(select(tags).where(tags.c.subject.in_(subjects)).order_by(tags.c.key)):
        found.setdefault(row.subject, {})[row.key] = row.value
    return found


def remove(connection: Connection, subject: str, keys: Iterable[str]) -> None:
    """Drop some tags of a subject."""
    connection.execute(delete(tags).where(tags.c.subject == subject, tags.c.key.in_(list(keys))))


def forget(connection: Connection, subject: str) -> None:
    """Drop all tags of a subject that is gone."""
    connection.execute(delete(tags).where(tags.c.subject == subject))
