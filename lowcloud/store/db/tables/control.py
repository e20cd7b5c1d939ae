"""Background tasks of the server, one row each."""

from sqlalchemy import JSON, Column, String, Table

from lowcloud.store.db.tables.schema import lease, metadata

periodic_tasks = Table(
    "periodic_tasks",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("progress", JSON, nullable=False),  # in the form of the task
    *lease(),
)
