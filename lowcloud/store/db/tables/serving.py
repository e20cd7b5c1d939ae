"""Tables of models, endpoint configurations and endpoints."""

from sqlalchemy import JSON, Boolean, Column, Float, String, Table

from lowcloud.store.db.tables.schema import lease, metadata

models = Table(
    "models",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("created_at", Float, nullable=False, index=True),
    Column("specification", JSON, nullable=False),
)

endpoint_configurations = Table(
    "endpoint_configurations",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("created_at", Float, nullable=False, index=True),
    Column("specification", JSON, nullable=False),
)

endpoints = Table(
    "endpoints",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("state", String(32), nullable=False),
    Column("created_at", Float, nullable=False, index=True),
    Column("modified_at", Float, nullable=False, index=True),
    Column("configuration", String(63), nullable=False),
    Column("delete_requested", Boolean, nullable=False, server_default="0"),
    Column("progress", JSON, nullable=False),
    *lease(),
)
