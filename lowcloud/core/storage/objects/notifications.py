"""Notifications: events of the objects of a bucket, recorded if its notification configuration selects them.

An event is written in the transaction of its change, so both are committed or neither is (an outbox). A bucket without
a notification configuration has no rules and no overhead. Nothing delivers events yet, so only the newest stay: what
will deliver them reads them by `list_page` and then calls `delete_events`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.storage.buckets import buckets, configurations
from lowcloud.core.storage.buckets.buckets import Bucket
from lowcloud.core.storage.objects.versions import Version
from lowcloud.store.db.prepared import PreparedStatement
from lowcloud.store.db.tables.storage import buckets as bucket_rows
from lowcloud.store.db.tables.storage import object_events

PUT, COPIED, COMPLETED, POSTED = "created:put", "created:copy", "created:complete", "created:post"
TAGGED, UNTAGGED, ACCESS_LIST_CHANGED = "tagged:put", "tagged:delete", "shared:put"
REMOVED, EXPIRED = "removed", "expired"  # by a request, by a lifecycle rule; each in two forms:
DELETE, MARKER = "delete", "marker"  # permanently, by a delete marker
KINDS = (
    *(PUT, COPIED, COMPLETED, POSTED, TAGGED, UNTAGGED, ACCESS_LIST_CHANGED),
    *(f"{cause}:{what}" for cause in (REMOVED, EXPIRED) for what in (DELETE, MARKER)),
)
MAX_EVENTS = 1_000_000  # of all buckets together; older ones are deleted
PRUNE_INTERVAL = 100

_COLUMNS = [column for column in object_events.columns if column.name != "id"]
_INSERT = PreparedStatement(
    sa.insert(object_events)
    .values({column.name: sa.bindparam(column.name) for column in _COLUMNS})
    .returning(object_events.c.id)
)
_PRUNE = PreparedStatement(sa.delete(object_events).where(object_events.c.id <= sa.bindparam("until")))


@dataclass(frozen=True)
class NotificationRule:
    """Selects the events of these kinds, for keys with this prefix and suffix."""

    kinds: Sequence[str]
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True)
class ObjectEvent:
    """An event of a version. Later events of a key have larger ids."""

    id: int
    bucket: str
    key: str
    version: str | None  # None: the bucket was never versioned
    kind: str
    at: float  # seconds since the epoch
    size: int  # bytes
    etag: str  # "" for a delete marker

    @property
    def sequencer(self) -> str:
        """The id as text that sorts like the id."""
        return f"{self.id:016X}"


def configure(
    context: Context, bucket: str, kind: str, document: Mapping[str, Any], rules: Sequence[NotificationRule]
) -> None:
    """Store a notification configuration and the rules that it means. Raises NotFoundError (bucket)."""
    stored_rules = json.dumps([asdict(rule) for rule in rules]) if rules else None

    def change(connection: sa.Connection) -> None:
        buckets.require(connection, bucket)
        configurations.write(connection, bucket, kind, document, context.now())
        connection.execute(
            sa.update(bucket_rows).where(bucket_rows.c.name == bucket).values(notifications=stored_rules)
        )

    context.database.apply(change)


def record(connection: sa.Connection, bucket: Bucket, kind: str, version: Version, now: float) -> None:
    """Record an event if the bucket's rules select it, within the transaction of the change."""
    if bucket.notifications is None or not matches_any(_parse_rules(bucket.notifications), kind, version.key):
        return
    [(event_id,)] = _INSERT.rows(
        connection,
        bucket=version.bucket,
        key=version.key,
        version=None if bucket.versioning is None else version.version,
        kind=kind,
        at=now,
        size=version.size,
        etag=version.etag,
    )
    if event_id % PRUNE_INTERVAL == 0:
        _PRUNE.rows(connection, until=event_id - MAX_EVENTS)


def matches_any(rules: Iterable[NotificationRule], kind: str, key: str) -> bool:
    """Return whether any of the rules selects this event."""
    return any(kind in rule.kinds and key.startswith(rule.prefix) and key.endswith(rule.suffix) for rule in rules)


def list_page(context: Context, *, after: int = 0, limit: int = 1000) -> list[ObjectEvent]:
    """Return at most `limit` events in the order of their ids, after the one with this id."""
    query = sa.select(object_events).where(object_events.c.id > after).order_by(object_events.c.id).limit(limit)
    with context.database.read() as connection:
        return [ObjectEvent(**row._mapping) for row in connection.execute(query)]


def delete_events(context: Context, until: int) -> None:
    """Delete the events up to the one with this id, once they have been delivered."""
    context.database.apply(lambda connection: _PRUNE.rows(connection, until=until))


@lru_cache(maxsize=256)
def _parse_rules(stored_rules: str) -> tuple[NotificationRule, ...]:
    return tuple(NotificationRule(**rule) for rule in json.loads(stored_rules))
