"""Give roles an account, their policies a place shared with users and groups, and add users, groups and access keys."""

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.operations import Operations


def upgrade(op: "Operations") -> None:
    """See the module's docstring."""
    connection = op.get_bind()
    before = {name: _rows(connection, name) for name in ("roles", "role_policies", "role_attachments")}
    for name in ("role_attachments", "role_policies", "roles"):
        op.drop_table(name)
    _create(op)
    account = op.get_context().opts["account_id"]
    ids = {role["name"]: role["role_id"] for role in before["roles"]}
    for role in before["roles"]:
        role |= {"account": account, "id": role.pop("role_id")}
    _insert(op, "roles", before["roles"])
    _insert(
        op,
        "inline_policies",
        [
            {"account": account, "owner": ids[row["role"]], "name": row["name"], "document": row["document"]}
            for row in before["role_policies"]
        ],
    )
    _insert(
        op,
        "policy_attachments",
        [
            {"account": account, "owner": ids[row["role"]], "policy": row["policy"]}
            for row in before["role_attachments"]
        ],
    )


def _rows(connection: sa.Connection, table: str) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(sa.text(f"SELECT * FROM {table}")).mappings()]


def _insert(op: "Operations", table: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        op.bulk_insert(sa.table(table, *(sa.column(name) for name in rows[0])), rows)


def _named() -> list[sa.Column[Any]]:
    return [
        sa.Column("account", sa.String(12), primary_key=True),
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("path", sa.String(512), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    ]


def _create(op: "Operations") -> None:
    op.create_table("users", *_named(), sa.Column("boundary", sa.String(2048)))
    op.create_table("user_groups", *_named())
    op.create_table(
        "group_members",
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("group_id", sa.String(32), primary_key=True),
        sa.Column("user_id", sa.String(32), primary_key=True),
    )
    op.create_index("groups_of_user", "group_members", ["user_id"])
    op.create_table(
        "roles",
        *_named(),
        sa.Column("trust_policy", sa.Text, nullable=False),
        sa.Column("trusted_ids", sa.Text, nullable=False, server_default="{}"),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("max_session_seconds", sa.Integer, nullable=False),
        sa.Column("boundary", sa.String(2048)),
        sa.Column("last_used_at", sa.Float),
        sa.Column("last_used_region", sa.String(64)),
    )
    op.create_table(
        "access_keys",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("user_id", sa.String(32), nullable=False, index=True),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("last_used_at", sa.Float),
        sa.Column("last_used_service", sa.String(64)),
        sa.Column("last_used_region", sa.String(64)),
    )
    _create_policies(op)
    op.create_table("instance_profiles", *_named(), sa.Column("role_id", sa.String(32), index=True))
    op.create_table(
        "oidc_providers",
        sa.Column("account", sa.String(12), primary_key=True),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("url", sa.String(2048), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )


def _create_policies(op: "Operations") -> None:
    op.create_table(
        "inline_policies",
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("owner", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "policy_attachments",
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("owner", sa.String(32), primary_key=True),
        sa.Column("policy", sa.String(2048), primary_key=True),
    )
    op.create_index("attachments_of_policy", "policy_attachments", ["account", "policy"])
    op.create_table(
        "managed_policies",
        *_named(),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("default_version", sa.Integer, nullable=False),
        sa.Column("newest_version", sa.Integer, nullable=False),
        sa.Column("modified_at", sa.Float, nullable=False),
    )
    op.create_table(
        "managed_policy_versions",
        sa.Column("account", sa.String(12), nullable=False),
        sa.Column("policy_id", sa.String(32), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
