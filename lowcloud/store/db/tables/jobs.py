"""Jobs, images, models and endpoints: what the reconciler carries forward, and what is kept beside it."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text, text

from lowcloud.store.db.tables.schema import lease, metadata

# What the server does by itself, again and again: one row for each periodic task.

periodic_tasks = Table(
    "periodic_tasks",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("progress", JSON, nullable=False),  # in the form of the task
    *lease(),
)


def _queue() -> tuple[Column[Any], ...]:
    """What the queue needs of a row of a job; see core/scheduling/admission.py."""
    return (
        Column("owner", String, nullable=False, server_default=""),  # among whom the machine is shared fairly
        Column("priority", Integer, nullable=False, server_default="0"),  # higher first
        Column("replicas", Integer, nullable=False, server_default="1"),
        Column("cpus", Float, nullable=False, server_default="0"),  # of each replica: asked for; once admitted, its own
        Column("memory_bytes", BigInteger, nullable=False, server_default="0"),
        Column("gpus", Integer, nullable=False, server_default="0"),
        Column("is_spot", Boolean, nullable=False, server_default="0"),  # may be interrupted for a higher priority
        Column("admitted_at", Float),  # null: it waits for room, or has ended before it got any
        Column("blocked_at", Float),  # since when it is the first that finds no room
        Column("pool_key", String),  # what a job must match to take over what this one leaves; null: nothing is kept
        Column("keep_alive_seconds", Integer),
        Column("retained_until", Float),  # null: it has left nothing
        Column("reused_by", String(63)),
    )


def _queue_indexes(name: str) -> tuple[Index, ...]:
    """So that jobs that have ended cost nothing, and those that wait next to it."""
    waits = text("admitted_at IS NULL AND ended_at IS NULL")
    runs = text("admitted_at IS NOT NULL AND due_at IS NOT NULL")
    keeps = text("retained_until IS NOT NULL")
    in_turn = (text("priority DESC"), "created_at", "name")
    return (
        Index(f"{name}_waiting", "owner", *in_turn, sqlite_where=waits, postgresql_where=waits),
        Index(f"{name}_running", "admitted_at", sqlite_where=runs, postgresql_where=runs),
        Index(f"{name}_retained", "retained_until", sqlite_where=keeps, postgresql_where=keeps),
        Index(f"{name}_served", "owner", "admitted_at"),
    )


def job_table(name: str, metadata: MetaData = metadata) -> Table:
    """The table of one kind of job: it has all that the reconciler and the queue need, and JSON for the rest."""
    return Table(
        name,
        metadata,
        Column("name", String(63), primary_key=True),
        Column("state", String(32), nullable=False),
        Column("created_at", Float, nullable=False),
        Column("modified_at", Float, nullable=False, index=True),
        Column("ended_at", Float),
        Column("stop_requested", Boolean, nullable=False, server_default="0"),
        Column("interrupt_requested", Boolean, nullable=False, server_default="0"),
        Column("specification", JSON, nullable=False),  # what was asked; never changes
        Column("progress", JSON, nullable=False),  # what has become of it
        *_queue(),
        *lease(),
        *_queue_indexes(name),
        # Listings: of the newest, of a state's newest, and sorted by state. A name's part is looked for in the index.
        Index(f"{name}_by_age", "created_at", "name", "modified_at"),
        Index(f"{name}_of_state", "state", "created_at", "name"),
        Index(f"{name}_by_state", "state", "name"),
    )


training_jobs = job_table("training_jobs")
processing_jobs = job_table("processing_jobs")

images = Table(
    "images",
    metadata,
    Column("name", String(512), primary_key=True),
    Column("created_at", Float, nullable=False),
    Column("specification", JSON, nullable=False),  # how the user wants it to be run
)

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

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("subject", String, nullable=False),  # "training-job/NAME", "endpoint/NAME"
    Column("at", Float, nullable=False),
    Column("state", String(32), nullable=False),
    Column("message", Text, nullable=False),
    Index("events_of_subject", "subject", "id"),
)

tags = Table(
    "tags",
    metadata,
    Column("subject", String, primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("value", String(256), nullable=False),
)
