"""What each database does in its own way; sqlite.py and postgresql.py do it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError


class UnusableStoreError(Exception):
    """The database cannot be used as it is; the message says why, and what to do."""


class Backend(Protocol):
    """A database and how it is spoken to."""

    @property
    def engine(self) -> Engine:
        """Opens connections that begin no transaction by themselves."""

    @property
    def writer(self) -> AbstractContextManager[object]:
        """The right to write, of one thread of this process at a time."""

    @property
    def most_lookers(self) -> int:
        """How many connections may be open beside the engine's."""

    def begin(self, connection: Connection, writes: bool) -> None:
        """Begin a transaction; one that writes is the only one of all processes. Raises DBAPIError."""

    def begin_upgrade(self, connection: Connection) -> None:
        """Begin a transaction that alters tables, on a connection that is used for nothing else. Raises DBAPIError."""

    def back_up(self, version: int) -> Path | None:
        """Copy what is committed, of a version of the schema, where that is possible here.

        Raises UnusableStoreError.
        """

    def check_upgraded(self, connection: Connection) -> None:
        """Raises UnusableStoreError where tables that were altered no longer hold what the others refer to."""

    def check_intact(self, connection: Connection) -> None:
        """Raises where the transaction's commit would undo it without a word."""

    def finish_tables(self, connection: Connection) -> None:
        """Settle, for tables just made, what SQLAlchemy has no word for."""

    def shorten_log(self) -> None:
        """Give back what room the log of changes takes, as far as that can be; nobody writes. Raises DBAPIError."""

    def faults(self, connection: Connection) -> Sequence[str]:
        """What the database finds wrong with its own files. Raises DBAPIError."""

    def explain(self, error: DBAPIError) -> str:
        """Why the database cannot be used, and what to do; no password is told."""

    def close(self) -> None:
        """Give everything back."""
