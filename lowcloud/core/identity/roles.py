"""Roles that programs and users assume, with their trust policies and permission policies."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, InUseError, NotFoundError
from lowcloud.core.identity.identifiers import new_identifier
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.store.db.tables.identity import role_attachments, role_policies, roles

DEFAULT_SESSION_SECONDS = 3600

ROLE = ResourceKind("role", "role", roles, lambda row: Role(**row._mapping), ignores_case=True, has_tags=False)


@dataclass(frozen=True)
class Role:
    """One role. Policies are JSON texts; `created_at` is in seconds since the epoch."""

    name: str
    role_id: str
    path: str
    trust_policy: str
    description: str
    max_session_seconds: int
    created_at: float


def create(
    context: Context,
    name: str,
    trust_policy: str,
    path: str = "/",
    description: str = "",
    max_session_seconds: int = DEFAULT_SESSION_SECONDS,
) -> Role:
    """Create a role. Raises AlreadyExistsError; names are case-insensitive."""
    role_id = new_identifier("AROA", 17)
    role = Role(name, role_id, path, trust_policy, description, max_session_seconds, float(int(context.now())))
    with context.database.transaction() as connection:
        if resources.exists(connection, ROLE.is_named(name)):
            raise AlreadyExistsError(ROLE.noun, name)
        connection.execute(insert(roles).values(**vars(role)))
    context.access.invalidate()
    return role


def ensure(context: Context, name: str, trust_policy: str) -> Role:
    """Return the role of this name, created with the trust policy if there is none."""
    try:
        return resources.find(context, ROLE, name)
    except NotFoundError:
        pass
    try:
        return create(context, name, trust_policy, max_session_seconds=12 * 3600)
    except AlreadyExistsError:  # another server of this store was quicker
        return resources.find(context, ROLE, name)


def list_page(context: Context, path_prefix: str, after: str, limit: int) -> tuple[list[Role], bool]:
    """Return the roles under a path whose names come after `after`, by name, and whether there are more."""
    found = (
        select(roles)
        .where(roles.c.name > after, roles.c.path.startswith(path_prefix, autoescape=True))
        .order_by(roles.c.name)
        .limit(limit + 1)
    )
    with context.database.read() as connection:
        rows = [ROLE.load(row) for row in connection.execute(found)]
    return rows[:limit], len(rows) > limit


def delete(context: Context, name: str) -> None:
    """Delete a role. Raises NotFoundError, and InUseError while policies are attached or written into the role."""
    resources.delete(context, ROLE, name, _require_no_policies)
    context.access.invalidate()  # its sessions end


def attach(context: Context, name: str, policy: str) -> None:
    """Attach a policy by its identifier; attaching it again changes nothing. Raises NotFoundError."""
    with context.database.transaction() as connection:
        row = {"role": resources.require(connection, ROLE, name).name, "policy": policy}
        if policy not in _attachments(connection, row["role"]):
            connection.execute(insert(role_attachments).values(row))
    context.access.invalidate()


def detach(context: Context, name: str, policy: str) -> None:
    """Detach a policy. Raises NotFoundError for an unknown role and for a policy that is not attached."""
    with context.database.transaction() as connection:
        role = resources.require(connection, ROLE, name).name
        rows = role_attachments.c
        removed = connection.execute(role_attachments.delete().where(rows.role == role, rows.policy == policy))
        if removed.rowcount == 0:
            raise NotFoundError("policy attached to the role", policy)
    context.access.invalidate()


def attachments(context: Context, name: str) -> Sequence[str]:
    """Return the identifiers of the attached policies, sorted. Raises NotFoundError."""
    with context.database.read() as connection:
        return _attachments(connection, resources.require(connection, ROLE, name).name)


def put_policy(context: Context, name: str, policy_name: str, document: str) -> None:
    """Write a policy into a role, over the one of this name. Raises NotFoundError."""
    with context.database.transaction() as connection:
        role = resources.require(connection, ROLE, name).name
        _delete_policy(connection, role, policy_name)
        connection.execute(insert(role_policies).values(role=role, name=policy_name, document=document))
    context.access.invalidate()


def get_policy(context: Context, name: str, policy_name: str) -> str:
    """Return the document of a policy written into a role. Raises NotFoundError."""
    document = policies(context, name).get(policy_name)
    if document is None:
        raise NotFoundError("role policy", policy_name)
    return document


def policies(context: Context, name: str) -> dict[str, str]:
    """Return the documents of the policies written into a role, by name, sorted. Raises NotFoundError."""
    rows = role_policies.c
    with context.database.read() as connection:
        role = resources.require(connection, ROLE, name).name
        found = connection.execute(select(rows.name, rows.document).where(rows.role == role).order_by(rows.name))
        return {row.name: row.document for row in found}


def delete_policy(context: Context, name: str, policy_name: str) -> None:
    """Delete a policy that is written into a role. Raises NotFoundError."""
    with context.database.transaction() as connection:
        if _delete_policy(connection, resources.require(connection, ROLE, name).name, policy_name) == 0:
            raise NotFoundError("role policy", policy_name)
    context.access.invalidate()


def _require_no_policies(connection: Connection, role: Role) -> None:
    for table, what in ((role_attachments, "detach policies"), (role_policies, "delete policies")):
        if resources.exists(connection, table.c.role == role.name):
            raise InUseError(f"Cannot delete entity, must {what} first.")


def _attachments(connection: Connection, role: str) -> list[str]:
    rows = role_attachments.c
    return list(connection.execute(select(rows.policy).where(rows.role == role).order_by(rows.policy)).scalars())


def _delete_policy(connection: Connection, role: str, policy_name: str) -> int:
    rows = role_policies.c
    return connection.execute(role_policies.delete().where(rows.role == role, rows.name == policy_name)).rowcount
