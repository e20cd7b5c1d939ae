"""The policies of users, groups and roles: those written into them, managed ones attached to them, and boundaries."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InUseError, LimitExceededError, NotFoundError
from lowcloud.core.identity import entities, managed_policies
from lowcloud.core.identity.entities import Entity, Found
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.store.db.tables.identity import inline_policies, policy_attachments

ATTACHMENTS_LIMIT = 10
INLINE_CHARACTERS = {"user": 2048, "group": 5120, "role": 10240}  # of all policies in one, without white space


@dataclass(frozen=True)
class InlinePolicy:
    """A policy written into a user, group or role."""

    owner: str  # its id
    name: str
    document: str


def attach(context: Context, kind: ResourceKind[Found], name: str, policy: str) -> None:
    """Attach a managed policy by its ARN; attaching it again changes nothing.

    Raises NotFoundError for an unknown entity or policy, and LimitExceededError.
    """
    with entities.changing(context) as connection:
        attach_to(connection, kind, entities.require(connection, context, kind, name), policy)


def attach_to(connection: Connection, kind: ResourceKind[Found], entity: Found, policy: str) -> None:
    """Do what `attach` does, within a transaction."""
    managed_policies.require_document(connection, entity.account, policy)
    attached = attachments_of(connection, [entity.id])
    if policy in attached:
        return
    if len(attached) >= ATTACHMENTS_LIMIT:
        quota = f"PoliciesPer{kind.noun.title()}"
        raise LimitExceededError(f"Cannot exceed quota for {quota}: {ATTACHMENTS_LIMIT}")
    row = {"account": entity.account, "owner": entity.id, "policy": policy}
    connection.execute(insert(policy_attachments).values(row))


def detach(context: Context, kind: ResourceKind[Found], name: str, policy: str) -> None:
    """Detach a policy. Raises NotFoundError for an unknown entity and for a policy that is not attached."""
    rows = policy_attachments.c
    with entities.changing(context) as connection:
        entity = entities.require(connection, context, kind, name)
        is_attached = (rows.owner == entity.id, rows.policy == policy)
        if connection.execute(policy_attachments.delete().where(*is_attached)).rowcount == 0:
            raise NotFoundError("policy", policy)


def attachments(context: Context, kind: ResourceKind[Found], name: str) -> Sequence[str]:
    """Return the ARNs of the attached policies, sorted. Raises NotFoundError."""
    with context.database.read() as connection:
        return attachments_of(connection, [entities.require(connection, context, kind, name).id])


def attachments_of(connection: Connection, owners: Collection[str]) -> Sequence[str]:
    """Return the ARNs of the policies attached to any of these ids, sorted."""
    rows = policy_attachments.c
    found = select(rows.policy).where(rows.owner.in_(owners)).distinct().order_by(rows.policy)
    return connection.execute(found).scalars().all()


def holders(context: Context, kind: ResourceKind[Found], policy: str) -> Sequence[Found]:
    """Return the entities of a kind that a policy is attached to, by name."""
    rows = policy_attachments.c
    attached = rows.account == context.account_id, rows.policy == policy
    found = select(kind.table).join(policy_attachments, rows.owner == kind.table.c.id).where(*attached)
    with context.database.read() as connection:
        return [kind.load(row) for row in connection.execute(found.order_by(kind.table.c.name))]


def limited_by(context: Context, kind: ResourceKind[Found], policy: str) -> Sequence[Found]:
    """Return the users or roles that have a policy as their boundary, by name."""
    rows = kind.table.c
    found = select(kind.table).where(rows.account == context.account_id, rows.boundary == policy).order_by(rows.name)
    with context.database.read() as connection:
        return [kind.load(row) for row in connection.execute(found)]


def put_inline(context: Context, kind: ResourceKind[Found], name: str, policy_name: str, document: str) -> None:
    """Write a policy into an entity, over the one of this name. Raises NotFoundError and LimitExceededError."""
    with entities.changing(context) as connection:
        write_into(connection, kind, entities.require(connection, context, kind, name), policy_name, document)


def write_into(
    connection: Connection, kind: ResourceKind[Found], entity: Found, policy_name: str, document: str
) -> None:
    """Do what `put_inline` does, within a transaction."""
    others = [one for one in inline_of(connection, [entity.id]) if one.name != policy_name]
    limit = INLINE_CHARACTERS[kind.prefix]
    if sum(_size(one.document) for one in others) + _size(document) > limit:
        raise LimitExceededError(f"Maximum policy size of {limit} bytes exceeded for {kind.noun} {entity.name}")
    _delete_inline(connection, entity.id, policy_name)
    row = {"account": entity.account, "owner": entity.id, "name": policy_name, "document": document}
    connection.execute(insert(inline_policies).values(row))


def get_inline(context: Context, kind: ResourceKind[Found], name: str, policy_name: str) -> str:
    """Return the document of a policy written into an entity. Raises NotFoundError."""
    for policy in inline(context, kind, name):
        if policy.name == policy_name:
            return policy.document
    raise NotFoundError(f"{kind.noun} policy", policy_name)


def inline(context: Context, kind: ResourceKind[Found], name: str) -> Sequence[InlinePolicy]:
    """Return the policies written into an entity, by name. Raises NotFoundError."""
    with context.database.read() as connection:
        return inline_of(connection, [entities.require(connection, context, kind, name).id])


def inline_of(connection: Connection, owners: Collection[str]) -> Sequence[InlinePolicy]:
    """Return the policies written into any of the entities with these ids, by name."""
    rows = inline_policies.c
    found = select(rows.owner, rows.name, rows.document).where(rows.owner.in_(owners)).order_by(rows.name, rows.owner)
    return [InlinePolicy(*row) for row in connection.execute(found)]


def delete_inline(context: Context, kind: ResourceKind[Found], name: str, policy_name: str) -> None:
    """Delete a policy that is written into an entity. Raises NotFoundError."""
    with entities.changing(context) as connection:
        if _delete_inline(connection, entities.require(connection, context, kind, name).id, policy_name) == 0:
            raise NotFoundError(f"{kind.noun} policy", policy_name)


def put_boundary(context: Context, kind: ResourceKind[Found], name: str, policy: str) -> None:
    """Limit a user or role by a managed policy. Raises NotFoundError."""
    with entities.changing(context) as connection:
        set_boundary(connection, kind, entities.require(connection, context, kind, name), policy)


def set_boundary(connection: Connection, kind: ResourceKind[Found], entity: Entity, policy: str) -> None:
    """Limit a user or role by a managed policy, within a transaction. Raises NotFoundError."""
    managed_policies.require_document(connection, entity.account, policy)
    connection.execute(update(kind.table).where(kind.table.c.id == entity.id).values(boundary=policy))


def delete_boundary(context: Context, kind: ResourceKind[Found], name: str) -> None:
    """Remove the limit of a user or role. Raises NotFoundError, also if there is none."""
    rows = kind.table.c
    with entities.changing(context) as connection:
        entity = entities.require(connection, context, kind, name)
        limited = update(kind.table).where(rows.id == entity.id, rows.boundary.is_not(None)).values(boundary=None)
        if connection.execute(limited).rowcount == 0:
            raise NotFoundError("permissions boundary", name)


def require_none(connection: Connection, entity: Entity) -> None:
    """Raise InUseError while policies are attached to an entity or written into it."""
    for table, what in ((policy_attachments, "detach all policies"), (inline_policies, "delete policies")):
        if resources.exists(connection, table.c.owner == entity.id):
            raise InUseError(f"Cannot delete entity, must {what} first.")


def _size(document: str) -> int:
    """Return the characters of a policy that count."""
    return len("".join(document.split()))


def _delete_inline(connection: Connection, owner: str, policy_name: str) -> int:
    rows = inline_policies.c
    return connection.execute(inline_policies.delete().where(rows.owner == owner, rows.name == policy_name)).rowcount
