"""Tables of roles and their policies."""

from sqlalchemy import Column, Float, ForeignKey, Integer, String, Table, Text

from lowcloud.store.db.tables.schema import metadata

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
