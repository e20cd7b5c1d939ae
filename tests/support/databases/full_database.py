"""A database that cannot store another row: SQLite or PostgreSQL."""

from lowcloud.core.context import Context
from lowcloud.store.db import tables

FULL = """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"""


def fill(context: Context) -> None:
    """Have the database take no more: its file may not grow, or the server says that its disk is full."""
    with context.database.transaction() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA max_page_count=1")  # of this connection, which is the pool's only one
            return
        connection.exec_driver_sql(FULL)
        for name in tables.discover().tables:
            trigger = f"CREATE TRIGGER full_disk BEFORE INSERT ON {name} EXECUTE FUNCTION full_disk()"
            connection.exec_driver_sql(trigger)


def make_room(context: Context) -> None:
    """Let it grow again."""
    with context.database.transaction() as connection:
        is_file = connection.dialect.name == "sqlite"
        connection.exec_driver_sql("PRAGMA max_page_count=100000" if is_file else "DROP FUNCTION full_disk CASCADE")
