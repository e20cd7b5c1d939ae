"""Tables of jobs, one for each kind of job."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, text

from lowcloud.store.db.tables.schema import lease, metadata


def _queue() -> tuple[Column[Any], ...]:
    """The columns of a job that the queue uses; see core/scheduling/admission.py."""
    return (
        Column("owner", String, nullable=False, server_default=""),  # a role; the machine is divided fairly among roles
        Column("priority", Integer, nullable=False, server_default="0"),  # higher first
        Column("replicas", Integer, nullable=False, server_default="1"),
        # Of each replica: requested, or allocated once the job is admitted.
        Column("cpus", Float, nullable=False, server_default="0"),
        Column("memory_bytes", BigInteger, nullable=False, server_default="0"),
        Column("gpus", Integer, nullable=False, server_default="0"),
        Column("is_spot", Boolean, nullable=False, server_default="0"),  # may be interrupted for a higher priority
        Column("admitted_at", Float),  # null: it waits for capacity, or ended before it was admitted
        Column("blocked_at", Float),  # when it became the first job in the queue that does not fit
        Column("pool_key", String),  # a job with the same key can reuse the warm pool of this one; null: it has none
        Column("keep_alive_seconds", Integer),
        Column("retained_until", Float),  # end of its warm pool; null: it has none
        Column("reused_by", String(63)),
    )


def _queue_indexes(name: str) -> tuple[Index, ...]:
    """Indexes by which ended jobs cost nothing, and waiting jobs almost nothing."""
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
    """The table of one kind of job: the columns that the reconciler and the queue use, and JSON documents."""
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
        Column("specification", JSON, nullable=False),  # the request; never changes
        Column("progress", JSON, nullable=False),  # jobs.Progress as JSON
        *_queue(),
        *lease(),
        *_queue_indexes(name),
        # Listings: of the newest, of a state's newest, and sorted by state. Searches for a part of a name
        # scan the index.
        Index(f"{name}_by_age", "created_at", "name", "modified_at"),
        Index(f"{name}_of_state", "state", "created_at", "name"),
        Index(f"{name}_by_state", "state", "name"),
    )


training_jobs = job_table("training_jobs")
processing_jobs = job_table("processing_jobs")
