"""Anonymous access to buckets: by a policy or an access control list, unless the public access block forbids it.

A policy is stored as {"text", "is_public", "statements"}, and a statement, in neutral form, as {"allows": bool,
"everyone": bool, "others": bool, "actions", "not_actions", "resources", "not_resources": patterns or null,
"conditions": object or null}: "others" means everyone except the named principals. Patterns have * and ?, actions are
in lower case, a resource is "bucket" or "bucket/key".
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.patterns import matches
from lowcloud.core.storage.access import access_lists
from lowcloud.core.storage.buckets import buckets, configurations
from lowcloud.core.storage.buckets.buckets import PUBLIC_ACCESS_BLOCK
from lowcloud.core.storage.objects import versions

POLICY = "policy"
Statement = Mapping[str, Any]

_VARIABLE = re.compile(r"\$\{[^}]*\}")


def allows_everyone(context: Context, action: str, resource: str, grant: tuple[str, str] | None = None) -> bool:
    """Return whether everyone may perform `action` on `resource`.

    `grant` is what an access control list must grant for it: ("bucket" or "object", permission); None: no list can.
    """
    bucket, _, key = resource.partition("/")
    with context.database.read() as connection:
        block = configurations.read(connection, bucket, PUBLIC_ACCESS_BLOCK) or {}
        policy = configurations.read(connection, bucket, POLICY)
        decision = None if policy is None else evaluate(policy["statements"], action, resource)
        if decision is False:
            return False
        if decision and policy is not None and not (block.get("restrict") and policy["is_public"]):
            return True
        if grant is None or block.get("ignore_lists"):
            return False
        return _is_granted(connection, bucket, key, *grant)


def may_allow_anyone(context: Context, bucket: str) -> bool:
    """Return whether the bucket could allow anything to everyone; checked before an unsigned request is read."""
    with context.database.read() as connection:
        try:
            buckets.require(connection, bucket)
        except NotFoundError:
            return False
        block = configurations.read(connection, bucket, PUBLIC_ACCESS_BLOCK) or {}
        if configurations.read(connection, bucket, POLICY) is not None and not block.get("restrict"):
            return True
        return not block.get("ignore_lists") and access_lists.are_enabled(connection, bucket)


def evaluate(statements: Sequence[Statement], action: str, resource: str) -> bool | None:
    """Evaluate a policy for an anonymous caller: False if a statement denies, True if one allows, otherwise None.

    Conditions are not evaluated: a statement with one never allows, but it does deny.
    """
    decision = None
    for statement in statements:
        if not _applies(statement, action, resource):
            continue
        if not statement["allows"] and (statement["everyone"] or statement["others"]):
            return False
        if statement["allows"] and statement["everyone"] and statement["conditions"] is None:
            decision = True
    return decision


def _applies(statement: Statement, action: str, resource: str) -> bool:
    is_deny = not statement["allows"]  # a policy variable in a Deny matches everything
    actions, excluded = statement["actions"], statement["not_actions"]
    is_named = (
        _matches(actions, action.lower(), is_deny) if actions is not None else not _matches(excluded, action.lower())
    )
    if not is_named:
        return False
    resources, excluded = statement["resources"], statement["not_resources"]
    return _matches(resources, resource, is_deny) if resources is not None else not _matches(excluded, resource)


def _matches(patterns: Sequence[str], text: str, is_deny: bool = False) -> bool:
    return any(matches(_VARIABLE.sub("*", pattern) if is_deny else pattern, text) for pattern in patterns)


def _is_granted(connection: sa.Connection, bucket: str, key: str, level: str, permission: str) -> bool:
    if not access_lists.are_enabled(connection, bucket):
        return False
    if level == "bucket":
        return access_lists.grants(access_lists.of_bucket(connection, bucket), "everyone", permission)
    found = versions.newest(connection, bucket, key)
    if found is None or found.is_marker:
        return False
    listed = access_lists.of_object(connection, bucket, key, found.id)
    return access_lists.grants(listed, "everyone", permission)
