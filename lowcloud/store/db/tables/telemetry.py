"""Tables of logs and metrics."""

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from lowcloud.store.db.tables.schema import metadata

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
    Column("source", String),  # the work whose output was read last
    Column("source_offset", Integer, nullable=False, server_default="0"),  # the offset up to which its log was read
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
    Column("step", Integer),  # the iteration in which it was measured; null: not given
    Index("metric_series", "namespace", "dimensions", "name", "at"),
)

# A summary of each series, updated with every recorded point, so that points need not be read.
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
