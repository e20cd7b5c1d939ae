"""Notifications: what happens to the objects of a bucket, recorded for whoever its configuration wants told.

An event is written in the transaction of the change that it tells of: it is there exactly where the change is. A bucket
whose configuration asks for none has no rules, and costs nothing.
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
from lowcloud.store.db.tables import buckets as bucket_rows
from lowcloud.store.db.tables import object_events

PUT, COPIED, COMPLETED, POSTED = "created:put", "created:copy", "created:complete", "created:post"
TAGGED, UNTAGGED, ACCESS_LIST_CHANGED = (
    "tagged:put",
    "tagged:delete",
    "shared:put",
)  # the latter: its list of access was set
REMOVED, EXPIRED = "removed", "expired"  # by somebody, by the lifecycle; each of two kinds:
DELETE, MARKER = "delete", "marker"  # removed for good, hidden behind a marker
KINDS = (
    *(PUT, COPIED, COMPLETED, POSTED, TAGGED, UNTAGGED, ACCESS_LIST_CHANGED),
    *(f"{cause}:{what}" for cause in (REMOVED, EXPIRED) for what in (DELETE, MARKER)),
)
MAX_EVENTS = 1_000_000  # the newest, of all buckets together
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
    """Which events are recorded: those of these kinds, of keys that begin and end so."""

    kinds: Sequence[str]
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True)
class ObjectEvent:
    """What happened to a version. Of one key, a later event has a larger id."""

    id: int
    bucket: str
    key: str
    version: str | None  # None: of a bucket that never kept versions
    kind: str
    at: float  # seconds since the epoch
    size: int  # bytes
    etag: str  # of a marker: ""

    @property
    def sequencer(self) -> str:
        """The id as digits that compare as texts do."""
        return f"{self.id:016X}"


def configure(
    context: Context, bucket: str, kind: str, document: Mapping[str, Any], rules: Sequence[NotificationRule]
) -> None:
    """Record what the rules ask for, from now on, and keep the configuration that says so. Raises NotFound."""
    said = json.dumps([asdict(rule) for rule in rules]) if rules else None

    def change(connection: sa.Connection) -> None:
        buckets.require(connection, bucket)
        configurations.write(connection, bucket, kind, document, context.now())
        connection.execute(sa.update(bucket_rows).where(bucket_rows.c.name == bucket).values(notifications=said))

    context.database.apply(change)


def record(connection: sa.Connection, bucket: Bucket, kind: str, version: Version, now: float) -> None:
    """Record an event where the bucket wants it, within the transaction of the change."""
    if bucket.notifications is None or not matches_any(_parsed(bucket.notifications), kind, version.key):
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
    """Whether any of the rules asks for this."""
    return any(kind in rule.kinds and key.startswith(rule.prefix) and key.endswith(rule.suffix) for rule in rules)


def page(context: Context, *, after: int = 0, limit: int = 1000) -> list[ObjectEvent]:
    """At most `limit` events in the order in which they happened, after the one of this id."""
    query = sa.select(object_events).where(object_events.c.id > after).order_by(object_events.c.id).limit(limit)
    with context.database.read() as connection:
        return [ObjectEvent(**row._mapping) for row in connection.execute(query)]


def delete_events(context: Context, until: int) -> None:
    """Drop the events up to the one of this id: everybody has been told."""
    context.database.apply(lambda connection: _PRUNE.rows(connection, until=until))


@lru_cache(maxsize=256)
def _parsed(said: str) -> tuple[NotificationRule, ...]:
    return tuple(NotificationRule(**rule) for rule in json.loads(said))
