"""Roles that programs and users assume, with their trust policies."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import update

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, InUseError, NotFoundError
from lowcloud.core.identity import entities, permissions
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.store.db.tables.identity import instance_profiles, roles

DEFAULT_SESSION_SECONDS = 3600
ROLES_LIMIT = 1000

ROLE = ResourceKind("role", "role", roles, lambda row: Role(**row._mapping), ignores_case=True, has_tags=False)


@dataclass(frozen=True)
class Role:
    """One role. Policies are JSON texts; times are seconds since the epoch."""

    account: str
    name: str
    id: str
    path: str
    created_at: float
    trust_policy: str
    trusted_ids: str  # JSON: the ids of the users and roles that the policy names, by ARN, when it was written
    description: str
    max_session_seconds: int
    boundary: str | None  # the ARN of a managed policy
    last_used_at: float | None
    last_used_region: str | None


def create(
    context: Context,
    name: str,
    trust_policy: str,
    path: str = "/",
    description: str = "",
    max_session_seconds: int = DEFAULT_SESSION_SECONDS,
    boundary: str | None = None,
    tags: Mapping[str, str] | None = None,
    trusted_ids: Mapping[str, str] | None = None,
) -> Role:
    """Create a role. Raises AlreadyExistsError (names are case-insensitive), LimitExceededError and NotFoundError."""
    row: dict[str, Any] = {
        "name": name,
        "path": path,
        "trust_policy": trust_policy,
        "trusted_ids": json.dumps(dict(trusted_ids or {})),
        "description": description,
        "max_session_seconds": max_session_seconds,
        "tags": tags,
    }
    with entities.changing(context) as connection:
        role = entities.insert_new(connection, context, ROLE, row, "AROA", ROLES_LIMIT)
        if boundary is None:
            return role
        permissions.set_boundary(connection, ROLE, role, boundary)
        return entities.require(connection, context, ROLE, name)


def ensure(context: Context, name: str, trust_policy: str, policies: Sequence[str], written: Mapping[str, str]) -> None:
    """Create a role, unless there is one of this name, with managed policies attached and others written into it."""
    with suppress(NotFoundError):
        resources.find(context, ROLE, name)
        return
    row = {"name": name, "path": "/", "trust_policy": trust_policy, "max_session_seconds": 12 * 3600}
    with suppress(AlreadyExistsError), entities.changing(context) as connection:  # another server may be quicker
        role = entities.insert_new(connection, context, ROLE, row, "AROA", ROLES_LIMIT)
        for policy in policies:
            permissions.attach_to(connection, ROLE, role, policy)
        for policy_name, document in written.items():
            permissions.write_into(connection, ROLE, role, policy_name, document)


def trust(context: Context, name: str, trust_policy: str, trusted_ids: Mapping[str, str]) -> None:
    """Replace the trust policy of a role. Raises NotFoundError."""
    change(context, name, {"trust_policy": trust_policy, "trusted_ids": json.dumps(dict(trusted_ids))})


def change(context: Context, name: str, values: Mapping[str, Any]) -> Role:
    """Set description or longest session of a role, and return it. Raises NotFoundError."""
    with entities.changing(context) as connection:
        role = entities.require(connection, context, ROLE, name)
        if values:
            connection.execute(update(roles).where(roles.c.id == role.id).values(**values))
        return entities.require(connection, context, ROLE, name)


def delete(context: Context, name: str) -> None:
    """Delete a role, whose sessions end. Raises NotFoundError, and InUseError while it has policies or profiles."""
    with entities.changing(context) as connection:
        role = entities.require(connection, context, ROLE, name)
        permissions.require_none(connection, role)
        if resources.exists(connection, instance_profiles.c.role_id == role.id):
            raise InUseError("Cannot delete entity, must remove roles from instance profile first.")
        entities.delete(connection, ROLE, role)
