"""Insert or update, in the words of each database."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_missing(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row, or leave the one that has its key."""
    connection.execute(_insert(connection, table).values(**row).on_conflict_do_nothing())


def insert_all_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of the same columns, and leave those that have their keys."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


def put(connection: Connection, table: Table, row: Mapping[str, Any], key: Sequence[str]) -> None:
    """Insert a row, or overwrite the one that has its `key`."""
    changes = {name: value for name, value in row.items() if name not in key}
    statement = _insert(connection, table).values(**row)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changes))


def merging(
    connection: Connection, table: Table, key: Sequence[str], changes: Callable[[Any], Mapping[str, Any]]
) -> Insert:
    """A statement that inserts rows; for one that has its `key` it makes the `changes` that a new row asks for."""
    statement = _insert(connection, table)
    merged: Insert = statement.on_conflict_do_update(index_elements=list(key), set_=changes(statement.excluded))
    return merged


def _insert(connection: Connection, table: Table) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
