"""Groups of users, who have the policies of their groups in addition to their own."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InUseError, LimitExceededError, NotFoundError
from lowcloud.core.identity import entities, permissions
from lowcloud.core.identity.users import USER, User
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.store.db.tables.identity import group_members, user_groups, users
from lowcloud.store.db.upsert import insert_missing

GROUPS_LIMIT = 300
GROUPS_OF_USER_LIMIT = 10

GROUP = ResourceKind(
    "group", "group", user_groups, lambda row: Group(**row._mapping), ignores_case=True, has_tags=False
)


@dataclass(frozen=True)
class Group:
    """One group; `created_at` is in seconds since the epoch."""

    account: str
    name: str
    id: str
    path: str
    created_at: float


def create(context: Context, name: str, path: str = "/") -> Group:
    """Create a group without members. Raises AlreadyExistsError and LimitExceededError."""
    return entities.create(context, GROUP, {"name": name, "path": path}, "AGPA", GROUPS_LIMIT)


def delete(context: Context, name: str) -> None:
    """Delete a group. Raises NotFoundError, and InUseError while it has members or policies."""
    with entities.changing(context) as connection:
        group = entities.require(connection, context, GROUP, name)
        if resources.exists(connection, group_members.c.group_id == group.id):
            raise InUseError("Cannot delete entity, must remove users from group first.")
        permissions.require_none(connection, group)
        entities.delete(connection, GROUP, group)


def add_member(context: Context, name: str, user_name: str) -> None:
    """Add a user to a group; adding one again changes nothing. Raises NotFoundError and LimitExceededError."""
    rows = group_members.c
    with entities.changing(context) as connection:
        group = entities.require(connection, context, GROUP, name)
        user = entities.require(connection, context, USER, user_name)
        if resources.exists(connection, rows.group_id == group.id, rows.user_id == user.id):
            return
        of_user = select(func.count()).select_from(group_members).where(rows.user_id == user.id)
        if connection.execute(of_user).scalar_one() >= GROUPS_OF_USER_LIMIT:
            raise LimitExceededError(f"Cannot exceed quota for GroupsPerUser: {GROUPS_OF_USER_LIMIT}")
        row = {"account": context.account_id, "group_id": group.id, "user_id": user.id}
        insert_missing(connection, group_members, row)


def remove_member(context: Context, name: str, user_name: str) -> None:
    """Remove a user from a group. Raises NotFoundError, also for a user who is not a member."""
    rows = group_members.c
    with entities.changing(context) as connection:
        group = entities.require(connection, context, GROUP, name)
        user = entities.require(connection, context, USER, user_name)
        is_member = (rows.group_id == group.id, rows.user_id == user.id)
        if connection.execute(group_members.delete().where(*is_member)).rowcount == 0:
            raise NotFoundError("user", user_name)


def members(context: Context, name: str) -> tuple[Group, Sequence[User]]:
    """Return a group and its members, by name. Raises NotFoundError."""
    rows = group_members.c
    with context.database.read() as connection:
        group = entities.require(connection, context, GROUP, name)
        found = select(users).join(group_members, rows.user_id == users.c.id).where(rows.group_id == group.id)
        return group, [USER.load(row) for row in connection.execute(found.order_by(users.c.name))]


def of_user(context: Context, user_name: str) -> Sequence[Group]:
    """Return the groups of a user, by name. Raises NotFoundError."""
    rows = group_members.c
    with context.database.read() as connection:
        user = entities.require(connection, context, USER, user_name)
        found = (
            select(user_groups).join(group_members, rows.group_id == user_groups.c.id).where(rows.user_id == user.id)
        )
        return [GROUP.load(row) for row in connection.execute(found.order_by(user_groups.c.name))]


def ids_of_user(connection: Connection, user_id: str) -> Sequence[str]:
    """Return the ids of the groups of a user."""
    rows = group_members.c
    return connection.execute(select(rows.group_id).where(rows.user_id == user_id)).scalars().all()
