"""Roles: names under which programs and people act, with the policies that say who may do so and what they may."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select

from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import AlreadyExists, InUse, NotFound
from lowcloud.store.tables import role_attachments, role_policies, roles

ID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
DEFAULT_SESSION_SECONDS = 3600


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
    cloud: Cloud,
    name: str,
    trust_policy: str,
    path: str = "/",
    description: str = "",
    max_session_seconds: int = DEFAULT_SESSION_SECONDS,
) -> Role:
    """A new role. Raises AlreadyExists; names differ by more than their case."""
    role_id = "AROA" + "".join(secrets.choice(ID_ALPHABET) for _ in range(17))
    role = Role(name, role_id, path, trust_policy, description, max_session_seconds, float(int(cloud.now())))
    with cloud.database.transaction() as connection:
        if _find(connection, name) is not None:
            raise AlreadyExists("role", name)
        connection.execute(insert(roles).values(**vars(role)))
    return role


def ensure(cloud: Cloud, name: str) -> Role:
    """The role of this name, made where it is missing: every caller of the account and every service may take it on."""
    with cloud.database.read() as connection:
        role = _find(connection, name)
    if role is not None:
        return role
    services = [f"{service}.amazonaws.com" for service in ("sagemaker", "lambda", "states", "events")]
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": cloud.settings.account_id, "Service": services},
        "Action": "sts:AssumeRole",
    }
    trust_policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    try:
        return create(cloud, name, trust_policy, max_session_seconds=12 * 3600)
    except AlreadyExists:  # another server of this home was quicker
        return find(cloud, name)


def find(cloud: Cloud, name: str) -> Role:
    """Raises NotFound."""
    with cloud.database.read() as connection:
        return _get(connection, name)


def page(cloud: Cloud, path_prefix: str, after: str, limit: int) -> tuple[list[Role], bool]:
    """Roles under a path by name, from behind `after` on, and whether there are more."""
    found = (
        select(roles)
        .where(roles.c.name > after, roles.c.path.startswith(path_prefix, autoescape=True))
        .order_by(roles.c.name)
        .limit(limit + 1)
    )
    with cloud.database.read() as connection:
        rows = [Role(**row) for row in connection.execute(found).mappings()]
    return rows[:limit], len(rows) > limit


def remove(cloud: Cloud, name: str) -> None:
    """Raises NotFound, and InUse while policies are attached or written into the role."""
    with cloud.database.transaction() as connection:
        role = _get(connection, name)
        for table, what in ((role_attachments, "detach policies"), (role_policies, "delete policies")):
            if connection.execute(select(table.c.role).where(table.c.role == role.name)).first() is not None:
                raise InUse(f"Cannot delete entity, must {what} first.")
        connection.execute(delete(roles).where(roles.c.name == role.name))


def attach(cloud: Cloud, name: str, policy: str) -> None:
    """Attach a policy by its identifier; attaching it again changes nothing. Raises NotFound."""
    with cloud.database.transaction() as connection:
        row = {"role": _get(connection, name).name, "policy": policy}
        if policy not in _attachments(connection, row["role"]):
            connection.execute(insert(role_attachments).values(row))


def detach(cloud: Cloud, name: str, policy: str) -> None:
    """Raises NotFound for an unknown role and for a policy that is not attached."""
    with cloud.database.transaction() as connection:
        role = _get(connection, name).name
        rows = role_attachments.c
        removed = connection.execute(delete(role_attachments).where(rows.role == role, rows.policy == policy))
        if removed.rowcount == 0:
            raise NotFound("policy attached to the role", policy)


def attachments(cloud: Cloud, name: str) -> Sequence[str]:
    """Identifiers of the attached policies, sorted. Raises NotFound."""
    with cloud.database.read() as connection:
        return _attachments(connection, _get(connection, name).name)


def put_policy(cloud: Cloud, name: str, policy_name: str, document: str) -> None:
    """Write a policy into a role, over the one of this name. Raises NotFound."""
    with cloud.database.transaction() as connection:
        role = _get(connection, name).name
        _delete_policy(connection, role, policy_name)
        connection.execute(insert(role_policies).values(role=role, name=policy_name, document=document))


def get_policy(cloud: Cloud, name: str, policy_name: str) -> str:
    """The document. Raises NotFound."""
    document = policies(cloud, name).get(policy_name)
    if document is None:
        raise NotFound("role policy", policy_name)
    return document


def policies(cloud: Cloud, name: str) -> dict[str, str]:
    """Documents of the policies written into a role, by name, sorted. Raises NotFound."""
    rows = role_policies.c
    with cloud.database.read() as connection:
        role = _get(connection, name).name
        found = connection.execute(select(rows.name, rows.document).where(rows.role == role).order_by(rows.name))
        return {row.name: row.document for row in found}


def delete_policy(cloud: Cloud, name: str, policy_name: str) -> None:
    """Raises NotFound."""
    with cloud.database.transaction() as connection:
        if _delete_policy(connection, _get(connection, name).name, policy_name) == 0:
            raise NotFound("role policy", policy_name)


def _find(connection: Connection, name: str) -> Role | None:
    row = connection.execute(select(roles).where(func.lower(roles.c.name) == name.lower())).mappings().first()
    return Role(**row) if row is not None else None


def _get(connection: Connection, name: str) -> Role:
    role = _find(connection, name)
    if role is None:
        raise NotFound("role", name)
    return role


def _attachments(connection: Connection, role: str) -> list[str]:
    rows = role_attachments.c
    return list(connection.execute(select(rows.policy).where(rows.role == role).order_by(rows.policy)).scalars())


def _delete_policy(connection: Connection, role: str, policy_name: str) -> int:
    rows = role_policies.c
    return connection.execute(delete(role_policies).where(rows.role == role, rows.name == policy_name)).rowcount
