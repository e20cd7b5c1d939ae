"""Add the audit log, which begins with the first request after the upgrade."""

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.operations import Operations


def upgrade(op: "Operations") -> None:
    """See the module's docstring."""
    op.create_table(
        "audit_records",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("service", sa.String(64), nullable=False),
        sa.Column("operation", sa.String(128), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("access_key_id", sa.String(128), nullable=False),
        sa.Column("is_read_only", sa.Boolean, nullable=False),
        sa.Column("is_refused", sa.Boolean, nullable=False),
    )
    op.create_index("audit_records_by_time", "audit_records", ["account", "time", "number"])
    op.create_table(
        "audit_chain",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
