"""Every table. Times are seconds since the epoch; `document` columns hold what is only ever read whole."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    func,
    text,
)

metadata = MetaData()


def _lease() -> tuple[Column[float], Column[str], Column[float]]:
    """What the reconciler needs of a row it carries forward: when it is due, and who holds it until when."""
    return (
        Column("due_at", Float, index=True),  # null: nothing left to do
        Column("lease_owner", String),
        Column("lease_until", Float, nullable=False, server_default="0"),
    )


SCHEMA_VERSION = 5  # grows with every change of a table; store/migrations/ will lead from each to the next

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

# What the server does by itself, again and again: one row for each kind of errand.

errands = Table(
    "errands",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("progress", JSON, nullable=False),  # where the errand stands: its own
    *_lease(),
)

# Identity

roles = Table(
    "roles",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("role_id", String(32), nullable=False),
    Column("path", String(512), nullable=False),
    Column("trust_policy", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("max_session_seconds", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
)

role_policies = Table(
    "role_policies",
    metadata,
    Column("role", ForeignKey("roles.name", ondelete="CASCADE"), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("document", Text, nullable=False),
)

role_attachments = Table(
    "role_attachments",
    metadata,
    Column("role", ForeignKey("roles.name", ondelete="CASCADE"), primary_key=True),
    Column("policy", String(2048), primary_key=True),
)

# Jobs and endpoints


def _queue() -> tuple[Column[Any], ...]:
    """What the queue needs of a row of a job; see core/admission.py."""
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


def _jobs(name: str) -> Table:
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
        *_lease(),
        *_queue_indexes(name),
        # Listings: of the newest, of a state's newest, and sorted by state. A name's part is looked for in the index.
        Index(f"{name}_by_age", "created_at", "name", "modified_at"),
        Index(f"{name}_of_state", "state", "created_at", "name"),
        Index(f"{name}_by_state", "state", "name"),
    )


training_jobs = _jobs("training_jobs")
processing_jobs = _jobs("processing_jobs")

images = Table(
    "images",
    metadata,
    Column("name", String(512), primary_key=True),
    Column("created_at", Float, nullable=False),
    Column("specification", JSON, nullable=False),  # what the user has taught about it
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
    *_lease(),
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

# Logs and metrics

log_streams = Table(
    "log_streams",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("group", String(512), nullable=False),
    Column("name", String(512), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("first_event_ms", Integer),
    Column("last_event_ms", Integer),
    Column("last_ingestion_ms", Integer),
    Column("bytes", Integer, nullable=False, server_default="0"),
    Column("source", String),  # the work whose lines came last
    Column("source_offset", Integer, nullable=False, server_default="0"),  # how far its log was read
    Index("log_stream_by_name", "group", "name", unique=True),
)

log_groups = Table(
    "log_groups",
    metadata,
    Column("name", String(512), primary_key=True),
    Column("created_at", Float, nullable=False),
)

log_events = Table(
    "log_events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("stream", ForeignKey("log_streams.id", ondelete="CASCADE"), nullable=False),
    Column("timestamp_ms", Integer, nullable=False),
    Column("ingestion_ms", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Index("log_events_of_stream", "stream", "id"),
)

metric_points = Table(
    "metric_points",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("namespace", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("dimensions", Text, nullable=False),  # JSON object, keys sorted
    Column("at", Float, nullable=False),
    Column("value", Float, nullable=False),
    Column("unit", String(32), nullable=False, server_default="None"),
    Column("step", Integer),  # the iteration it was measured in; null: not said
    Index("metric_series", "namespace", "dimensions", "name", "at"),
)

# What is known of each series without reading its points: kept up with every point that is recorded.
metric_summaries = Table(
    "metric_summaries",
    metadata,
    Column("namespace", String(255), primary_key=True),
    Column("dimensions", Text, primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("points", BigInteger, nullable=False),
    Column("mean", Float, nullable=False),
    Column("squares", Float, nullable=False),  # sum of the squared distances from the mean
    Column("minimum", Float, nullable=False),
    Column("maximum", Float, nullable=False),
    Column("last", Float, nullable=False),
    Column("last_at", Float, nullable=False),
    sqlite_with_rowid=False,
)

# Object store. Keys are compared byte by byte (SQLite does so by itself).

_KEY = String().with_variant(String(collation="C"), "postgresql")

buckets = Table(
    "buckets",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("region", String(32), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("versioning", String(16)),  # "enabled" or "suspended"; null: never enabled
    Column("encryption", Text),  # JSON: of objects that do not say; null: {"algorithm": "AES256"}
    Column("object_lock", Text),  # JSON: {} or the retention of new objects; null: there is no lock
    Column("notifications", Text),  # JSON: the rules of which events to record; null: none
)

bucket_configurations = Table(
    "bucket_configurations",
    metadata,
    Column("bucket", ForeignKey("buckets.name", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(64), primary_key=True),
    Column("document", JSON, nullable=False),
    Column("modified_at", Float, nullable=False),
)

object_events = Table(
    "object_events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("bucket", String(63), nullable=False),  # may be gone since
    Column("key", _KEY, nullable=False),
    Column("version", String(32)),  # null: of a bucket that never kept versions
    Column("kind", String(32), nullable=False),
    Column("at", Float, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("etag", String(48), nullable=False),
    sqlite_autoincrement=True,  # the id of one that was forgotten is never given again
)

access_lists = Table(
    "access_lists",
    metadata,
    Column("bucket", ForeignKey("buckets.name", ondelete="CASCADE"), primary_key=True),
    Column("key", _KEY, primary_key=True),
    Column("object", String(32), primary_key=True),  # objects.id or uploads.id: a replacement has another list
    Column("document", JSON, nullable=False),
)

# Every version of every key, the newest of a key first (`position` grows with age). Columns hold what the driver takes
# as it is, since objects are written and read by prepared statements.
objects = Table(
    "objects",
    metadata,
    Column("bucket", ForeignKey("buckets.name"), primary_key=True),
    Column("key", _KEY, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("version", String(32), nullable=False),  # its id, or "null": written while the bucket kept no versions
    Column("id", String(32), nullable=False),  # of these very bytes: owns `parts`, or the row of `contents`
    Column("is_marker", Boolean, nullable=False),  # says that the key holds nothing since then
    Column("size", BigInteger, nullable=False),
    Column("etag", String(48), nullable=False),
    Column("modified_at", Float, nullable=False),
    Column("storage_class", String(32)),  # null: the standard one
    Column("checksum", String(128)),  # "ALGORITHM value", as core.checksums writes it
    Column("parts", Integer),  # null: not a multipart upload
    Column("retention", String(16)),  # "governance" or "compliance", until:
    Column("retain_until", Float),
    Column("legal_hold", Boolean),  # null: nothing was ever said of it
    Column("wrapped_key", LargeBinary),  # of the row of `contents`; null: the bytes are those of `parts`
    Column("document", LargeBinary, nullable=False),  # sealed: headers, user metadata, tags, encryption
    sqlite_with_rowid=False,
)

contents = Table(
    "contents",
    metadata,
    Column("id", String(32), primary_key=True),  # objects.id
    Column("sealed", LargeBinary, nullable=False),  # one encrypted record
    sqlite_with_rowid=False,
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(32), primary_key=True),  # becomes the object's id when the upload is completed
    Column("bucket", ForeignKey("buckets.name"), nullable=False),
    Column("key", _KEY, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("storage_class", String(32)),
    Column("algorithm", String(16), nullable=False),
    Column("is_composite", Boolean, nullable=False),
    Column("retention", String(16)),
    Column("retain_until", Float),
    Column("legal_hold", Boolean),
    Column("document", LargeBinary, nullable=False),  # as the object's
    Index("uploads_of_bucket", "bucket", "key", "id"),
)

parts = Table(
    "parts",
    metadata,
    Column("owner", String(32), primary_key=True),  # objects.id or uploads.id
    Column("number", Integer, primary_key=True),
    Column("blob", String(32), nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("etag", String(32), nullable=False),
    Column("modified_at", Float, nullable=False),
    Column("checksum", String(128)),  # by the upload's algorithm, base64; null for the one part of a plain object
    sqlite_with_rowid=False,
)


# Experiments: names are unique whatever the case of their letters.


def _tracked(*columns: Column[Any]) -> list[Column[Any]]:
    """What everything has that somebody keeps track of."""
    return [
        Column("display_name", String(120)),  # null: as the name
        Column("created_at", Float, nullable=False, index=True),
        Column("modified_at", Float, nullable=False, index=True),
        *columns,
    ]


experiments = Table(
    "experiments",
    metadata,
    Column("name", String(120), primary_key=True),
    *_tracked(Column("description", Text)),
)
Index("experiment_in_any_case", func.lower(experiments.c.name), unique=True)

trials = Table(
    "trials",
    metadata,
    Column("name", String(120), primary_key=True),
    *_tracked(
        Column("experiment", ForeignKey("experiments.name"), nullable=False, index=True),
        Column("metadata", JSON, nullable=False),
    ),
)
Index("trial_in_any_case", func.lower(trials.c.name), unique=True)

trial_components = Table(
    "trial_components",
    metadata,
    Column("name", String(120), primary_key=True),
    *_tracked(
        Column("source", String),  # the subject of the job it tells of; null: made by hand
        Column("run", String(120)),  # the component that somebody logs to, of which this one's job is a part
        Column("status", String(16)),  # null: not said
        Column("message", Text, nullable=False, server_default=""),
        Column("started_at", Float),
        Column("ended_at", Float),
        Column("parameters", JSON, nullable=False),
        Column("inputs", JSON, nullable=False),
        Column("outputs", JSON, nullable=False),
        Column("metadata", JSON, nullable=False),
    ),
)
Index("trial_component_in_any_case", func.lower(trial_components.c.name), unique=True)
Index("trial_component_of_source", func.lower(trial_components.c.source))
Index("trial_components_of_run", trial_components.c.run)

trial_members = Table(
    "trial_members",
    metadata,
    Column("trial", ForeignKey("trials.name"), primary_key=True),
    Column("component", ForeignKey("trial_components.name"), primary_key=True, index=True),
)

# Lineage: what came from what.

lineage_entities = Table(
    "lineage_entities",
    metadata,
    Column("kind", String(16), primary_key=True),  # "artifact", "action" or "context"
    Column("name", String(120), primary_key=True),  # an artifact's is made from its source
    *_tracked(
        Column("type", String(256), nullable=False),  # "DataSet", "Model", "Endpoint" ...
        Column("source", String(2048), nullable=False),  # URI, or "subject:" and a subject of this cloud
        Column("source_details", JSON, nullable=False),  # what tells versions of one source apart, and the like
        Column("status", String(16)),
        Column("description", Text),
        Column("properties", JSON, nullable=False),
        Column("metadata", JSON, nullable=False),
    ),
    Index("lineage_entities_of_source", "kind", "source", "created_at"),
    Index("lineage_entities_by_age", "kind", "created_at", "name"),
)

associations = Table(
    "associations",
    metadata,
    Column("name", String(320), primary_key=True),  # source and destination: what tells it from others
    Column("source", String(160), nullable=False, index=True),  # subjects, e.g. "artifact/NAME"
    Column("source_type", String(256), nullable=False),
    Column("destination", String(160), nullable=False, index=True),
    Column("destination_type", String(256), nullable=False),
    Column("type", String(16)),  # null: not said
    Column("created_at", Float, nullable=False, index=True),
    sqlite_with_rowid=False,
)
