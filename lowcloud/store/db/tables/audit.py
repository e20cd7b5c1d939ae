"""The audit log: its records, each with a hash that covers the one before, and the sealed ends of the chain."""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, String, Table, Text

from lowcloud.store.db.tables.schema import metadata

audit_records = Table(
    "audit_records",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # without gaps
    Column("document", Text, nullable=False),  # canonical JSON; the other columns repeat what is looked up by
    Column("hash", LargeBinary, nullable=False),
    Column("time", Float, nullable=False),
    Column("account", String(12), nullable=False),
    Column("id", String(64), nullable=False),  # of the request
    Column("service", String(64), nullable=False),
    Column("operation", String(128), nullable=False),
    Column("name", String(128), nullable=False),  # of the principal
    Column("access_key_id", String(128), nullable=False),
    Column("is_read_only", Boolean, nullable=False),
    Column("is_refused", Boolean, nullable=False),
    Index("audit_records_by_time", "account", "time", "number"),
)

audit_chain = Table(
    "audit_chain",
    metadata,
    Column("id", Integer, primary_key=True),  # 1: the only row
    Column("sealed", LargeBinary, nullable=False),  # core/audit/chain.py: Chain, encrypted with the home's key
)
