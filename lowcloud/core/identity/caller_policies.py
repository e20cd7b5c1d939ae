"""The policies of a caller: compiled once, and read again when they change."""

import logging
from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import Connection, select

from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity import arns, groups, managed_policies, permissions
from lowcloud.core.identity.callers import Caller
from lowcloud.core.policies import documents
from lowcloud.core.policies.documents import Policy, PolicyError
from lowcloud.core.policies.evaluation import Policies
from lowcloud.core.policies.requests import PrincipalKind
from lowcloud.store.db.tables.identity import roles, users

log = logging.getLogger("lowcloud.identity")

NO_POLICIES = Policies()
_EVERYTHING = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
_NOTHING = '{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}'


def of(context: Context, caller: Caller) -> Policies:
    """Return the policies of a caller; a principal that was deleted since has none."""
    key = ("policies", caller.kind, caller.account_id, caller.unique_id or caller.name)
    own = context.access.get(key, lambda: _read(context, caller))
    if caller.policies is None:
        return own
    return Policies(own.identity, own.boundary, _session_policies(context, caller))


@lru_cache(4096)
def compiled(text: str, name: str) -> Policy:
    """Return a policy that was checked when it was stored. One that only an earlier version accepted denies all."""
    try:
        return documents.parse(text, documents.IDENTITY, name)
    except PolicyError as error:
        log.warning("the policy %r denies everything until it is corrected: %s", name, error)
        return documents.parse(_NOTHING, documents.IDENTITY, name)


def of_group(context: Context, group_id: str) -> Policies:
    """Return the policies of a group, as each of its users has them."""
    with context.database.read() as connection:
        return Policies(of_owners(connection, context.account_id, [group_id]))


def of_owners(connection: Connection, account_id: str, owners: Sequence[str]) -> tuple[Policy, ...]:
    """Return the policies written into and attached to any of the users, groups and roles with these ids."""
    written = [compiled(policy.document, policy.name) for policy in permissions.inline_of(connection, owners)]
    attached = [
        policy
        for arn in permissions.attachments_of(connection, owners)
        if (policy := _managed(connection, account_id, arn)) is not None
    ]
    return (*written, *attached)


def _read(context: Context, caller: Caller) -> Policies:
    with context.database.read() as connection:
        if caller.kind is PrincipalKind.ROLE_SESSION:
            return _of_role(connection, caller)
        if caller.kind in (PrincipalKind.USER, PrincipalKind.FEDERATED_USER) and caller.unique_id:
            return _of_user(connection, caller.account_id, caller.unique_id)
    # A federated user that the root has made may do what the session policies say.
    is_of_root = caller.kind is PrincipalKind.FEDERATED_USER
    return Policies((compiled(_EVERYTHING, "root"),)) if is_of_root else NO_POLICIES


def _of_user(connection: Connection, account_id: str, user_id: str) -> Policies:
    user = connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
    if user is None:
        return NO_POLICIES
    owners = [user_id, *groups.ids_of_user(connection, user_id)]
    return Policies(of_owners(connection, account_id, owners), _boundary(connection, account_id, user.boundary))


def _of_role(connection: Connection, caller: Caller) -> Policies:
    """Return the policies of a role; the sessions of version 0.1.0 do not have its id."""
    rows = roles.c
    is_role = (rows.id == caller.unique_id,) if caller.unique_id else (rows.name == caller.name,)
    role = connection.execute(select(roles).where(rows.account == caller.account_id, *is_role)).one_or_none()
    if role is None:
        return NO_POLICIES
    own = of_owners(connection, caller.account_id, [role.id])
    return Policies(own, _boundary(connection, caller.account_id, role.boundary))


def _boundary(connection: Connection, account_id: str, arn: str | None) -> Policy | None:
    """Return the boundary of an ARN; one that is missing allows nothing, for the limit must not vanish with it."""
    return None if arn is None else (_managed(connection, account_id, arn) or compiled(_NOTHING, arn))


def _managed(connection: Connection, account_id: str, arn: str) -> Policy | None:
    try:
        return compiled(managed_policies.require_document(connection, account_id, arn), arn)
    except NotFoundError:
        return None


def _session_policies(context: Context, caller: Caller) -> tuple[Policy, ...]:
    """Return the policies that limit a session: texts, and ARNs of managed policies as they are now."""

    def read(arn: str) -> Policy | None:
        with context.database.read() as connection:
            return _managed(connection, caller.account_id, arn)

    assert caller.policies is not None
    found = [
        context.access.get(("managed policy", caller.account_id, one), lambda arn=one: read(arn))  # type: ignore[misc]
        if arns.parse(one)
        else compiled(one, "")
        for one in caller.policies
    ]
    return tuple(policy or compiled(_NOTHING, "a deleted session policy") for policy in found)
