"""Upgrades the database of a home to the schema of this version of Lowcloud, if no server uses it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Connection

from lowcloud.core.control import leader_election
from lowcloud.home.settings import Settings
from lowcloud.store import store_identity
from lowcloud.store.blobs.encryption import KeyRing
from lowcloud.store.db import upgrade
from lowcloud.store.db.backend import UnusableStoreError
from lowcloud.store.db.upgrade import Plan, Upgraded


def plan_for(settings: Settings) -> Plan:
    """Return what an upgrade of the home would do; the home may be in use. Raises UnusableStoreError."""
    if not _has_database(settings):
        return Plan(None)
    return upgrade.plan(settings.database_url, partial(_check_owner, settings))


def upgrade_home(settings: Settings) -> Upgraded | None:
    """Upgrade the home; None if there is nothing to do. Raises UnusableStoreError."""
    if not _has_database(settings):
        return None

    @contextmanager
    def permission(_connection: Connection) -> Iterator[None]:
        # The database may be in use by servers of other homes, which the lock in this home does not show.
        try:
            with leader_election.no_servers(settings.work):
                yield
        except leader_election.ServersRunningError as error:
            raise UnusableStoreError(
                "The database must be upgraded, and a server of an earlier Lowcloud still uses it. Stop every server "
                "of this store (lowcloud down), then start again."
            ) from error

    check = partial(_check_owner, settings)
    return upgrade.upgrade(settings.database_url, permission, check, settings.account_id)


def _check_owner(settings: Settings, connection: Connection) -> None:
    store_identity.check_owner(connection, KeyRing(settings.encryption_key), settings.account_id)


def _has_database(settings: Settings) -> bool:
    """Return whether there is a database to look into; opening a file that is missing would create it."""
    return settings.database is not None or settings.database_file.exists()
