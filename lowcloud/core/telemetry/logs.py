"""Logs: groups of streams of timestamped lines, collected from the output of running work."""

import math
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, insert, select, update

from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.engine.work import LogLine
from lowcloud.store.db.tables.telemetry import log_events, log_groups, log_streams
from lowcloud.store.db.upsert import insert_missing

MAX_MESSAGE_CHARACTERS = 256 * 1024  # longer messages are truncated


@dataclass(frozen=True)
class LogEvent:
    """One stored line. Within a stream, ids increase in order of arrival."""

    id: int
    stream: str
    timestamp_ms: int
    ingestion_ms: int
    message: str


@dataclass(frozen=True)
class Derived:
    """Data derived from a page of lines: further lines, and changes to save in the same transaction."""

    lines: tuple[LogLine, ...] = ()
    save: Callable[[Connection], None] = lambda _: None


def open_stream(context: Context, group: str, name: str) -> Row[Any]:
    """Return the stream with this name; it and its group are created if missing."""
    if (stream := _find_stream(context, group, name)) is not None:
        return stream
    now = context.now()
    with context.database.transaction() as connection:
        insert_missing(connection, log_groups, {"name": group, "created_at": now})
        row = {"group": group, "name": name, "created_at": now}
        insert_missing(connection, log_streams, row)
    return _stream(context, group, name)


def collect(
    context: Context,
    group: str,
    name: str,
    work_id: str,
    replica: int,
    derive: Callable[[Sequence[LogLine]], Derived] | None = None,
    run: str = "",
    timeout_seconds: float = math.inf,
) -> None:
    """Store what a replica has printed since the last call in its stream, which is created at the first line.

    A stream may contain the lines of several works, or of several runs of one, in sequence. Lines, the offset up to
    which the output was read, and what `derive` returns are saved in one transaction: a crash neither loses nor
    duplicates a line. After `timeout_seconds` the rest is left to the next call: a program may print faster than this
    reads.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        stream = _find_stream(context, group, name)
        offset = stream.source_offset if stream and stream.source == (run or work_id) else 0
        page = context.engine.logs(work_id, replica, offset)
        if page.next_offset == offset:
            return
        if stream is None:
            stream = open_stream(context, group, name)
        derived = derive(page.lines) if derive else Derived()  # outside the transaction, which blocks other writers
        with context.database.transaction() as connection:
            moved = connection.execute(
                update(log_streams)
                .where(log_streams.c.id == stream.id, _is_unread_since(stream))
                .values(source=run or work_id, source_offset=page.next_offset)
            )
            if moved.rowcount != 1:
                return  # another server has read these lines
            append(connection, stream.id, [*page.lines, *derived.lines], now_ms=int(context.now() * 1000))
            derived.save(connection)
        if time.monotonic() > deadline:
            return


def append(connection: Connection, stream_id: int, lines: Sequence[LogLine], now_ms: int) -> None:
    """Add lines to a stream."""
    if not lines:
        return
    rows = [
        {
            "stream": stream_id,
            "timestamp_ms": line.timestamp_ms,
            "ingestion_ms": now_ms,
            "message": line.text[:MAX_MESSAGE_CHARACTERS],
        }
        for line in lines
    ]
    connection.execute(insert(log_events), rows)
    timestamps = [line.timestamp_ms for line in lines]
    stream = connection.execute(select(log_streams).where(log_streams.c.id == stream_id)).one()
    connection.execute(
        update(log_streams)
        .where(log_streams.c.id == stream_id)
        .values(
            first_event_ms=min([*timestamps, *_present(stream.first_event_ms)]),
            last_event_ms=max([*timestamps, *_present(stream.last_event_ms)]),
            last_ingestion_ms=now_ms,
            bytes=stream.bytes + sum(len(line.text.encode()) for line in lines),
        )
    )


def read_stream(  # one page of a stream, in either direction
    context: Context,
    group: str,
    name: str,
    limit: int,
    after: int | None = None,
    before: int | None = None,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> list[LogEvent]:
    """Return at most `limit` events in order: those after the id `after`, or the last ones before the id `before`.

    Times are milliseconds since the epoch; `end_ms` is exclusive. Raises NotFoundError for a group or stream.
    """
    stream = _stream(context, group, name)
    where = [log_events.c.stream == stream.id, *_between(start_ms, end_ms)]
    if after is not None:
        statement = select(log_events).where(*where, log_events.c.id > after).order_by(log_events.c.id)
    else:
        if before is not None:
            where.append(log_events.c.id < before)
        statement = select(log_events).where(*where).order_by(log_events.c.id.desc())
    with context.database.read() as connection:
        rows = connection.execute(statement.limit(limit)).all()
    events = [_event(row, name) for row in rows]
    return events if after is not None else events[::-1]


def filter_events(
    context: Context,
    group: str,
    limit: int,
    names: Sequence[str] | None = None,
    name_prefix: str | None = None,
    terms: "Terms | None" = None,
    after: int = 0,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> list[LogEvent]:
    """Return events of a group's streams that match `terms`, in order of arrival.

    Raises NotFoundError for the group.
    """
    _require_group(context, group)
    where = [log_streams.c.group == group, log_events.c.id > after, *_between(start_ms, end_ms)]
    if names:
        where.append(log_streams.c.name.in_(names))
    if name_prefix:
        where.append(log_streams.c.name.startswith(name_prefix, autoescape=True))
    statement = (
        select(log_events, log_streams.c.name)
        .join(log_streams, log_streams.c.id == log_events.c.stream)
        .where(*where)
        .order_by(log_events.c.id)
    )
    found: list[LogEvent] = []
    with context.database.read() as connection:
        for row in connection.execution_options(yield_per=1000).execute(statement):
            if terms is None or terms.match(row.message):
                found.append(_event(row, row.name))
            if len(found) == limit:
                break
    return found


def streams(context: Context, group: str, name_prefix: str | None = None) -> Sequence[Row[Any]]:
    """Return a group's streams by name. Raises NotFoundError for the group."""
    _require_group(context, group)
    statement = select(log_streams).where(log_streams.c.group == group).order_by(log_streams.c.name)
    if name_prefix:
        statement = statement.where(log_streams.c.name.startswith(name_prefix, autoescape=True))
    with context.database.read() as connection:
        return connection.execute(statement).all()


def groups(context: Context, name_prefix: str = "") -> Sequence[Row[Any]]:
    """Return the groups whose names begin with the prefix, by name."""
    statement = select(log_groups).where(log_groups.c.name.startswith(name_prefix, autoescape=True))
    with context.database.read() as connection:
        return connection.execute(statement.order_by(log_groups.c.name)).all()


@dataclass(frozen=True)
class Terms:
    """A plain filter pattern: required terms, excluded terms, and alternatives of which one must occur."""

    required: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()

    def match(self, message: str) -> bool:
        """Return whether a message matches."""
        return (
            all(term in message for term in self.required)
            and not any(term in message for term in self.excluded)
            and (not self.alternatives or any(term in message for term in self.alternatives))
        )


def parse_terms(pattern: str) -> Terms:
    """Parse a plain filter pattern (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html)."""
    kinds: dict[str, list[str]] = {"": [], "-": [], "?": []}
    for sign, phrase, word in re.findall(r'([-?]?)(?:"([^"]*)"|([^\s"]+))', pattern):
        kinds[sign].append(phrase or word)
    return Terms(*(tuple(kinds[sign]) for sign in ("", "-", "?")))


def _is_unread_since(stream: Row[Any]) -> ColumnElement[bool]:
    columns = log_streams.c
    return and_(columns.source.is_not_distinct_from(stream.source), columns.source_offset == stream.source_offset)


def _find_stream(context: Context, group: str, name: str) -> Row[Any] | None:
    statement = select(log_streams).where(log_streams.c.group == group, log_streams.c.name == name)
    with context.database.read() as connection:
        return connection.execute(statement).one_or_none()


def _stream(context: Context, group: str, name: str) -> Row[Any]:
    stream = _find_stream(context, group, name)
    if stream is None:
        _require_group(context, group)
        raise NotFoundError("log stream", name)
    return stream


def _require_group(context: Context, group: str) -> None:
    with context.database.read() as connection:
        if connection.scalar(select(log_groups.c.name).where(log_groups.c.name == group)) is None:
            raise NotFoundError("log group", group)


def _between(start_ms: int | None, end_ms: int | None) -> list[ColumnElement[bool]]:
    conditions = []
    if start_ms is not None:
        conditions.append(log_events.c.timestamp_ms >= start_ms)
    if end_ms is not None:
        conditions.append(log_events.c.timestamp_ms < end_ms)
    return conditions


def _present(value: int | None) -> Iterable[int]:
    return () if value is None else (value,)


def _event(row: Row[Any], stream: str) -> LogEvent:
    return LogEvent(row.id, stream, row.timestamp_ms, row.ingestion_ms, row.message)
