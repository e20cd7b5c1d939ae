"""Upgrades a database to the newest version of the schema: a copy first, then every step in one transaction."""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from lowcloud.store.db import migrations, schema_check
from lowcloud.store.db.backend import Backend, UnusableStoreError
from lowcloud.store.db.database import SQLITE, open_backend
from lowcloud.store.db.database_copy import open_read_only
from lowcloud.store.db.migrations import Migration
from lowcloud.store.db.schema_check import UpgradeNeededError
from lowcloud.store.db.tables.schema import SCHEMA_VERSION, schema_version

log = logging.getLogger("lowcloud.store")

Check = Callable[[Connection], None]  # raises UnusableStoreError if the database is another home's
# Entered before anything is changed, and left when the upgrade is done. Raises UnusableStoreError if the upgrade must
# not begin.
Permission = Callable[[Connection], AbstractContextManager[None]]


def _accept(_connection: Connection) -> None:
    """Accept any database."""


@dataclass(frozen=True)
class Plan:
    """The plan of an upgrade."""

    version: int | None  # of the database's schema; None: it has no tables yet
    pending: Sequence[Migration] = ()


@dataclass(frozen=True)
class Upgraded:
    """The result of an upgrade."""

    version: int  # of the database's schema before
    steps: Sequence[Migration]
    copy: Path | None  # of the database as it was


class UpgradeError(UnusableStoreError):
    """The upgrade has failed."""


def plan(url: str, check: Check = _accept) -> Plan:
    """Return what an upgrade of a database would do, without writing anything. Raises UnusableStoreError."""
    if url.startswith(SQLITE):
        return _plan_of_file(Path(url.removeprefix(SQLITE)), check)
    backend = open_backend(url)
    try:
        with backend.engine.connect() as connection, connection.begin():
            backend.begin(connection, writes=False)
            return _plan(connection, check)
    except DBAPIError as error:
        raise UnusableStoreError(backend.explain(error)) from error
    finally:
        backend.close()


def upgrade(url: str, permission: Permission, check: Check = _accept, account_id: str = "") -> Upgraded | None:
    """Upgrade a database; None if that is not needed, or another process has just done it.

    `account_id` is the account of the home, to which the rows of versions with one account belong. A process that is
    killed during the upgrade leaves the database as it was. Raises UnusableStoreError.
    """
    backend = open_backend(url)
    try:
        with backend.writer, backend.engine.connect() as connection:
            return _upgrade(backend, connection, check, permission, account_id)
    except DBAPIError as error:
        message = str(error.orig).strip().rstrip(".")
        raise UpgradeError(
            f"The database could not be upgraded: {message}. An upgrade that does not complete changes nothing. "
            f"{backend.advise(error)}".strip()
        ) from error
    finally:
        backend.close()


def _plan_of_file(database: Path, check: Check) -> Plan:
    if not database.exists():
        return Plan(None)
    engine = create_engine("sqlite://", creator=lambda: open_read_only(database), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            return _plan(connection, check)
    except DBAPIError as error:
        raise UnusableStoreError(f"{database} cannot be read: {error.orig}.") from error
    except sqlite3.Error as error:
        raise UnusableStoreError(f"{database} cannot be read: {error}.") from error


def _plan(connection: Connection, check: Check) -> Plan:
    version = schema_check.version_of(connection)
    if version is None:
        return Plan(None)
    check(connection)
    try:
        schema_check.require_current(version)
    except UpgradeNeededError:
        return Plan(version, migrations.newer_than(version))
    return Plan(version)


def _upgrade(
    backend: Backend, connection: Connection, check: Check, permission: Permission, account_id: str
) -> Upgraded | None:
    copy, found = None, Plan(None)
    try:
        with connection.begin():
            backend.begin_upgrade(connection)
            found = _plan(connection, check)
            if found.version is None or not found.pending:
                return None
            with permission(connection):
                log.info("upgrading the database from schema version %d to %d", found.version, SCHEMA_VERSION)
                if copy := backend.back_up(found.version):
                    log.info("a copy of the database before the upgrade is in %s", copy)
                _apply(backend, connection, found.pending, account_id)
    except BaseException:
        if copy is not None and _has_version(backend, found.version):
            copy.unlink()  # nothing was committed, and each retry makes another copy
        raise
    return Upgraded(found.version, found.pending, copy)


def _has_version(backend: Backend, version: int | None) -> bool:
    """Return whether the database is certain to have this schema version; whether a failed commit counts is not."""
    try:
        with backend.engine.connect() as connection, connection.begin() as transaction:
            backend.begin(connection, writes=False)
            found = schema_check.version_of(connection)
            transaction.rollback()
            return found == version
    except DBAPIError:
        return False


def _apply(backend: Backend, connection: Connection, steps: Sequence[Migration], account_id: str) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # when it is imported, it logs its plugins
    from alembic.migration import MigrationContext  # only here: it takes 0.3 s to load
    from alembic.operations import Operations

    operations = Operations(MigrationContext.configure(connection, opts={"account_id": account_id}))
    for step in steps:
        step.upgrade(operations)
        connection.execute(update(schema_version).values(version=step.version))
    backend.finish_tables(connection)
    backend.check_upgraded(connection)
    backend.check_intact(connection)
