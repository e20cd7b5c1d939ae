"""Schema check: the version of a database's schema, and whether this version of Lowcloud supports it."""

from sqlalchemy import Connection, inspect, select

from lowcloud.store.db import migrations
from lowcloud.store.db.backend import UnusableStoreError
from lowcloud.store.db.tables.schema import SCHEMA_VERSION, schema_version


class SchemaVersionError(UnusableStoreError):
    """The database has a version of the schema that this version of Lowcloud does not support."""


class UpgradeNeededError(SchemaVersionError):
    """The database has an older version of the schema, which can be upgraded."""


def version_of(connection: Connection) -> int | None:
    """Return the version of a database's schema; None if it has no tables yet. Raises SchemaVersionError."""
    if not inspect(connection).has_table(schema_version.name):
        return None
    found = connection.scalars(select(schema_version.c.version)).all()
    if len(found) != 1 or not isinstance(found[0], int):
        raise SchemaVersionError("The version of the schema in the database is missing or damaged. Restore a backup.")
    return found[0]


def require_current(version: int) -> None:
    """Raise UpgradeNeededError for an older version that can be upgraded, SchemaVersionError for any other."""
    if version == SCHEMA_VERSION:
        return
    found = f"The database has schema version {version}"
    if version > SCHEMA_VERSION:
        raise SchemaVersionError(
            f"{found}, which was created by a newer version of Lowcloud; this version supports versions up to "
            f"{SCHEMA_VERSION}. Install the newer version again (pip install --upgrade lowcloud). To use this version, "
            "restore the copy of the database that was made before the upgrade; see docs/migrations.md."
        )
    if version < migrations.oldest_version():
        raise SchemaVersionError(
            f"{found}, and this version of Lowcloud can upgrade version {migrations.oldest_version()} or later. "
            "Use the version of Lowcloud that created it, or copy its objects into a new home with any S3 client."
        )
    raise UpgradeNeededError(
        f"{found}, and this version of Lowcloud needs version {SCHEMA_VERSION}. Stop the server if it runs (lowcloud "
        "down); the next `lowcloud up` upgrades the database, and so does `lowcloud upgrade`."
    )
