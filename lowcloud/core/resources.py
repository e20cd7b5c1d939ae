"""Create, find, list, change and delete the records of any kind of resource."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from lowcloud.core import events, tags
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, InvalidPageTokenError, NotFoundError
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.store.db import pages
from lowcloud.store.db.pages import Order

Record = TypeVar("Record")
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
    kind: ResourceKind,
    row: Mapping[str, Any],
    labels: Mapping[str, str] | None = None,
    event: events.Event | None = None,
    also: Callable[[Connection], object] | None = None,
) -> None:
    """Insert a record with its tags and first event, and do `also`, in one transaction. Raises AlreadyExistsError."""
    subject = kind.subject(row["name"])
    with context.database.transaction() as connection:
        try:
            connection.execute(insert(kind.table).values(**row))
        except IntegrityError as error:
            raise AlreadyExistsError(kind.noun, row["name"]) from error
        tags.put(connection, subject, labels or {})
        if event:
            events.record(connection, subject, event)
        if also:
            also(connection)
    if "due_at" in row:
        context.wake.notify()


def find(context: Context, kind: ResourceKind, name: str) -> Row[Any]:
    """Return the row of this name. Raises NotFoundError."""
    with context.database.read() as connection:
        return require(connection, kind, name)


def require(connection: Connection, kind: ResourceKind, name: str) -> Row[Any]:
    """Return the row of this name, within a transaction. Raises NotFoundError."""
    row = connection.execute(select(kind.table).where(kind.is_named(name))).one_or_none()
    if row is None:
        raise NotFoundError(kind.noun, name)
    return row


def find_all(connection: Connection, kind: ResourceKind, names: Sequence[str]) -> Sequence[Row[Any]]:
    """Return the rows of these names, without those that do not exist."""
    return connection.execute(select(kind.table).where(kind.is_one_of(names))).all()


def list_page(
    context: Context,
    kind: ResourceKind,
    query: Query,
    load: Callable[[Row[Any]], Record],
    where: Sequence[Condition] = (),
) -> Page[Record]:
    """Return a page of records, made from their rows by `load`. Raises InvalidPageTokenError."""
    conditions = [kind.condition, *where, *_filters(kind, query)]
    order = Order(query.sort_by, query.descending)
    try:
        with context.database.read() as connection:
            found = pages.read_page(connection, kind.table, conditions, order, query.limit, query.token)
    except pages.InvalidTokenError as error:
        raise InvalidPageTokenError(str(error)) from error
    return Page([load(row) for row in found.rows], found.next_token)


def change(context: Context, kind: ResourceKind, name: str, values: Mapping[str, Any]) -> Row[Any]:
    """Set columns of a record and return its row after that. Raises NotFoundError."""
    with context.database.transaction() as connection:
        found = require(connection, kind, name)
        save(connection, kind, found.name, {**values, "modified_at": context.now()})
        return require(connection, kind, name)


def save(connection: Connection, kind: ResourceKind, name: str, values: Mapping[str, Any]) -> None:
    """Set columns of a record that exists, within a transaction."""
    connection.execute(update(kind.table).where(kind.condition, kind.table.c.name == name).values(**values))


def remove(
    context: Context, kind: ResourceKind, name: str, first: Callable[[Connection, str], object] | None = None
) -> Row[Any]:
    """Delete a record and its tags, and return its row.

    `first` gets the record's exact name, within the transaction: to refuse, or to delete what belongs to the record.
    Raises NotFoundError and what `first` raises.
    """
    with context.database.transaction() as connection:
        found = require(connection, kind, name)
        if first:
            first(connection, found.name)
        connection.execute(delete(kind.table).where(kind.condition, kind.table.c.name == found.name))
        tags.delete_all(connection, kind.subject(found.name))
    return found


def exists(connection: Connection, *conditions: Condition) -> bool:
    """Return whether a row of the conditions' table meets all of them."""
    return connection.execute(select(1).where(*conditions).limit(1)).first() is not None


def _filters(kind: ResourceKind, query: Query) -> list[Condition]:
    columns = kind.table.c
    conditions: list[Condition] = [columns[name].in_(list(values)) for name, values in query.equals.items()]
    conditions += [columns[name] > time for name, time in query.after.items()]
    conditions += [columns[name] < time for name, time in query.before.items()]
    if query.name_contains:
        conditions.append(columns.name.contains(query.name_contains, autoescape=True))
    return conditions
