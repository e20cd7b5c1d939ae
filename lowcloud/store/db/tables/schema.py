"""What all tables share: their metadata, the version of the schema, and whose store it is."""

from sqlalchemy import Column, Float, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()


def lease() -> tuple[Column[float], Column[str], Column[float]]:
    """What the reconciler needs of a row it carries forward: when it is due, and who holds it until when."""
    return (
        Column("due_at", Float, index=True),  # null: nothing left to do
        Column("lease_owner", String),
        Column("lease_until", Float, nullable=False, server_default="0"),
    )


SCHEMA_VERSION = 6  # grows with every change of a table, which store/db/migrations/ makes in databases that exist

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
    Column("store_id", String(32), nullable=False),  # what the folder of blobs is marked with, too
    Column("seal", LargeBinary, nullable=False),  # of the account's id, by the key that seals everything else
)
