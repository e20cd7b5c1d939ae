"""Which version of the schema a database has, and whether this Lowcloud can use it."""

from sqlalchemy import Connection, inspect, select

from lowcloud.store.db import migrations
from lowcloud.store.db.backend import UnusableStoreError
from lowcloud.store.db.tables.schema import SCHEMA_VERSION, schema_version


class SchemaVersionError(UnusableStoreError):
    """The database has a version of the schema that this Lowcloud cannot use."""


class UpgradeNeededError(SchemaVersionError):
    """The database has an older version of the schema, which can be upgraded."""


def version_of(connection: Connection) -> int | None:
    """Return the version of a database's schema; None if it has no tables yet."""
    if not inspect(connection).has_table(schema_version.name):
        return None
    return int(connection.execute(select(schema_version.c.version)).scalar_one())


def require_current(version: int) -> None:
    """Raises UpgradeNeededError for an older version that can be upgraded, SchemaVersionError for any other."""
    if version == SCHEMA_VERSION:
        return
    found = f"The database has schema version {version}"
    if version > SCHEMA_VERSION:
        raise SchemaVersionError(
            f"{found}, which a newer Lowcloud has made; this one knows versions up to {SCHEMA_VERSION}. "
            "Install the newer one again (pip install --upgrade lowcloud). To go back to this one, put back the copy "
            "of the database that was made before the upgrade; docs/migrations.md tells how."
        )
    if version < migrations.oldest_version():
        raise SchemaVersionError(
            f"{found}, and this Lowcloud upgrades from version {migrations.oldest_version()} on. Use the "
            "Lowcloud that made it, or copy its objects into a new home with any S3 client."
        )
    raise UpgradeNeededError(
        f"{found}, and this Lowcloud needs version {SCHEMA_VERSION}. Stop the server if it runs (lowcloud "
        "down); the next `lowcloud up` upgrades the database, and so does `lowcloud upgrade`."
    )
