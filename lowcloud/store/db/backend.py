"""The protocol by which SQLite and PostgreSQL differ; sqlite.py and postgresql.py implement it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError


class UnusableStoreError(Exception):
    """The database cannot be used; the message says why, and what to do."""


class Backend(Protocol):
    """The functions in which the two databases differ."""

    @property
    def engine(self) -> Engine:
        """The engine, whose connections do not begin transactions by themselves."""

    @property
    def writer(self) -> AbstractContextManager[object]:
        """The lock that a writer holds, one thread of this process at a time."""

    @property
    def max_readers(self) -> int:
        """How many connections may be open in addition to the engine's."""

    def begin(self, connection: Connection, writes: bool) -> None:
        """Begin a transaction; there is one writer at a time, of all processes. Raises DBAPIError."""

    def begin_upgrade(self, connection: Connection) -> None:
        """Begin a transaction that alters tables, on a connection that is used for nothing else. Raises DBAPIError."""

    def back_up(self, version: int) -> Path | None:
        """Copy the committed data before an upgrade from this version of the schema, and return the copy's path.

        None if this database cannot be copied from here. Raises UnusableStoreError.
        """

    def check_upgraded(self, connection: Connection) -> None:
        """Raise UnusableStoreError if a row refers to one that the upgrade has lost."""

    def check_intact(self, connection: Connection) -> None:
        """Raise RuntimeError if the commit would silently roll back."""

    def finish_tables(self, connection: Connection) -> None:
        """Set options of newly created tables that SQLAlchemy cannot express."""

    def shrink_log(self) -> None:
        """Free the disk space of the write-ahead log, as far as possible, holding `writer`. Raises DBAPIError."""

    def integrity_errors(self, connection: Connection) -> Sequence[str]:
        """Return what the database's own integrity check finds. Raises DBAPIError."""

    def explain(self, error: DBAPIError) -> str:
        """Return why the database cannot be used and what to do, without a password."""

    def advise(self, error: DBAPIError) -> str:
        """Return a sentence about what to do, or ""."""

    def close(self) -> None:
        """Close all connections."""
