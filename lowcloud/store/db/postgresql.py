"""PostgreSQL through psycopg 3, with SQLite's semantics: one writer, byte-wise comparison of text, NUL in text."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, Integer, String, Text, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateColumn

from lowcloud.store.db import psycopg_types
from lowcloud.store.db.backend import UnusableStoreError

# A process has at most 16 connections: six processes fit into the 100 that PostgreSQL gives by default.
POOL_SIZE = 6
POOL_OVERFLOW = 4
MAX_READERS = 6
CONNECT_TIMEOUT_SECONDS = 10
PAUSED_WRITER_SECONDS = 60  # a process that hangs in a transaction blocks all other writers
WRITER = "68624, 1"  # the key of the writer's advisory lock, used by nothing else in this database

BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# The lock is released once the commit is visible, so the next writer sees all earlier commits.
BEGIN_WRITE = (
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
    f"SET LOCAL idle_in_transaction_session_timeout = '{PAUSED_WRITER_SECONDS}s';"
    f"SELECT pg_advisory_xact_lock({WRITER})"
)
# A stronger setting (remote_apply) is left as it is.
BE_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
COMPRESSED = (
    "SELECT relname, attname FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid WHERE relkind = 'r' "
    "AND relnamespace = current_schema()::regnamespace AND atttypid = 'bytea'::regtype AND attstorage <> 'e'"
)
NEEDED = {"server_encoding": "UTF8", "fsync": "on", "full_page_writes": "on", "default_transaction_read_only": "off"}
# Part of the server's message, and what to do about it.
ADVICE = {
    "password authentication failed": "Check the user and the password.",
    "no password supplied": "Give the password in $LOWCLOUD_DATABASE, in $PGPASSWORD or in ~/.pgpass.",
    "does not exist": "Create it, or use another.",
    "no pg_hba.conf entry": "Allow this machine and user in the server's pg_hba.conf.",
    "permission denied for schema": "Make the user the owner of the database, or grant it CREATE on the schema.",
    "permission denied for database": "Grant the user CONNECT on the database.",
    "permission denied for": "The tables belong to another user: connect as their owner, or let that user run "
    "REASSIGN OWNED BY CURRENT_USER TO the other.",
    "must be owner of": "The tables belong to another user: connect as their owner, or let that user run "
    "REASSIGN OWNED BY CURRENT_USER TO the other.",
    "too many clients": "Raise max_connections on the server.",
    "remaining connection slots": "Raise max_connections on the server.",
}
UNREACHABLE = "Check that the server is running and that its address is right."


class PostgreSQL:
    """Implements backend.Backend.

    Raises UnusableStoreError if the server is unreachable or its settings endanger the data.
    """

    max_readers = MAX_READERS

    def __init__(self, url: URL):
        self.engine = _make_engine(url)
        self.writer = threading.Lock()
        try:
            with self.engine.connect() as connection:
                _check_server(connection)
        except DBAPIError as error:
            raise UnusableStoreError(self.explain(error)) from error

    def begin(self, connection: Connection, writes: bool) -> None:
        """See Backend.begin."""
        connection.exec_driver_sql(BEGIN_WRITE if writes else BEGIN_READ)

    def begin_upgrade(self, connection: Connection) -> None:
        """See Backend.begin_upgrade."""
        self.begin(connection, writes=True)

    def back_up(self, _version: int) -> Path | None:
        """See Backend.back_up. The operator makes the copy, with the pg_dump of the server's version."""
        return None

    def check_upgraded(self, connection: Connection) -> None:
        """See Backend.check_upgraded. PostgreSQL enforces foreign keys during the upgrade."""

    def check_intact(self, connection: Connection) -> None:
        """See Backend.check_intact. After a failed statement, COMMIT rolls back without an error."""
        driver: Any = connection.connection.driver_connection
        if driver.info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
            raise RuntimeError(
                "A statement of this transaction failed and its error was ignored: the transaction is rolled back."
            )

    def shrink_log(self) -> None:
        """See Backend.shrink_log. The server manages its own log."""

    def integrity_errors(self, _connection: Connection) -> Sequence[str]:
        """See Backend.integrity_errors. The server verifies page checksums itself (initdb --data-checksums)."""
        return ()

    def finish_tables(self, connection: Connection) -> None:
        """See Backend.finish_tables. Turns off compression of bytes, which are ciphertext here."""
        quote = connection.dialect.identifier_preparer.quote
        for table, column in connection.exec_driver_sql(COMPRESSED):
            place = f"ALTER TABLE {quote(table)} ALTER COLUMN {quote(column)}"
            connection.exec_driver_sql(f"{place} SET STORAGE EXTERNAL")

    def explain(self, error: DBAPIError) -> str:
        """See Backend.explain. Quotes the server's message."""
        message = " ".join(str(error.orig).split()).removeprefix("connection failed: ").rstrip(".")
        return (
            f"The database {self.engine.url.render_as_string()} cannot be used: {message}. {self.advise(error)}".strip()
        )

    def advise(self, error: DBAPIError) -> str:
        """See Backend.advise. An error without a code is not one of the server, which was not reached."""
        was_reached = getattr(error.orig, "sqlstate", None) is not None
        found = (advice for part, advice in ADVICE.items() if part in str(error.orig))
        return next(found, "" if was_reached else UNREACHABLE)

    def close(self) -> None:
        """See Backend.close."""
        self.engine.dispose()


def _make_engine(url: URL) -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_use_lifo=True,
        hide_parameters=True,
        use_native_hstore=False,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "client_encoding": "utf8",
            "application_name": "lowcloud",
        },
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: Any, _record: Any) -> None:
    connection.autocommit = True  # transactions begin in PostgreSQL.begin, not implicitly in the driver
    connection.execute(BE_DURABLE)
    psycopg_types.register(connection)


def _check_server(connection: Connection) -> None:
    """Raise UnusableStoreError if the server could lose acknowledged writes or cannot store every text."""
    for name, value in NEEDED.items():
        found = connection.exec_driver_sql(f"SHOW {name}").scalar()
        if found != value:
            raise UnusableStoreError(
                f"The database has {name} = {found}, but Lowcloud requires {value}. Change the setting on the server."
            )
    if connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar():
        raise UnusableStoreError("The database is a read-only standby. Use the primary server.")


# SQLite ignores the declared length of text and the width of integers, and compares text byte by byte. The same here:
# in every column and, since the dialect casts bound values, in every comparison.


@compiles(String, "postgresql")
@compiles(Text, "postgresql")
def _text(_type: Any, _compiler: Any, **_options: Any) -> str:
    return 'TEXT COLLATE "C"'


@compiles(Integer, "postgresql")
def _integer(_type: Any, _compiler: Any, **_options: Any) -> str:
    return "BIGINT"


@compiles(CreateColumn, "postgresql")
def _auto_increment_column(create: Any, compiler: Any, **options: Any) -> str:
    return str(compiler.visit_create_column(create, **options)).replace(" SERIAL", " BIGSERIAL")
