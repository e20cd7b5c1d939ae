"""The permissions of a caller on buckets and objects, and the object store as a role sees it.

The inputs and outputs of a job or model are read and written by the cloud, but with the rights of its role.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError
from lowcloud.core.identity import access, caller_facts, refusals, sessions
from lowcloud.core.identity.access import AccessDeniedError, Permission
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.roles import ROLE
from lowcloud.core.policies.evaluation import Grant, ResourceAccess
from lowcloud.core.policies.requests import NO_FACTS, Facts, LazyFacts, Values
from lowcloud.core.storage.access import bucket_access
from lowcloud.core.storage.objects import listings, objects
from lowcloud.core.storage.objects.versions import Object, Version

ListGrant = tuple[str, str]  # what an access control list must grant: ("bucket" or "object": whose, the permission)
_TAG_PREFIX = "s3:existingobjecttag/"
READ_OBJECT: ListGrant = ("object", "read")


def permission(
    context: Context,
    caller: Caller,
    action: str,
    bucket: str,
    key: str | None = None,
    version: str | None = None,
    facts: Facts = NO_FACTS,
    grant: ListGrant | None = None,
) -> Permission:
    """Return the permission of an action on a bucket or, with `key`, on an object or one of its versions."""
    owner, principal = context.account_id, caller.principal

    def find_access() -> ResourceAccess:
        return bucket_access.shared_by(context, bucket, principal, owner)

    def find_grant() -> Grant:
        assert grant is not None
        return bucket_access.granted_by_lists(context, bucket, key or "", version, grant, principal)

    resource = f"arn:aws:s3:::{bucket}" if key is None else f"arn:aws:s3:::{bucket}/{key}"
    if key is not None:
        facts = LazyFacts(NO_FACTS, _tag_finder(context, bucket, key, version), facts)
    return Permission(action, resource, owner, facts, find_access, find_grant if grant else None)


def _tag_finder(context: Context, bucket: str, key: str, version: str | None) -> Callable[[str], Values | None]:
    """Return a function that finds the tags of the object that exists, if a condition asks for them."""

    def find(name: str) -> Values | None:
        if not name.startswith(_TAG_PREFIX):
            return None
        try:
            found = objects.head(context, bucket, key, version=version)
        except CloudError:
            return None
        wanted = name.removeprefix(_TAG_PREFIX)
        return tuple(value for tag, value in found.metadata.tags.items() if tag.lower() == wanted) or None

    return find


@dataclass(frozen=True)
class ObjectAccess:
    """The object store as one caller may use it. Every method raises AccessDeniedError for what it may not do."""

    context: Context
    caller: Caller

    @classmethod
    def of_role(cls, context: Context, role: str, session: str) -> "ObjectAccess":
        """Return the object store as a session of a role sees it. Raises NotFoundError."""
        return cls(context, sessions.caller_of_role(resources.find(context, ROLE, role), session))

    @classmethod
    def of_account(cls, context: Context) -> "ObjectAccess":
        """Return the object store as the root of the account sees it."""
        return cls(context, Caller(context.account_id))

    def require_read(self, bucket: str, key: str) -> None:
        """Check that the caller may read an object."""
        self._require("s3:GetObject", bucket, key, grant=READ_OBJECT)

    def head(self, bucket: str, key: str) -> Object:
        """Return an object that the caller may read. Raises what objects.head raises."""
        self.require_read(bucket, key)
        return objects.head(self.context, bucket, key)

    def walk(self, bucket: str, prefix: str) -> Iterator[Version]:
        """Yield the objects of a prefix, which the caller may list and read. Raises NotFoundError (bucket)."""
        self._require("s3:ListBucket", bucket, facts={"s3:prefix": (prefix,)}, grant=("bucket", "read"))
        for version in listings.walk(self.context, bucket, prefix):
            self.require_read(bucket, version.key)
            yield version

    def put(self, bucket: str, key: str, chunks: Iterator[bytes]) -> None:
        """Write an object. Raises what objects.put raises."""
        self._require("s3:PutObject", bucket, key, grant=("bucket", "write"))
        objects.put(self.context, bucket, key, chunks)

    def _require(
        self,
        action: str,
        bucket: str,
        key: str | None = None,
        facts: Facts = NO_FACTS,
        grant: ListGrant | None = None,
    ) -> None:
        known = caller_facts.of(self.context, self.caller, facts)
        needed = permission(self.context, self.caller, action, bucket, key, None, known, grant)
        try:
            access.authorise(self.context, self.caller, needed)
        except AccessDeniedError as error:
            refusals.record(self.context, error)
            raise
