"""SQLite: one file, write-ahead log, fully synchronous. The default, since it needs no server."""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from lowcloud.store import private_files
from lowcloud.store.db.backend import UnusableStoreError
from lowcloud.store.db.database_copy import copy_beside, size_of_copy
from lowcloud.store.db.prepared import PreparedStatement

BUSY_TIMEOUT_SECONDS = 30
CHECKPOINT_TIMEOUT_SECONDS = 1  # how long a checkpoint waits for readers
_SIZE = ("page_count", "page_size")
_BEGIN_WRITING, _BEGIN_READING = PreparedStatement(text("BEGIN IMMEDIATE")), PreparedStatement(text("BEGIN"))
# A checkpoint copies pages of the log into the database; with rare ones, a page written often is copied once.
CHECKPOINT_PAGES = 4000


class SQLite:
    """Implements backend.Backend. One writer at a time; readers never wait for it."""

    max_readers = 256

    def __init__(self, url: URL):
        if url.database is not None:
            private_files.make_file(url.database)  # SQLite creates its log files with the mode of the database
        # The connection used last has the warmest page cache.
        self.engine = create_engine(
            url, poolclass=QueuePool, pool_size=16, max_overflow=48, pool_use_lifo=True, hide_parameters=True
        )
        self.writer = Writer(url.database)
        event.listen(self.engine, "connect", _prepare)

    def begin(self, connection: Connection, writes: bool) -> None:
        """See Backend.begin. A deferred BEGIN can fail immediately when it first writes, so writers use IMMEDIATE."""
        (_BEGIN_WRITING if writes else _BEGIN_READING).rows(connection)

    def begin_upgrade(self, connection: Connection) -> None:
        """See Backend.begin_upgrade. With foreign keys, recreating a table deletes rows that refer to it."""
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")  # has no effect inside a transaction
        self.begin(connection, writes=True)

    def back_up(self, version: int) -> Path | None:
        """See Backend.back_up."""
        if self.engine.url.database is None:
            return None
        database = Path(self.engine.url.database)
        try:
            return copy_beside(database, version)
        except (OSError, sqlite3.Error) as error:
            raise UnusableStoreError(
                f"{database} must be upgraded, and the copy to keep of it first could not be made: {error}. It takes "
                f"{size_of_copy(database)} bytes in {database.parent}. Nothing was changed."
            ) from error

    def check_upgraded(self, connection: Connection) -> None:
        """See Backend.check_upgraded. Foreign keys were off during the upgrade."""
        if dangling := self._dangling(connection):
            raise UnusableStoreError(f"After the upgrade {dangling[0]}. Report this as a fault of Lowcloud.")

    def check_intact(self, connection: Connection) -> None:
        """See Backend.check_intact. SQLite itself raises an error."""

    def finish_tables(self, connection: Connection) -> None:
        """See Backend.finish_tables. There are none."""

    def shrink_log(self) -> None:
        """See Backend.shrink_log. A checkpoint copies the log into the database, whose file must be able to grow."""
        if self.engine.url.database is None:
            return
        with self.engine.connect() as connection:
            pages, page_bytes = (connection.exec_driver_sql(f"PRAGMA {of}").scalar_one() for of in _SIZE)
            size = Path(self.engine.url.database).stat().st_size
            disk = os.statvfs(self.engine.url.database)
            if pages * page_bytes - size > disk.f_bavail * disk.f_frsize:
                return  # the attempt would fail, and use up the free space
            connection.exec_driver_sql(f"PRAGMA busy_timeout={CHECKPOINT_TIMEOUT_SECONDS * 1000}")
            try:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}")

    def integrity_errors(self, connection: Connection) -> Sequence[str]:
        """See Backend.integrity_errors."""
        errors = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
        return [*(error for error in errors if error != "ok"), *self._dangling(connection)]

    def explain(self, error: DBAPIError) -> str:
        """See Backend.explain."""
        return f"{self.engine.url.database} cannot be opened: {error.orig}."

    def advise(self, _error: DBAPIError) -> str:
        """See Backend.advise."""
        return ""

    def close(self) -> None:
        """See Backend.close."""
        self.engine.dispose()
        self.writer.close()

    def _dangling(self, connection: Connection) -> Sequence[str]:
        found = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        return [f"a row of {table} refers to one of {other} that does not exist" for table, _, other, _ in found]


class Writer:
    """The lock of the one writer, across threads and processes.

    SQLite's own busy handler sleeps in steps of up to 100 ms; file locks hand over immediately.
    """

    def __init__(self, database: str | None):
        self._lock = threading.Lock()
        self._file = None if database is None else _open_lock(f"{database}-writer")

    def __enter__(self) -> None:
        self._lock.acquire()
        try:
            self._flock(fcntl.LOCK_EX)
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            self._flock(fcntl.LOCK_UN)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the lock file."""
        if self._file is not None:
            self._file.close()

    def _flock(self, kind: int) -> None:
        if self._file is not None:
            fcntl.flock(self._file, kind)


def _open_lock(path: str) -> TextIO:
    return open(path, "w", opener=private_files.opener)


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin in SQLite.begin, not implicitly in the driver
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "case_sensitive_like=ON",  # prefixes are compared byte by byte
        f"busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}")
