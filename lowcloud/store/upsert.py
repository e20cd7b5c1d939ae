"""Insert or update, in the words of each database."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_missing(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row, or leave the one that has its key."""
    connection.execute(_insert(connection, table).values(**row).on_conflict_do_nothing())


def put(connection: Connection, table: Table, row: Mapping[str, Any], key: Sequence[str]) -> None:
    """Insert a row, or overwrite the one that has its `key`."""
    changes = {name: value for name, value in row.items() if name not in key}
    statement = _insert(connection, table).values(**row)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changes))


def _insert(connection: Connection, table: Table) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
