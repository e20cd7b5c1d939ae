"""What all tables share: their metadata, the version of the schema, and whose store it is."""

from sqlalchemy import Column, Float, Integer, LargeBinary, MetaData, String, Table

from lowcloud.store.db import migrations

metadata = MetaData()


def lease() -> tuple[Column[float], Column[str], Column[float]]:
    """The columns of rows that the reconciler advances: when the row is due, who holds its lease, and until when."""
    return (
        Column("due_at", Float, index=True),  # null: nothing left to do
        Column("lease_owner", String),
        Column("lease_until", Float, nullable=False, server_default="0"),
    )


SCHEMA_VERSION = migrations.newest_version()

schema_version = Table(
    "schema_version",
    metadata,
    Column("id", Integer, primary_key=True),  # 1: the only row
    Column("version", Integer, nullable=False),
)

store_identity = Table(
    "store_identity",
    metadata,
    Column("id", Integer, primary_key=True),  # 1: the only row
    Column("store_id", String(32), nullable=False),  # also in the file store-id next to the blobs
    Column("seal", LargeBinary, nullable=False),  # the account id, encrypted with the encryption key
)
