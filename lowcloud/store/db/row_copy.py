"""Copies of all rows from one database to another one, SQLite or PostgreSQL: one snapshot, in one transaction."""

from pathlib import Path

from sqlalchemy import Connection, Table, func, select, text

from lowcloud.store import private_files
from lowcloud.store.db import tables
from lowcloud.store.db.backend import UnusableStoreError
from lowcloud.store.db.database import SQLITE, Database
from lowcloud.store.db.tables.schema import schema_version, store_identity

ROWS = 200  # of one insert: a row may have an object of 64 KiB


def copy_to_file(source: Database, path: Path) -> None:
    """Copy the rows of a database to a new SQLite file. Raises DBAPIError and OSError."""
    private_files.make_file(path)
    copy = Database(f"{SQLITE}{path}")
    try:
        copy_rows(source, copy)
    finally:
        copy.close()


def copy_rows(source: Database, target: Database) -> None:
    """Copy all rows to a database in which nothing was ever stored, or none. Raises UnusableStoreError, DBAPIError."""
    with source.read() as reading, target.transaction() as writing:
        if writing.execute(select(store_identity.c.id)).first() is not None:
            raise UnusableStoreError("The database is in use by another home. Create an empty one.")
        writing.execute(schema_version.delete())  # written with the tables; that of the source is the same
        for table in tables.discover().sorted_tables:
            found = reading.execution_options(yield_per=ROWS).execute(select(table))
            for rows in found.mappings().partitions(ROWS):
                writing.execute(table.insert(), [dict(row) for row in rows])
            if table.autoincrement_column is not None:
                _set_counter(writing, table, _counter(reading, table))


def _counter(connection: Connection, table: Table) -> int:
    """Return the greatest id that a table has had."""
    column = table.autoincrement_column
    greatest = connection.execute(select(func.max(column))).scalar() or 0
    if connection.dialect.name == "postgresql":
        assert column is not None, "only tables with a counter are asked"
        sequence = connection.execute(select(func.pg_get_serial_sequence(table.name, column.name))).scalar_one()
        used = connection.execute(text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}"))
    elif not table.dialect_options["sqlite"]["autoincrement"]:
        return int(greatest)
    else:
        used = connection.execute(text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
    return max(int(greatest), int(used.scalar() or 0))


def _set_counter(connection: Connection, table: Table, greatest: int) -> None:
    """Let the ids of new rows follow this one."""
    column = table.autoincrement_column
    if not greatest or column is None:
        return
    if connection.dialect.name == "postgresql":
        sequence = func.pg_get_serial_sequence(table.name, column.name)
        connection.execute(select(func.setval(sequence, greatest)))
    elif table.dialect_options["sqlite"]["autoincrement"]:
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
        row = {"name": table.name, "greatest": greatest}
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :greatest)"), row)
