"""Named records: rows of any table whose names are unique, made, found, listed and removed alike."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, insert, select
from sqlalchemy.exc import IntegrityError

from lowcloud.core import events, tags
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, NotFoundError
from lowcloud.store.db.pages import Order, Page, read_page


def add(
    context: Context,
    table: Table,
    kind: str,
    subject: str,
    row: Mapping[str, Any],
    labels: Mapping[str, str] | None = None,
    event: events.Event | None = None,
    also: Callable[[Connection], object] | None = None,
) -> None:
    """Make a record with its tags and its first event, and do `also`, in one transaction. Raises AlreadyExistsError."""
    try:
        with context.database.transaction() as connection:
            connection.execute(insert(table).values(**row))
            tags.put(connection, subject, labels or {})
            if event:
                events.record(connection, subject, event)
            if also:
                also(connection)
    except IntegrityError as error:
        raise AlreadyExistsError(kind, row["name"]) from error
    if "due_at" in row:
        context.wake.notify()


def find(context: Context, table: Table, kind: str, name: str) -> Row[Any]:
    """The row of this name. Raises NotFoundError."""
    with context.database.read() as connection:
        row = connection.execute(select(table).where(table.c.name == name)).one_or_none()
    if row is None:
        raise NotFoundError(kind, name)
    return row


def list_page(
    context: Context, table: Table, where: Sequence[ColumnElement[bool]], order: Order, limit: int, token: str | None
) -> Page:
    """A page of rows. Raises pages.BadToken."""
    with context.database.read() as connection:
        return read_page(connection, table, where, order, limit, token)


def remove(context: Context, table: Table, kind: str, subject: str, name: str) -> None:
    """Delete a record and its tags. Raises NotFoundError."""
    with context.database.transaction() as connection:
        if connection.execute(delete(table).where(table.c.name == name)).rowcount == 0:
            raise NotFoundError(kind, name)
        tags.forget(connection, subject)
