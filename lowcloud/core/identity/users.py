"""Users: people and programs with access keys of their own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InUseError
from lowcloud.core.identity import entities, permissions
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.store.db.tables.identity import access_keys, group_members, users

USERS_LIMIT = 5000

USER = ResourceKind("user", "user", users, lambda row: User(**row._mapping), ignores_case=True, has_tags=False)


@dataclass(frozen=True)
class User:
    """One user; `created_at` is in seconds since the epoch."""

    account: str
    name: str
    id: str
    path: str
    created_at: float
    boundary: str | None  # the ARN of a managed policy


def create(
    context: Context, name: str, path: str = "/", boundary: str | None = None, tags: Mapping[str, str] | None = None
) -> User:
    """Create a user, who may do nothing yet. Raises AlreadyExistsError, LimitExceededError and NotFoundError."""
    row: dict[str, Any] = {"name": name, "path": path, "tags": tags}
    with entities.changing(context) as connection:
        user = entities.insert_new(connection, context, USER, row, "AIDA", USERS_LIMIT)
        if boundary is None:
            return user
        permissions.set_boundary(connection, USER, user, boundary)
        return entities.require(connection, context, USER, name)


def delete(context: Context, name: str) -> None:
    """Delete a user, whose sessions end. Raises NotFoundError, and InUseError while anything belongs to the user."""
    with entities.changing(context) as connection:
        user = entities.require(connection, context, USER, name)
        if resources.exists(connection, access_keys.c.user_id == user.id):
            raise InUseError("Cannot delete entity, must delete access keys first.")
        if resources.exists(connection, group_members.c.user_id == user.id):
            raise InUseError("Cannot delete entity, must remove users from group first.")
        permissions.require_none(connection, user)
        entities.delete(connection, USER, user)
