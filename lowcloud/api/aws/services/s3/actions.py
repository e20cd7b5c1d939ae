"""What a request needs a right to, in the words of policies and access control lists.

Only what is listed here can be allowed to everyone; AWS asks for a signature on the rest, copies and multipart uploads
among them. Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.core.context import Context
from lowcloud.core.errors import ForbiddenError
from lowcloud.core.identity.access import ANONYMOUS, authorise
from lowcloud.core.storage.access import public_access

Grant = tuple[str, str]  # of which list, the bucket's or the object's, and what it must say


@dataclass(frozen=True)
class RequiredPermission:
    """One right: an action of policies on "bucket" or "bucket/key", and the grant of a list that gives it too."""

    action: str
    resource: str
    grant: Grant | None = None


_OF_BUCKETS: Mapping[str, tuple[str, Grant | None]] = {
    "GetBucketAcl": ("s3:GetBucketAcl", ("bucket", "read-list")),
    "GetBucketLocation": ("s3:GetBucketLocation", None),
    "HeadBucket": ("s3:ListBucket", ("bucket", "read")),
    "ListMultipartUploads": ("s3:ListBucketMultipartUploads", ("bucket", "read")),
    "ListObjects": ("s3:ListBucket", ("bucket", "read")),
    "ListObjectsV2": ("s3:ListBucket", ("bucket", "read")),
    "ListObjectVersions": ("s3:ListBucketVersions", ("bucket", "read")),
}
_OF_OBJECTS: Mapping[str, tuple[str, Grant | None]] = {
    "DeleteObject": ("s3:DeleteObject", None),
    "GetObject": ("s3:GetObject", ("object", "read")),
    "GetObjectAcl": ("s3:GetObjectAcl", ("object", "read-list")),
    "GetObjectTagging": ("s3:GetObjectTagging", None),
    "HeadObject": ("s3:GetObject", ("object", "read")),
    "PutObject": ("s3:PutObject", ("bucket", "write")),
}
_OF_VERSIONS = {
    "s3:DeleteObject": "s3:DeleteObjectVersion",
    "s3:GetObject": "s3:GetObjectVersion",
    "s3:GetObjectAcl": "s3:GetObjectVersionAcl",
    "s3:GetObjectAttributes": "s3:GetObjectVersionAttributes",
    "s3:GetObjectTagging": "s3:GetObjectVersionTagging",
}
_OF_MEMBERS = (  # by what the names of members of a put begin with
    ("Tagging", "s3:PutObjectTagging"),
    ("ACL", "s3:PutObjectAcl"),
    ("Grant", "s3:PutObjectAcl"),
    ("ObjectLockMode", "s3:PutObjectRetention"),
    ("ObjectLockRetainUntilDate", "s3:PutObjectRetention"),
    ("ObjectLockLegalHoldStatus", "s3:PutObjectLegalHold"),
)

OPEN = frozenset((*_OF_BUCKETS, *_OF_OBJECTS, "DeleteObjects", "GetObjectAttributes"))


def needs(operation: str, request: Mapping[str, Any]) -> list[RequiredPermission]:
    """Every right that the request of a stranger needs; none at all where the operation is not OPEN."""
    return list(_needs(operation, request))


def let_stranger(context: Context, operation: str, request: Mapping[str, Any]) -> None:
    """Whether anyone may do this. Raises Forbidden."""
    needed = needs(operation, request)
    if not needed:
        raise ForbiddenError(f"{operation} needs a signature.")
    for need in needed:
        authorise(context, ANONYMOUS, need.action, need.resource, need.grant)


def must_hide(context: Context, error: AwsError, request: Mapping[str, Any]) -> bool:
    """Whether an error tells a stranger, who may not list the bucket, that something is not there."""
    tells = error.code in ("NoSuchKey", "NoSuchVersion")
    return tells and not public_access.admits(context, "s3:ListBucket", request["Bucket"], ("bucket", "read"))


def _needs(operation: str, request: Mapping[str, Any]) -> Iterator[RequiredPermission]:
    bucket = request.get("Bucket", "")
    if operation in _OF_BUCKETS:
        action, grant = _OF_BUCKETS[operation]
        yield RequiredPermission(action, bucket, grant)
    elif operation in _OF_OBJECTS:
        action, grant = _OF_OBJECTS[operation]
        yield _of_object(action, f"{bucket}/{request['Key']}", "VersionId" in request, grant)
    elif operation == "DeleteObjects":
        for item in request["Delete"]["Objects"]:
            yield _of_object("s3:DeleteObject", f"{bucket}/{item['Key']}", "VersionId" in item, None)
    elif operation == "GetObjectAttributes":
        for action in ("s3:GetObject", "s3:GetObjectAttributes"):
            yield _of_object(action, f"{bucket}/{request['Key']}", "VersionId" in request, None)
    yield from _further(operation, bucket, request)


def _further(operation: str, bucket: str, request: Mapping[str, Any]) -> Iterator[RequiredPermission]:
    """What some members of a request need besides."""
    if operation == "PutObject":
        actions = dict.fromkeys(
            action for start, action in _OF_MEMBERS if any(name.startswith(start) for name in request)
        )
        yield from (RequiredPermission(action, f"{bucket}/{request['Key']}") for action in actions)
    elif operation in ("DeleteObject", "DeleteObjects") and request.get("BypassGovernanceRetention"):
        keys = [request["Key"]] if "Key" in request else [item["Key"] for item in request["Delete"]["Objects"]]
        yield from (RequiredPermission("s3:BypassGovernanceRetention", f"{bucket}/{key}") for key in keys)
    if operation in ("PutObject", "DeleteObject") and request.get("IfMatch", "*") != "*":  # the answer tells the ETag
        yield RequiredPermission("s3:GetObject", f"{bucket}/{request['Key']}", ("object", "read"))
    elif operation == "DeleteObjects":
        matched = [item["Key"] for item in request["Delete"]["Objects"] if item.get("ETag", "*") != "*"]
        yield from (RequiredPermission("s3:GetObject", f"{bucket}/{key}", ("object", "read")) for key in matched)


def _of_object(action: str, resource: str, of_version: bool, grant: Grant | None) -> RequiredPermission:
    if of_version:  # of which lists say nothing here
        return RequiredPermission(_OF_VERSIONS.get(action, action), resource)
    return RequiredPermission(action, resource, grant)
