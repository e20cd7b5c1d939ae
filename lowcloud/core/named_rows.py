"""Named rows: those whose names differ by more than the case of their letters, found and changed by any spelling."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, func, select, update

from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError


def require(connection: Connection, table: Table, kind: str, name: str) -> Row[Any]:
    """The row of this name in letters of any case. Raises NotFoundError."""
    row = connection.execute(select(table).where(is_named_in(table, [name]))).one_or_none()
    if row is None:
        raise NotFoundError(kind, name)
    return row


def change_row(context: Context, table: Table, kind: str, name: str, values: Mapping[str, Any]) -> Row[Any]:
    """Change columns of the row of this name, and what it is then. Raises NotFoundError."""
    with context.database.transaction() as connection:
        found = require(connection, table, kind, name)
        changes = {**values, "modified_at": context.now()}
        connection.execute(update(table).where(table.c.name == found.name).values(**changes))
        return require(connection, table, kind, name)


def is_named_in(table: Table, names: Iterable[str]) -> ColumnElement[bool]:
    """Whether a row has one of these names, in letters of any case."""
    return func.lower(table.c.name).in_([name.lower() for name in names])
