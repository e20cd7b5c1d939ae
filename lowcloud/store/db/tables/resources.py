"""Tables of what resources of every kind have: events and tags, by subject."""

from sqlalchemy import Column, Float, Index, Integer, String, Table, Text

from lowcloud.store.db.tables.schema import metadata

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
