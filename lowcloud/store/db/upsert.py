"""INSERT ... ON CONFLICT for SQLite and PostgreSQL."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_missing(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row unless one with its key exists."""
    connection.execute(_insert(connection, table).values(**row).on_conflict_do_nothing())


def insert_all_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert those rows, all with the same columns, whose keys do not exist."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


def put(connection: Connection, table: Table, row: Mapping[str, Any], key: Sequence[str]) -> None:
    """Insert a row, or overwrite the one with the same `key`."""
    changes = {name: value for name, value in row.items() if name not in key}
    statement = _insert(connection, table).values(**row)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changes))


def merge_statement(
    connection: Connection, table: Table, key: Sequence[str], changes: Callable[[Any], Mapping[str, Any]]
) -> Insert:
    """Return a statement that inserts rows; an existing row with the same `key` gets the `changes`."""
    statement = _insert(connection, table)
    merged: Insert = statement.on_conflict_do_update(index_elements=list(key), set_=changes(statement.excluded))
    return merged


def _insert(connection: Connection, table: Table) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
