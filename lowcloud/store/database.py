"""The database: SQLite (WAL, fully synchronous) by default, through SQLAlchemy Core so that others fit."""

import fcntl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, create_engine, event, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from lowcloud.store.prepared import Prepared, Row
from lowcloud.store.tables import SCHEMA_VERSION, metadata, schema_version
from lowcloud.store.upsert import insert_missing

BUSY_TIMEOUT_SECONDS = 30
# A checkpoint copies pages of the log into the database. Rare ones copy a page once that was written many times.
CHECKPOINT_PAGES = 4000
Result = TypeVar("Result")


class OtherSchema(Exception):
    """The database was made by a Lowcloud of another schema version."""


class Database:
    """Opens transactions. SQLite has one writer at a time; readers never wait for it."""

    def __init__(self, url: str):
        # The connection used last has the warmest page cache.
        self._engine = create_engine(url, poolclass=QueuePool, pool_size=16, max_overflow=48, pool_use_lifo=True)
        self._writer = _Writer(self._engine.url.database if self._engine.dialect.name == "sqlite" else None)
        self._waiting: deque[_Change[Any]] = deque()
        self._lookers: deque[Any] = deque()
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        with self.transaction() as connection:
            _check_version(connection)
            metadata.create_all(connection)
            _keep_version(connection)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Write: on disk when the block has ended, undone when it raises."""
        with self._writer, self._engine.connect() as connection:
            connection.execution_options(writes=True)
            with connection.begin():
                yield connection

    def apply(self, change: Callable[[Connection], Result]) -> Result:
        """Write what `change` writes: on disk when this returns, undone when it raises.

        Changes that wait for one another at the writer's lock share a transaction, and so its sync to disk; each is
        undone by itself. `change` must touch nothing but the database: it may be run in another caller's thread.
        """
        mine = _Change(change)
        self._waiting.append(mine)
        with self._writer:
            if not mine.is_over:  # else whoever held the lock before has done it
                self._apply_waiting()
        return mine.outcome()

    def _apply_waiting(self) -> None:
        changes = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            with self._engine.connect() as connection:
                connection.execution_options(writes=True)
                with connection.begin():
                    for change in changes:
                        change.run(connection, is_alone=len(changes) == 1)
        except BaseException as error:  # the transaction is undone, and with it every change
            for change in changes:
                change.error = change.error or error
            if not isinstance(error, Exception):
                raise
        finally:
            for change in changes:
                change.is_over = True

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Read one consistent snapshot."""
        with self._engine.connect() as connection:
            yield connection

    def look(self, statement: Prepared, **values: Any) -> list[Row]:
        """What one statement finds in the snapshot of its moment, without the cost of a transaction."""
        try:
            driver = self._lookers.pop()
        except IndexError:
            driver = self._new_looker()
        found = statement.run(self._engine.dialect, driver, values)
        self._lookers.append(driver)
        return found

    def close(self) -> None:
        """Give the connections back."""
        while self._lookers:
            self._lookers.pop().close()
        self._engine.dispose()
        self._writer.close()

    def _new_looker(self) -> Any:
        """A driver's connection that commits by itself."""
        driver_error = self._engine.dialect.loaded_dbapi.Error
        try:
            connection = self._engine.raw_connection()
        except driver_error as error:
            raise DBAPIError.instance(None, None, error, driver_error) from error
        driver = connection.dbapi_connection
        connection.detach()
        if self._engine.dialect.name != "sqlite":  # which does so unless told BEGIN
            driver.autocommit = True  # type: ignore[union-attr]
        return driver


class _Writer:
    """The right to write, of one thread of one process at a time.

    SQLite's own busy handler sleeps in steps of up to 100 ms; locks hand over at once.
    """

    def __init__(self, database: str | None):
        self._lock = threading.Lock()
        self._file = None if database is None else Path(f"{database}-writer").open("w")  # noqa: SIM115 (kept open)

    def __enter__(self) -> None:
        self._lock.acquire()
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._lock.release()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


class _Change(Generic[Result]):
    """One caller's part of a shared transaction."""

    def __init__(self, change: Callable[[Connection], Result]):
        self._change = change
        self._results: list[Result] = []
        self.error: BaseException | None = None
        self.is_over = False

    def run(self, connection: Connection, is_alone: bool) -> None:
        """Make the change. Raises what undoes the whole transaction."""
        if is_alone:
            self._results.append(self._change(connection))
            return
        driver: Any = connection.connection.dbapi_connection  # SQLAlchemy's savepoints cost as much as the change
        driver.execute("SAVEPOINT change")
        try:
            self._results.append(self._change(connection))
        except Exception as error:  # noqa: BLE001 (it is raised again where it belongs, in the caller's thread)
            self.error = error
            try:
                driver.execute("ROLLBACK TO SAVEPOINT change")
            except (
                connection.dialect.loaded_dbapi.Error
            ):  # on a full disk SQLite has undone the whole transaction by itself
                raise error from None
        driver.execute("RELEASE SAVEPOINT change")

    def outcome(self) -> Result:
        """What the change returned. Raises what it raised, or what the commit did."""
        if self.error is not None:
            raise self.error
        return self._results[0]


def _check_version(connection: Connection) -> None:
    if inspect(connection).has_table(schema_version.name):
        version = connection.scalar(select(schema_version.c.version))
        if version != SCHEMA_VERSION:
            raise OtherSchema(
                f"This database has schema version {version}, and this Lowcloud knows version {SCHEMA_VERSION}. "
                "Use the Lowcloud that made it."
            )


def _keep_version(connection: Connection) -> None:
    insert_missing(connection, schema_version, {"id": 1, "version": SCHEMA_VERSION})


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin in _begin_sqlite, not where the driver guesses
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A deferred BEGIN that turns into a write can fail with SQLITE_BUSY at once, so writers say so at the start.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
