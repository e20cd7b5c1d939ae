"""PostgreSQL, spoken to by psycopg 3, made to mean what SQLite means: one writer, text by its bytes, any text."""

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
MOST_LOOKERS = 6
CONNECT_TIMEOUT_SECONDS = 10
PAUSED_WRITER_SECONDS = 60  # a process that stands still in a transaction keeps all others from writing
WRITER = "68624, 1"  # the advisory lock of whoever writes, by two numbers that nothing else in this database uses

BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# The lock is freed after the commit has become visible, and every statement behind it sees all earlier commits.
BEGIN_WRITE = (
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
    f"SET LOCAL idle_in_transaction_session_timeout = '{PAUSED_WRITER_SECONDS}s';"
    f"SELECT pg_advisory_xact_lock({WRITER})"
)
# A setting that promises more (remote_apply) stays as it is.
BE_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
COMPRESSED = (
    "SELECT relname, attname FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid WHERE relkind = 'r' "
    "AND relnamespace = current_schema()::regnamespace AND atttypid = 'bytea'::regtype AND attstorage <> 'e'"
)
NEEDED = {"server_encoding": "UTF8", "fsync": "on", "full_page_writes": "on", "default_transaction_read_only": "off"}
# What the server says, in part, and what to do then.
ADVICE = {
    "password authentication failed": "Check the user and the password.",
    "no password supplied": "Give the password in $LOWCLOUD_DATABASE, in $PGPASSWORD or in ~/.pgpass.",
    "does not exist": "Create it, or name another.",
    "no pg_hba.conf entry": "Let the server's pg_hba.conf admit this machine and user.",
    "permission denied for schema": "Make the user the owner of the database, or grant it CREATE on the schema.",
    "too many clients": "Raise max_connections there.",
    "remaining connection slots": "Raise max_connections there.",
}
UNREACHABLE = "Check that the server runs and that its address is right."


class PostgreSQL:
    """Implements backend.Backend.

    Raises UnusableStoreError where the server is not reached or cannot keep what it is given.
    """

    most_lookers = MOST_LOOKERS

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
        """See Backend.back_up: a copy is the operator's to make, with pg_dump, which fits the server's version."""
        return None

    def check_upgraded(self, connection: Connection) -> None:
        """See Backend.check_upgraded: PostgreSQL has looked all the time."""

    def check_intact(self, connection: Connection) -> None:
        """See Backend.check_intact. After a failed statement COMMIT means ROLLBACK, and is no error."""
        driver: Any = connection.connection.driver_connection
        if driver.info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
            raise RuntimeError("A statement of this transaction failed and its error was passed over: nothing is kept.")

    def shorten_log(self) -> None:
        """See Backend.shorten_log: the server sees to its own."""

    def faults(self, _connection: Connection) -> Sequence[str]:
        """See Backend.faults. It checks the sums of its pages itself, where it is told to (initdb --data-checksums)."""
        return ()

    def finish_tables(self, connection: Connection) -> None:
        """See Backend.finish_tables: bytes here are ciphertext, which PostgreSQL would try in vain to compress."""
        quote = connection.dialect.identifier_preparer.quote
        for table, column in connection.exec_driver_sql(COMPRESSED):
            place = f"ALTER TABLE {quote(table)} ALTER COLUMN {quote(column)}"
            connection.exec_driver_sql(f"{place} SET STORAGE EXTERNAL")

    def explain(self, error: DBAPIError) -> str:
        """See Backend.explain, in the server's words."""
        said = " ".join(str(error.orig).split()).removeprefix("connection failed: ").rstrip(".")
        advice = next((advice for part, advice in ADVICE.items() if part in said), UNREACHABLE)
        return f"The database {self.engine.url.render_as_string()} cannot be used: {said}. {advice}"

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
    connection.autocommit = True  # transactions begin in PostgreSQL.begin, not where the driver guesses
    connection.execute(BE_DURABLE)
    psycopg_types.register(connection)


def _check_server(connection: Connection) -> None:
    """Raises UnusableStoreError where the server loses what it has acknowledged, or cannot hold every text."""
    for name, value in NEEDED.items():
        found = connection.exec_driver_sql(f"SHOW {name}").scalar()
        if found != value:
            raise UnusableStoreError(f"The database has {name} = {found}, and Lowcloud needs {value}. Change it there.")
    if connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar():
        raise UnusableStoreError("The database is a standby that takes no writes. Name the primary server.")


# SQLite heeds neither the length of a text nor the width of a number, and compares text by its bytes. So here, in every
# column and, since the driver's dialect casts what is bound, in every comparison.


@compiles(String, "postgresql")
@compiles(Text, "postgresql")
def _text(_type: Any, _compiler: Any, **_options: Any) -> str:
    return 'TEXT COLLATE "C"'


@compiles(Integer, "postgresql")
def _integer(_type: Any, _compiler: Any, **_options: Any) -> str:
    return "BIGINT"


@compiles(CreateColumn, "postgresql")
def _numbered(create: Any, compiler: Any, **options: Any) -> str:
    return str(compiler.visit_create_column(create, **options)).replace(" SERIAL", " BIGSERIAL")
