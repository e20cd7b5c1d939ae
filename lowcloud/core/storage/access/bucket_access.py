"""What a bucket's owner says about access to it: its policy, its access control lists, and the public access block.

Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage", "How Amazon S3 authorizes a request".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lowcloud.core.context import Context
from lowcloud.core.errors import ForbiddenError, NotFoundError
from lowcloud.core.policies import documents
from lowcloud.core.policies.documents import Policy, PolicyError
from lowcloud.core.policies.evaluation import UNSHARED, Grant, ResourceAccess
from lowcloud.core.policies.requests import Principal, PrincipalKind
from lowcloud.core.storage.access import access_lists
from lowcloud.core.storage.buckets import buckets, configurations
from lowcloud.core.storage.buckets.buckets import PUBLIC_ACCESS_BLOCK
from lowcloud.core.storage.objects import versions

POLICY = "policy"  # the configuration: {"text": the document, "is_public": bool}


@dataclass(frozen=True)
class BucketAccess:
    """The settings of one bucket that decide on access."""

    policy: Policy | None = None
    policy_is_public: bool = False
    block: Mapping[str, Any] | None = None  # the public access block
    has_lists: bool = False  # access control lists have effect

    @property
    def restricts_public_policy(self) -> bool:
        """Whether a public policy admits only principals of the owner's account."""
        return self.policy_is_public and bool((self.block or {}).get("restrict"))

    @property
    def ignores_public_lists(self) -> bool:
        """Whether grants to everyone have no effect."""
        return bool((self.block or {}).get("ignore_lists"))

    @property
    def may_admit_strangers(self) -> bool:
        """Whether a request without credentials could be allowed."""
        is_open = self.policy is not None and not self.restricts_public_policy
        return is_open or (self.has_lists and not self.ignores_public_lists)


NO_ACCESS = BucketAccess()


def of_bucket(context: Context, bucket: str) -> BucketAccess:
    """Return the settings of a bucket; of one that does not exist, those that admit nobody."""
    return context.access.get(("bucket access", bucket), lambda: _read(context, bucket))


def shared_by(context: Context, bucket: str, principal: Principal, owner: str) -> ResourceAccess:
    """Return what the bucket's policy says to a principal; `owner` is the account of the bucket."""
    found = of_bucket(context, bucket)
    if found.policy is None:
        return UNSHARED
    if found.restricts_public_policy and principal.account_id != owner and principal.kind is not PrincipalKind.SERVICE:
        return ResourceAccess(denials_of(found.policy))
    return ResourceAccess(found.policy)


def granted_by_lists(
    context: Context, bucket: str, key: str, version: str | None, grant: tuple[str, str], principal: Principal
) -> Grant:
    """Return what an access control list grants to a principal.

    `grant` is what it must grant: ("bucket" or "object": whose list, permission).
    """
    found = of_bucket(context, bucket)
    if not found.has_lists or found.ignores_public_lists:
        return Grant.NONE
    groups = ("everyone",) if principal.kind is PrincipalKind.ANONYMOUS else ("everyone", "users")
    level, permission = grant
    with context.database.read() as connection:
        if level == "bucket":
            listed = access_lists.of_bucket(connection, bucket)
        else:
            version_found = (
                versions.newest(connection, bucket, key)
                if version is None
                else versions.named(connection, bucket, key, version)
            )
            if version_found is None or version_found.is_marker:
                return Grant.NONE
            listed = access_lists.of_object(connection, bucket, key, version_found.id)
    return Grant.DIRECT if any(access_lists.grants(listed, group, permission) for group in groups) else Grant.NONE


@lru_cache(1024)
def compiled(text: str) -> Policy:
    """Return a bucket's policy. Raises ForbiddenError for a text that only an earlier version accepted."""
    try:
        return documents.parse(text, documents.RESOURCE)
    except PolicyError as error:
        raise ForbiddenError(f"The bucket's policy, put by an earlier version, is not valid: {error}") from error


@lru_cache(1024)
def denials_of(policy: Policy) -> Policy:
    """Return the policy without what it allows."""
    return Policy(policy.text, tuple(statement for statement in policy.statements if not statement.allows))


def _read(context: Context, bucket: str) -> BucketAccess:
    with context.database.read() as connection:
        try:
            buckets.require(connection, bucket)
        except NotFoundError:
            return NO_ACCESS
        policy = configurations.read(connection, bucket, POLICY)
        return BucketAccess(
            None if policy is None else compiled(policy["text"]),
            policy is not None and policy["is_public"],
            configurations.read(connection, bucket, PUBLIC_ACCESS_BLOCK),
            access_lists.are_enabled(connection, bucket),
        )
