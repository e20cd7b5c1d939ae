"""Create, find, list, change and delete the records of any kind of resource."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from lowcloud.core import events, tags
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, InvalidPageTokenError, NotFoundError
from lowcloud.core.resource_kind import Record, ResourceKind
from lowcloud.store.db import pages
from lowcloud.store.db.pages import Order

Value = TypeVar("Value")
Condition = ColumnElement[bool]  # that rows meet; interfaces pass it on without looking into it


@dataclass(frozen=True)
class Query:
    """A list request in terms of the fields of records: filters, a sort order, and one page of the result."""

    limit: int
    token: str | None = None  # None: the first page
    sort_by: str = "created_at"
    descending: bool = True
    equals: Mapping[str, Collection[str]] = field(default_factory=dict)  # the values that a field may have
    after: Mapping[str, float] = field(default_factory=dict)  # times that a field must exceed
    before: Mapping[str, float] = field(default_factory=dict)
    name_contains: str | None = None


@dataclass(frozen=True)
class Page(Generic[Record]):
    """One page of records, and the token of the next page (None: this is the last one)."""

    records: Sequence[Record]
    next_token: str | None


def create(
    context: Context,
    kind: ResourceKind[Any],
    row: Mapping[str, Any],
    resource_tags: Mapping[str, str] | None = None,
    event: events.Event | None = None,
    within_transaction: Callable[[Connection], object] | None = None,
) -> None:
    """Insert a record with its tags and first event, and what `within_transaction` adds. Raises AlreadyExistsError."""
    subject = kind.subject(row["name"])
    with context.database.transaction() as connection:
        try:
            connection.execute(insert(kind.table).values(**row))
        except IntegrityError as error:
            raise AlreadyExistsError(kind.noun, row["name"]) from error
        tags.put(connection, subject, resource_tags or {})
        if event:
            events.record(connection, subject, event)
        if within_transaction:
            within_transaction(connection)
    if "due_at" in row:
        context.wake.notify()


def find(context: Context, kind: ResourceKind[Record], name: str) -> Record:
    """Return the record of this name. Raises NotFoundError."""
    with context.database.read() as connection:
        return require(connection, kind.in_account(context.account_id), name)


def require(connection: Connection, kind: ResourceKind[Record], name: str) -> Record:
    """Return the record of this name, within a transaction; the kind is that of one account. Raises NotFoundError."""
    return kind.load(_row(connection, kind, name))


def find_all(connection: Connection, kind: ResourceKind[Record], names: Sequence[str]) -> dict[str, Record]:
    """Return the records of these names by their exact names, without those that do not exist."""
    return {row.name: kind.load(row) for row in connection.execute(select(kind.table).where(kind.is_one_of(names)))}


def list_page(
    context: Context, kind: ResourceKind[Record], query: Query, where: Sequence[Condition] = ()
) -> Page[Record]:
    """Return a page of the records that meet the query and all of `where`. Raises InvalidPageTokenError."""
    kind = kind.in_account(context.account_id)
    conditions = [*kind.conditions, *where, *_filters(kind, query)]
    order = Order(query.sort_by, query.descending)
    try:
        with context.database.read() as connection:
            found = pages.read_page(connection, kind.table, conditions, order, query.limit, query.token)
    except pages.InvalidTokenError as error:
        raise InvalidPageTokenError(str(error)) from error
    return Page([kind.load(row) for row in found.rows], found.next_token)


def change(context: Context, kind: ResourceKind[Record], name: str, values: Mapping[str, Any]) -> Record:
    """Set columns of a record and return it after that. Raises NotFoundError."""
    kind = kind.in_account(context.account_id)
    with context.database.transaction() as connection:
        require(connection, kind, name)
        save(connection, kind, name, {**values, "modified_at": context.now()})
        return require(connection, kind, name)


def save(connection: Connection, kind: ResourceKind[Any], name: str, values: Mapping[str, Any]) -> None:
    """Set columns of a record that exists, within a transaction."""
    connection.execute(update(kind.table).where(kind.is_named(name)).values(**values))


def delete(
    context: Context,
    kind: ResourceKind[Record],
    name: str,
    check: Callable[[Connection, Record], object] | None = None,
) -> Record:
    """Delete a record and its tags, and return it.

    `check` gets the record, within the transaction: to refuse, or to delete what belongs to the record.
    Raises NotFoundError and what `check` raises.
    """
    kind = kind.in_account(context.account_id)
    with context.database.transaction() as connection:
        row = _row(connection, kind, name)
        record = kind.load(row)
        if check:
            check(connection, record)
        connection.execute(kind.table.delete().where(kind.is_named(name)))
        tags.delete_all(connection, kind.subject(row.name))
    return record


def tags_of(context: Context, kind: ResourceKind[Any], name: str) -> dict[str, str]:
    """Return the tags of a record, by key. Raises NotFoundError."""
    with context.database.read() as connection:
        return tags.of(connection, kind.subject(_row(connection, kind, name).name))


def add_tags(context: Context, kind: ResourceKind[Any], name: str, values: Mapping[str, str]) -> dict[str, str]:
    """Set tags of a record and return all it has then. Raises NotFoundError, and InvalidError past 50 tags."""
    with context.database.transaction() as connection:
        subject = kind.subject(_row(connection, kind, name, locks=True).name)
        tags.put(connection, subject, values)
        return tags.of(connection, subject)


def delete_tags(context: Context, kind: ResourceKind[Any], name: str, keys: Iterable[str]) -> None:
    """Delete the tags of these keys; keys that the record does not have are ignored. Raises NotFoundError."""
    with context.database.transaction() as connection:
        tags.delete(connection, kind.subject(_row(connection, kind, name, locks=True).name), keys)


def merge(values: Mapping[str, Value], put: Mapping[str, Value], drop: Iterable[str]) -> dict[str, Value]:
    """Return a mapping with what `put` sets, and then without the keys in `drop`.

    In this order, because the SDKs send all that they loaded with each change: what is to be removed as well.
    """
    dropped = set(drop)
    return {key: value for key, value in {**values, **put}.items() if key not in dropped}


def exists(connection: Connection, *conditions: Condition) -> bool:
    """Return whether a row of the conditions' table meets all of them."""
    return connection.execute(select(1).where(*conditions).limit(1)).first() is not None


def _row(connection: Connection, kind: ResourceKind[Any], name: str, locks: bool = False) -> Row[Any]:
    """Return the row of this name, which no other transaction deletes before the end of this one if it `locks`."""
    statement = select(kind.table).where(kind.is_named(name))
    row = connection.execute(statement.with_for_update(read=True) if locks else statement).one_or_none()
    if row is None:
        raise NotFoundError(kind.noun, name)
    return row


def _filters(kind: ResourceKind[Any], query: Query) -> list[Condition]:
    columns = kind.table.c
    conditions: list[Condition] = [columns[name].in_(list(values)) for name, values in query.equals.items()]
    conditions += [columns[name] > time for name, time in query.after.items()]
    conditions += [columns[name] < time for name, time in query.before.items()]
    if query.name_contains:
        conditions.append(columns.name.contains(query.name_contains, autoescape=True))
    return conditions
