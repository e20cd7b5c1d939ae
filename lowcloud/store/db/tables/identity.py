"""Tables of users, groups, roles, access keys, policies, instance profiles and identity providers.

Users, groups and roles have unique ids, by which other rows refer to them: they can be renamed, and one created later
under the name of a deleted one is another. `owner` is the id of a user, group or role.
"""

from sqlalchemy import Boolean, Column, Float, Index, Integer, LargeBinary, String, Table, Text

from lowcloud.store.db.tables.schema import metadata


def _named() -> tuple[Column[str], Column[str], Column[str], Column[str], Column[float]]:
    """The columns of what an account has by name."""
    return (
        Column("account", String(12), primary_key=True),
        Column("name", String(128), primary_key=True),
        Column("id", String(32), nullable=False, unique=True),
        Column("path", String(512), nullable=False),
        Column("created_at", Float, nullable=False),
    )


users = Table(
    "users",
    metadata,
    *_named(),
    Column("boundary", String(2048)),  # the ARN of a managed policy
)

user_groups = Table("user_groups", metadata, *_named())

group_members = Table(
    "group_members",
    metadata,
    Column("account", String(12), nullable=False),
    Column("group_id", String(32), primary_key=True),
    Column("user_id", String(32), primary_key=True),
    Index("groups_of_user", "user_id"),
)

roles = Table(
    "roles",
    metadata,
    *_named(),
    Column("trust_policy", Text, nullable=False),
    Column("trusted_ids", Text, nullable=False, server_default="{}"),  # JSON: of the principals it names, by their ARNs
    Column("description", Text, nullable=False, server_default=""),
    Column("max_session_seconds", Integer, nullable=False),
    Column("boundary", String(2048)),  # the ARN of a managed policy
    Column("last_used_at", Float),
    Column("last_used_region", String(64)),
)

access_keys = Table(
    "access_keys",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("user_id", String(32), nullable=False, index=True),
    Column("secret", LargeBinary, nullable=False),  # sealed
    Column("is_active", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float),
    Column("last_used_service", String(64)),
    Column("last_used_region", String(64)),
)

inline_policies = Table(
    "inline_policies",
    metadata,
    Column("account", String(12), nullable=False),
    Column("owner", String(32), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("document", Text, nullable=False),
)

policy_attachments = Table(
    "policy_attachments",
    metadata,
    Column("account", String(12), nullable=False),
    Column("owner", String(32), primary_key=True),
    Column("policy", String(2048), primary_key=True),  # its ARN
    Index("attachments_of_policy", "account", "policy"),
)

managed_policies = Table(
    "managed_policies",
    metadata,
    *_named(),
    Column("description", Text, nullable=False, server_default=""),
    Column("default_version", Integer, nullable=False),
    Column("newest_version", Integer, nullable=False),  # ever created: numbers are not used again
    Column("modified_at", Float, nullable=False),
)

managed_policy_versions = Table(
    "managed_policy_versions",
    metadata,
    Column("account", String(12), nullable=False),
    Column("policy_id", String(32), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", Text, nullable=False),
    Column("created_at", Float, nullable=False),
)

instance_profiles = Table(
    "instance_profiles",
    metadata,
    *_named(),
    Column("role_id", String(32), index=True),  # null: none yet
)

oidc_providers = Table(
    "oidc_providers",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("name", String(255), primary_key=True),  # the URL of the issuer without https://
    Column("url", String(2048), nullable=False),
    Column("document", Text, nullable=False),  # JSON: client ids and thumbprints
    Column("created_at", Float, nullable=False),
)
