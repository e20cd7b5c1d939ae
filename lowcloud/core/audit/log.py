"""The log in the database: records are appended, looked up, verified, and removed when they are old."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from sqlalchemy import Connection, delete, func, select

from lowcloud.core.audit import chain as chains
from lowcloud.core.audit.chain import Chain, Link
from lowcloud.core.audit.records import Entry, Record, columns_of, from_document
from lowcloud.core.context import Context
from lowcloud.store.blobs.encryption import KeyRing, TamperedError
from lowcloud.store.db.tables.audit import audit_chain, audit_records
from lowcloud.store.db.upsert import put

PAGE_ROWS = 500
_ROWS = audit_records.c


@dataclass(frozen=True)
class Query:
    """What to look up; None: any."""

    account: str
    id: str | None = None
    services: Sequence[str] | None = None
    operation: str | None = None
    name: str | None = None
    access_key_id: str | None = None
    is_read_only: bool | None = None
    start: float | None = None
    end: float | None = None
    text: str | None = None  # that the document contains


Position = tuple[float, int]  # the time and the number of a record


@dataclass
class Verified:
    """What a verification has read."""

    records: int = 0
    began_at: float | None = None
    first: int = 1


def append(connection: Connection, keys: KeyRing, entries: Sequence[Entry], now: float) -> None:
    """Append records to the chain; there is one writer of the database at a time."""
    chain = _to_extend(connection, keys, now)
    chain, links = chains.extend(chain, (entry.document for entry in entries))
    rows = [{**vars(link), **entry.columns} for link, entry in zip(links, entries, strict=True)]
    connection.execute(audit_records.insert(), rows)
    _save(connection, keys, chain)


def find(context: Context, query: Query, limit: int, after: Position | None = None) -> list[tuple[Position, Record]]:
    """Return records, the newest first, and where each is."""
    statement = select(_ROWS.time, _ROWS.number, _ROWS.document).where(_ROWS.account == query.account)
    for name in ("id", "operation", "name", "access_key_id", "is_read_only"):
        if (value := getattr(query, name)) is not None:
            statement = statement.where(_ROWS[name] == value)
    if query.services is not None:
        statement = statement.where(_ROWS.service.in_(query.services))
    if query.start is not None:
        statement = statement.where(_ROWS.time >= query.start)
    if query.end is not None:
        statement = statement.where(_ROWS.time <= query.end)
    if query.text is not None:
        statement = statement.where(_ROWS.document.contains(query.text, autoescape=True))
    if after is not None:
        time, number = after
        statement = statement.where((_ROWS.time < time) | ((_ROWS.time == time) & (_ROWS.number < number)))
    statement = statement.order_by(_ROWS.time.desc(), _ROWS.number.desc()).limit(limit)
    with context.database.read() as connection:
        rows = connection.execute(statement).all()
    return [((row.time, row.number), from_document(row.document)) for row in rows]


def verify(context: Context, verified: Verified) -> Iterator[str]:
    """Yield what is wrong with the log, and where."""
    with context.database.read() as connection:
        sealed = connection.scalar(select(audit_chain.c.sealed))
        if sealed is None:
            if (count := connection.scalar(select(func.count()).select_from(audit_records))) or 0:
                yield f"the seal of the chain was deleted, so that none of its {count} records can be trusted"
            return
        try:
            chain = chains.unseal(context.keys, sealed)
        except TamperedError:
            yield "the seal of the chain was changed, so that none of its records can be trusted"
            return
        verified.began_at, verified.first = chain.began_at, chain.first
        columns: list[str] = []
        yield from chains.verify(chain, _links(connection, verified, columns))
        yield from columns


def remove_before(context: Context, time: float, limit: int) -> int:
    """Remove at most `limit` of the oldest records if they are older; the rest of the chain can still be verified.

    Returns how many it has removed. Nothing is removed from where the chain is damaged on: that stays visible.
    """
    return context.database.apply(lambda connection: _remove_before(connection, context.keys, time, limit))


def _remove_before(connection: Connection, keys: KeyRing, time: float, limit: int) -> int:
    sealed = connection.scalar(select(audit_chain.c.sealed))
    if sealed is None:
        return 0
    try:
        chain = chains.unseal(keys, sealed)
    except TamperedError:
        return 0  # `lowcloud check` reports it
    rows = select(_ROWS.number, _ROWS.document, _ROWS.hash).where(_ROWS.number >= chain.first)
    oldest = connection.execute(rows.order_by(_ROWS.number).limit(limit))
    links = (Link(row.number, row.document, bytes(row.hash)) for row in oldest)
    old = list(takewhile(lambda link: _is_older(link, time), chains.intact(chain, links)))
    if not old:
        return 0
    newest = old[-1]
    connection.execute(delete(audit_records).where(_ROWS.number.between(chain.first, newest.number)))
    _save(connection, keys, replace(chain, first=newest.number + 1, before=newest.hash.hex()))
    return len(old)


def _is_older(link: Link, time: float) -> bool:
    """Return whether a record is older, by what its hash covers: its column could say anything."""
    try:
        return from_document(link.document).time < time
    except (ValueError, TypeError, KeyError):
        return False


def _to_extend(connection: Connection, keys: KeyRing, now: float) -> Chain:
    """Return the chain that further records continue. Damage does not stop the log, but stays visible in it."""
    sealed = connection.scalar(select(audit_chain.c.sealed))
    last = connection.scalar(select(func.max(_ROWS.number))) or 0
    if sealed is None and not last:
        return Chain(now)
    try:
        chain = chains.unseal(keys, sealed or b"")
    except TamperedError:
        chain = Chain(now, first=last + 1, last=last)
        return replace(chain, damaged_before={last + 1: chain.hash})
    # After the removal of the last records by age, the table ends before the chain does.
    if last == chain.last or (chain.first > chain.last and last < chain.first):
        return chain
    last = max(last, chain.last)
    return replace(chain, last=last, damaged_before={**chain.damaged_before, last + 1: chain.hash})


def _save(connection: Connection, keys: KeyRing, chain: Chain) -> None:
    put(connection, audit_chain, {"id": 1, "sealed": chains.seal(keys, chain)}, ["id"])


def _links(connection: Connection, verified: Verified, findings: list[str]) -> Iterator[Link]:
    """Yield all records in order, and note those whose columns do not repeat what they contain."""
    after = -(2**62)
    while rows := connection.execute(
        select(audit_records).where(_ROWS.number > after).order_by(_ROWS.number).limit(PAGE_ROWS)
    ).all():
        for row in rows:
            verified.records += 1
            found = row._mapping
            try:
                columns = columns_of(from_document(row.document))
            except (ValueError, TypeError, KeyError):
                columns = {}
            if not columns or any(found[name] != value for name, value in columns.items()):
                findings.append(f"record {row.number} is filed under values that are not its own")
            yield Link(row.number, row.document, bytes(row.hash))
        after = rows[-1].number
