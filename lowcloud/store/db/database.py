"""The database: transactions on SQLite or PostgreSQL, through SQLAlchemy Core."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from lowcloud.store.db import schema_check
from lowcloud.store.db.backend import Backend, UnusableStoreError
from lowcloud.store.db.prepared import Prepared, Row, told
from lowcloud.store.db.sqlite import SQLite
from lowcloud.store.db.tables import SCHEMA_VERSION, metadata, schema_version
from lowcloud.store.db.upsert import insert_missing

Result = TypeVar("Result")


class Database:
    """Opens transactions. There is one writer at a time, of all processes; readers never wait for it.

    Raises UnusableStoreError; UpgradeNeededError, see schema_check, where upgrade.py helps.
    """

    def __init__(self, url: str):
        self._backend = open_backend(url)
        self._waiting: deque[_Change[Any]] = deque()
        self._is_led = False  # one of those that wait is at work on it, or about to be
        self._election = threading.Lock()
        self._kept: list[Connection] = []  # the writer's: taking one from the pool costs as much as a small change
        self._lookers: deque[Any] = deque()
        self._may_look = threading.Semaphore(self._backend.most_lookers)
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
        """Write: on disk when the block has ended, undone when it raises."""
        with self._backend.writer, self._begun(writes=True) as connection:
            yield connection

    def apply(self, change: Callable[[Connection], Result]) -> Result:
        """Write what `change` writes: on disk when this returns, undone when it raises.

        Changes that wait for one another at the writer's lock share a transaction, and so its sync to disk; each is
        undone by itself. `change` must touch nothing but the database: it may be run in another caller's thread.
        Where the connection is lost while it commits, this raises and nobody knows whether it has.
        """
        mine = _Change(change)
        with self._election:
            self._waiting.append(mine)
            leads, self._is_led = not self._is_led, True
        if not leads:
            mine.wait()
        if not mine.is_over:  # it leads those that wait with it
            self._apply_waiting()
        return mine.outcome()

    def _apply_waiting(self) -> None:
        """Write what waits; whoever has come meanwhile leads next."""
        changes: list[_Change[Any]] = []
        try:
            with self._backend.writer:
                changes = self._take_waiting()
                self._run(changes)
        except BaseException as error:  # of the lock
            changes = [*changes, *self._take_waiting()]
            for change in changes:
                change.fail(error)
            raise
        finally:
            with self._election:
                successor = self._waiting[0] if self._waiting else None
                self._is_led = successor is not None
            for change in (*changes, *([successor] if successor else [])):
                change.wake()

    def _take_waiting(self) -> list["_Change[Any]"]:
        with self._election:
            return [self._waiting.popleft() for _ in range(len(self._waiting))]

    def _run(self, changes: Sequence["_Change[Any]"]) -> None:
        try:
            with self._begun(writes=True) as connection:
                for change in changes:
                    change.run(connection, is_alone=len(changes) == 1)
        except BaseException as error:  # the transaction is undone, and with it every change
            for change in changes:
                change.fail(error)
            if not isinstance(error, Exception):
                raise
        for change in changes:
            change.is_over = True

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Read one consistent snapshot."""
        with self._begun(writes=False) as connection:
            yield connection

    def look(self, statement: Prepared, **values: Any) -> list[Row]:
        """What one statement finds in the snapshot of its moment, without the cost of a transaction."""
        with self._may_look:
            try:
                return self._look(statement, values)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            # The server has been started anew, and no connection has outlived that.
            self._close_lookers()
            self._backend.engine.dispose()
            return self._look(statement, values)

    def _look(self, statement: Prepared, values: dict[str, Any]) -> list[Row]:
        try:
            driver = self._lookers.pop()
        except IndexError:
            driver = self._new_looker()
        try:
            return statement.run(self._backend.engine.dialect, driver, values)
        except DBAPIError as error:
            if error.connection_invalidated:
                driver.close()
                driver = None
            raise
        finally:
            if driver is not None:
                self._lookers.append(driver)

    def _new_looker(self) -> Any:
        """A driver's connection that commits by itself."""
        engine = self._backend.engine
        try:
            connection = engine.raw_connection()
        except engine.dialect.loaded_dbapi.Error as error:
            raise told("connect", error, engine.dialect, None) from error
        driver = connection.driver_connection
        connection.detach()
        return driver

    def shorten_log(self) -> None:
        """Give back what room the log of changes takes, as far as that is possible. Raises DBAPIError."""
        with self._backend.writer:
            self._backend.shorten_log()

    def faults(self) -> Sequence[str]:
        """What the database finds wrong with its own files. Raises DBAPIError."""
        with self.read() as connection:
            return self._backend.faults(connection)

    def close(self) -> None:
        """Give the connections back."""
        self._close_lookers()
        while self._kept:
            self._kept.pop().close()
        self._backend.close()

    def _close_lookers(self) -> None:
        while self._lookers:
            self._lookers.pop().close()

    @contextmanager
    def _begun(self, writes: bool) -> Iterator[Connection]:
        connection, transaction = self._begin(writes)
        try:
            with transaction:
                yield connection
                if writes:
                    self._backend.check_intact(connection)
        finally:
            if writes and not connection.invalidated:
                self._kept.append(connection)
            else:
                connection.close()

    def _begin(self, writes: bool) -> tuple[Connection, Any]:
        """A connection in a transaction. One that has died while nobody used it is replaced: nothing was done in it."""
        while True:
            connection = self._kept.pop() if writes and self._kept else self._backend.engine.connect()
            try:
                transaction = connection.begin()
                self._backend.begin(connection, writes)
                return connection, transaction
            except DBAPIError as error:
                has_died = error.connection_invalidated
                connection.close()
                if not has_died:
                    raise
            except BaseException:
                connection.close()
                raise


class _Change(Generic[Result]):
    """One caller's part of a shared transaction."""

    def __init__(self, change: Callable[[Connection], Result]):
        self._change = change
        self._results: list[Result] = []
        self._turn = threading.Lock()
        self._turn.acquire()
        self.error: BaseException | None = None
        self.is_over = False

    def fail(self, error: BaseException) -> None:
        """Be undone by what went wrong with all."""
        self.error = self.error or error
        self.is_over = True

    def wait(self) -> None:
        """Until the change is over, or it is its caller's turn to lead."""
        self._turn.acquire()

    def wake(self) -> None:
        """End the wait, if there is one."""
        self._turn.release()

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
            except connection.dialect.loaded_dbapi.Error:  # a full disk or a lost connection has undone everything
                raise error from None
        driver.execute("RELEASE SAVEPOINT change")

    def outcome(self) -> Result:
        """What the change returned. Raises what it raised, or what the commit did."""
        if self.error is not None:
            raise self.error
        return self._results[0]


def open_backend(url: str) -> Backend:
    """The database at an address. Raises UnusableStoreError."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UnusableStoreError("The address of the database is none; write postgresql://USER@HOST/NAME.") from error
    if parsed.get_backend_name() == "sqlite":
        return SQLite(parsed)
    try:
        from lowcloud.store.db.postgresql import PostgreSQL  # what only its users have installed
    except ImportError as error:
        raise UnusableStoreError(f"PostgreSQL needs a driver: pip install 'lowcloud[postgresql]'. ({error})") from error
    return PostgreSQL(parsed)


def _make_tables(connection: Connection, backend: Backend) -> bool:
    """Whether there were none. Raises SchemaVersionError."""
    version = schema_check.version_of(connection)
    if version is not None:
        schema_check.require_current(version)
        return False
    metadata.create_all(connection)
    backend.finish_tables(connection)
    insert_missing(connection, schema_version, {"id": 1, "version": SCHEMA_VERSION})
    return True
