"""Whether a bucket lets in those who do not say who they are: by its policy or an access control list, and only where
its public access block does not forbid it.

A policy is kept as {"text", "is_public", "statements"}, and a statement in neutral words as {"allows": bool,
"everyone": bool, "others": bool, "actions", "not_actions", "resources", "not_resources": patterns or null,
"conditions": object or null}: "others" says that it is about all but some named ones. Patterns have * and ?, actions
are in lower case, a resource is "bucket" or "bucket/key".
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
    """Whether anyone at all may perform `action` on `resource`.

    `grant` is what an access control list must say for it: ("bucket" or "object", permission); None: no list can.
    """
    bucket, _, key = resource.partition("/")
    with context.database.read() as connection:
        block = configurations.read(connection, bucket, PUBLIC_ACCESS_BLOCK) or {}
        policy = configurations.read(connection, bucket, POLICY)
        verdict = None if policy is None else evaluate(policy["statements"], action, resource)
        if verdict is False:
            return False
        if verdict and policy is not None and not (block.get("restrict") and policy["is_public"]):
            return True
        if grant is None or block.get("ignore_lists"):
            return False
        return _is_listed(connection, bucket, key, *grant)


def may_allow_anyone(context: Context, bucket: str) -> bool:
    """Whether the bucket could let in anyone at all: what is asked before a stranger's request is read."""
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
    """What a policy says of a stranger: False where any statement denies, True where one allows, else None.

    Conditions are not evaluated: a statement that has one lets nobody in, and keeps out whom it names.
    """
    verdict = None
    for statement in statements:
        if not _is_about(statement, action, resource):
            continue
        if not statement["allows"] and (statement["everyone"] or statement["others"]):
            return False
        if statement["allows"] and statement["everyone"] and statement["conditions"] is None:
            verdict = True
    return verdict


def _is_about(statement: Statement, action: str, resource: str) -> bool:
    is_loose = not statement["allows"]  # a variable in what denies may be anything
    actions, others = statement["actions"], statement["not_actions"]
    named = _matches(actions, action.lower(), is_loose) if actions is not None else not _matches(others, action.lower())
    if not named:
        return False
    resources, others = statement["resources"], statement["not_resources"]
    return _matches(resources, resource, is_loose) if resources is not None else not _matches(others, resource)


def _matches(patterns: Sequence[str], text: str, is_loose: bool = False) -> bool:
    return any(matches(_VARIABLE.sub("*", pattern) if is_loose else pattern, text) for pattern in patterns)


def _is_listed(connection: sa.Connection, bucket: str, key: str, level: str, permission: str) -> bool:
    if not access_lists.are_enabled(connection, bucket):
        return False
    if level == "bucket":
        return access_lists.grants(access_lists.of_bucket(connection, bucket), "everyone", permission)
    found = versions.newest(connection, bucket, key)
    if found is None or found.is_marker:
        return False
    listed = access_lists.of_object(connection, bucket, key, found.id)
    return access_lists.grants(listed, "everyone", permission)
