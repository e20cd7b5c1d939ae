"""The database: transactions on SQLite or PostgreSQL, through SQLAlchemy Core."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from lowcloud.store.db import schema_check, tables
from lowcloud.store.db.backend import Backend, UnusableStoreError
from lowcloud.store.db.prepared import PreparedStatement, Row, to_dbapi_error
from lowcloud.store.db.sqlite import SQLite
from lowcloud.store.db.tables.schema import SCHEMA_VERSION, schema_version
from lowcloud.store.db.upsert import insert_missing

Result = TypeVar("Result")

SQLITE = "sqlite:///"  # followed by the path of a file


class Database:
    """Runs transactions. There is one writer at a time, of all processes; readers never wait for it.

    Raises UnusableStoreError; UpgradeNeededError, see schema_check, where upgrade.py helps.
    """

    def __init__(self, url: str):
        self._backend = open_backend(url)
        self._waiting: deque[_Change[Any]] = deque()
        self._has_leader = False  # one of the waiting threads applies the changes of all, or is about to
        self._election = threading.Lock()
        # Reused: taking one from the pool costs as much as a small change.
        self._writer_connections: list[Connection] = []
        self._readers: deque[Any] = deque()
        self._reader_slots = threading.Semaphore(self._backend.max_readers)
        try:
            with self.transaction() as connection:
                self.is_new = _make_tables(connection, self._backend)
        except BaseException as error:
            self.close()
            if isinstance(error, DBAPIError):
                raise UnusableStoreError(self._backend.explain(error)) from error
            raise

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Write in a transaction: durable when the block has ended, rolled back if it raises."""
        with self._backend.writer, self._in_transaction(writes=True) as connection:
            yield connection

    def apply(self, change: Callable[[Connection], Result]) -> Result:
        """Run `change` in a transaction: durable when this returns, rolled back if it raises.

        Changes that wait for the writer's lock share a transaction, and so its fsync (group commit); each has a
        savepoint of its own. `change` may use nothing but the database: it may run in another caller's thread.
        If the connection is lost during the commit, this raises and it is unknown whether the change was committed.
        """
        waiting_change = _Change(change)
        with self._election:
            self._waiting.append(waiting_change)
            is_leader, self._has_leader = not self._has_leader, True
        if not is_leader:
            waiting_change.wait()
        if not waiting_change.is_done:  # this thread is the leader
            self._apply_waiting()
        return waiting_change.result()

    def _apply_waiting(self) -> None:
        """Apply the waiting changes, then let a thread that has arrived meanwhile apply the next ones."""
        changes: list[_Change[Any]] = []
        try:
            with self._backend.writer:
                changes = self._take_waiting()
                self._run(changes)
        except BaseException as error:  # raised by the lock
            changes = [*changes, *self._take_waiting()]
            for change in changes:
                change.fail(error)
            raise
        finally:
            with self._election:
                next_leader = self._waiting[0] if self._waiting else None
                self._has_leader = next_leader is not None
            for change in (*changes, *([next_leader] if next_leader else [])):
                change.wake()

    def _take_waiting(self) -> list["_Change[Any]"]:
        with self._election:
            return [self._waiting.popleft() for _ in range(len(self._waiting))]

    def _run(self, changes: Sequence["_Change[Any]"]) -> None:
        try:
            with self._in_transaction(writes=True) as connection:
                for change in changes:
                    change.run(connection, is_alone=len(changes) == 1)
        except BaseException as error:  # the transaction is rolled back, and with it every change
            for change in changes:
                change.fail(error)
            if not isinstance(error, Exception):
                raise
        for change in changes:
            change.is_done = True

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Read one consistent snapshot."""
        with self._in_transaction(writes=False) as connection:
            yield connection

    def fetch(self, statement: PreparedStatement, **values: Any) -> list[Row]:
        """Execute one statement and return its rows, without the cost of a transaction."""
        with self._reader_slots:
            try:
                return self._fetch(statement, values)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            # The database server was restarted, which has closed every connection.
            self._close_readers()
            self._backend.engine.dispose()
            return self._fetch(statement, values)

    def _fetch(self, statement: PreparedStatement, values: dict[str, Any]) -> list[Row]:
        try:
            driver = self._readers.pop()
        except IndexError:
            driver = self._new_reader()
        try:
            return statement.run(self._backend.engine.dialect, driver, values)
        except DBAPIError as error:
            if error.connection_invalidated:
                driver.close()
                driver = None
            raise
        finally:
            if driver is not None:
                self._readers.append(driver)

    def _new_reader(self) -> Any:
        """Open a driver's connection in autocommit mode."""
        engine = self._backend.engine
        try:
            connection = engine.raw_connection()
        except engine.dialect.loaded_dbapi.Error as error:
            raise to_dbapi_error("connect", error, engine.dialect, None) from error
        driver = connection.driver_connection
        connection.detach()
        return driver

    def shrink_log(self) -> None:
        """Free the disk space of the write-ahead log, as far as possible. Raises DBAPIError."""
        with self._backend.writer:
            self._backend.shrink_log()

    def integrity_errors(self) -> Sequence[str]:
        """Return what the database's own integrity check finds. Raises DBAPIError."""
        with self.read() as connection:
            return self._backend.integrity_errors(connection)

    def close(self) -> None:
        """Close all connections."""
        self._close_readers()
        while self._writer_connections:
            self._writer_connections.pop().close()
        self._backend.close()

    def _close_readers(self) -> None:
        while self._readers:
            self._readers.pop().close()

    @contextmanager
    def _in_transaction(self, writes: bool) -> Iterator[Connection]:
        connection, transaction = self._begin(writes)
        try:
            with transaction:
                yield connection
                if writes:
                    self._backend.check_intact(connection)
        finally:
            if writes and not connection.invalidated:
                self._writer_connections.append(connection)
            else:
                connection.close()

    def _begin(self, writes: bool) -> tuple[Connection, Any]:
        """Begin a transaction. A connection that was lost while idle is replaced: nothing was done on it."""
        while True:
            connection = (
                self._writer_connections.pop()
                if writes and self._writer_connections
                else self._backend.engine.connect()
            )
            try:
                transaction = connection.begin()
                self._backend.begin(connection, writes)
                return connection, transaction
            except DBAPIError as error:
                is_lost = error.connection_invalidated
                connection.close()
                if not is_lost:
                    raise
            except BaseException:
                connection.close()
                raise


class _Change(Generic[Result]):
    """One caller's part of a shared transaction."""

    def __init__(self, change: Callable[[Connection], Result]):
        self._change = change
        self._results: list[Result] = []
        self._wake = threading.Lock()
        self._wake.acquire()
        self.error: BaseException | None = None
        self.is_done = False

    def fail(self, error: BaseException) -> None:
        """End with the error of the shared transaction."""
        self.error = self.error or error
        self.is_done = True

    def wait(self) -> None:
        """Wait until the change is done, or until its thread becomes the leader."""
        self._wake.acquire()

    def wake(self) -> None:
        """End the wait."""
        self._wake.release()

    def run(self, connection: Connection, is_alone: bool) -> None:
        """Run the change. Raises only what rolls back the whole transaction."""
        if is_alone:
            self._results.append(self._change(connection))
            return
        driver: Any = connection.connection.dbapi_connection  # SQLAlchemy's savepoints would cost as much as the change
        driver.execute("SAVEPOINT change")
        try:
            self._results.append(self._change(connection))
        except Exception as error:  # noqa: BLE001 (raised again in the caller's thread)
            self.error = error
            try:
                driver.execute("ROLLBACK TO SAVEPOINT change")
            except connection.dialect.loaded_dbapi.Error:  # a full disk or a lost connection has rolled back everything
                raise error from None
        driver.execute("RELEASE SAVEPOINT change")

    def result(self) -> Result:
        """Return what the change returned. Raises what it or the commit raised."""
        if self.error is not None:
            raise self.error
        return self._results[0]


def open_backend(url: str) -> Backend:
    """Return the database at an address. Raises UnusableStoreError."""
    if url.startswith(SQLITE):  # not parsed: the path may contain any character
        return SQLite(URL.create("sqlite", database=url.removeprefix(SQLITE) or None))
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UnusableStoreError("The database address is malformed; write postgresql://USER@HOST/NAME.") from error
    try:
        from lowcloud.store.db.postgresql import PostgreSQL  # an optional dependency
    except ImportError as error:
        raise UnusableStoreError(f"PostgreSQL needs a driver: pip install 'lowcloud[postgresql]'. ({error})") from error
    return PostgreSQL(parsed)


def _make_tables(connection: Connection, backend: Backend) -> bool:
    """Create the tables if there are none, and return whether there were none. Raises SchemaVersionError."""
    version = schema_check.version_of(connection)
    if version is not None:
        schema_check.require_current(version)
        return False
    tables.discover().create_all(connection)
    backend.finish_tables(connection)
    insert_missing(connection, schema_version, {"id": 1, "version": SCHEMA_VERSION})
    return True
