"""Instance profiles: names under which programs pass a role to a machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from lowcloud.core.context import Context
from lowcloud.core.errors import InUseError, LimitExceededError, NotFoundError
from lowcloud.core.identity import entities
from lowcloud.core.identity.roles import ROLE, Role
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.store.db.tables.identity import instance_profiles, roles

PROFILES_LIMIT = 1000

INSTANCE_PROFILE = ResourceKind(
    "instance profile",
    "instance-profile",
    instance_profiles,
    lambda row: InstanceProfile(**row._mapping),
    ignores_case=True,
    has_tags=False,
)


@dataclass(frozen=True)
class InstanceProfile:
    """One instance profile; `created_at` is in seconds since the epoch."""

    account: str
    name: str
    id: str
    path: str
    created_at: float
    role_id: str | None


def create(context: Context, name: str, path: str = "/", tags: Mapping[str, str] | None = None) -> InstanceProfile:
    """Create a profile without a role. Raises AlreadyExistsError and LimitExceededError."""
    row = {"name": name, "path": path, "tags": tags}
    return entities.create(context, INSTANCE_PROFILE, row, "AIPA", PROFILES_LIMIT)


def delete(context: Context, name: str) -> None:
    """Delete a profile. Raises NotFoundError, and InUseError while it has a role."""
    with entities.changing(context) as connection:
        profile = entities.require(connection, context, INSTANCE_PROFILE, name)
        if profile.role_id is not None:
            raise InUseError("Cannot delete entity, must remove roles from instance profile first.")
        entities.delete(connection, INSTANCE_PROFILE, profile)


def add_role(context: Context, name: str, role_name: str) -> None:
    """Put a role into a profile. Raises NotFoundError, and LimitExceededError if it has one."""
    with entities.changing(context) as connection:
        profile = entities.require(connection, context, INSTANCE_PROFILE, name)
        role = entities.require(connection, context, ROLE, role_name)
        if profile.role_id is not None:
            raise LimitExceededError("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
        _save(connection, profile, role.id)


def remove_role(context: Context, name: str, role_name: str) -> None:
    """Take a role out of a profile. Raises NotFoundError, also if it is not in it."""
    with entities.changing(context) as connection:
        profile = entities.require(connection, context, INSTANCE_PROFILE, name)
        role = entities.require(connection, context, ROLE, role_name)
        if profile.role_id != role.id:
            raise NotFoundError("role", role_name)
        _save(connection, profile, None)


def of_role(context: Context, role_name: str) -> Sequence[InstanceProfile]:
    """Return the profiles that have a role, by name. Raises NotFoundError."""
    rows = instance_profiles.c
    with context.database.read() as connection:
        role = entities.require(connection, context, ROLE, role_name)
        found = select(instance_profiles).where(rows.role_id == role.id).order_by(rows.name)
        return [INSTANCE_PROFILE.load(row) for row in connection.execute(found)]


def role_of(context: Context, profile: InstanceProfile) -> Role | None:
    """Return the role of a profile, if it has one."""
    with context.database.read() as connection:
        row = connection.execute(select(roles).where(roles.c.id == profile.role_id)).one_or_none()
    return ROLE.load(row) if row else None


def _save(connection: Connection, profile: InstanceProfile, role_id: str | None) -> None:
    of_profile = update(instance_profiles).where(instance_profiles.c.id == profile.id)
    connection.execute(of_profile.values(role_id=role_id))
