"""Unsigned requests: which operations a bucket can allow to everyone, and the permissions that each one requires.

AWS requires a signature for all other operations, e.g. copies and multipart uploads.
Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.core.context import Context
from lowcloud.core.errors import ForbiddenError
from lowcloud.core.storage.access import public_access

Grant = tuple[str, str]  # ("bucket" or "object": whose access control list, the permission that it must grant)


@dataclass(frozen=True)
class RequiredPermission:
    """A policy action on "bucket" or "bucket/key", and the grant of an access control list that allows it as well."""

    action: str
    resource: str
    grant: Grant | None = None


_BUCKET_OPERATIONS: Mapping[str, tuple[str, Grant | None]] = {
    "GetBucketAcl": ("s3:GetBucketAcl", ("bucket", "read-list")),
    "GetBucketLocation": ("s3:GetBucketLocation", None),
    "HeadBucket": ("s3:ListBucket", ("bucket", "read")),
    "ListMultipartUploads": ("s3:ListBucketMultipartUploads", ("bucket", "read")),
    "ListObjects": ("s3:ListBucket", ("bucket", "read")),
    "ListObjectsV2": ("s3:ListBucket", ("bucket", "read")),
    "ListObjectVersions": ("s3:ListBucketVersions", ("bucket", "read")),
}
_OBJECT_OPERATIONS: Mapping[str, tuple[str, Grant | None]] = {
    "DeleteObject": ("s3:DeleteObject", None),
    "GetObject": ("s3:GetObject", ("object", "read")),
    "GetObjectAcl": ("s3:GetObjectAcl", ("object", "read-list")),
    "GetObjectTagging": ("s3:GetObjectTagging", None),
    "HeadObject": ("s3:GetObject", ("object", "read")),
    "PutObject": ("s3:PutObject", ("bucket", "write")),
}
_VERSION_ACTIONS = {
    "s3:DeleteObject": "s3:DeleteObjectVersion",
    "s3:GetObject": "s3:GetObjectVersion",
    "s3:GetObjectAcl": "s3:GetObjectVersionAcl",
    "s3:GetObjectAttributes": "s3:GetObjectVersionAttributes",
    "s3:GetObjectTagging": "s3:GetObjectVersionTagging",
}
_MEMBER_ACTIONS = (  # by the prefix of members of PutObject
    ("Tagging", "s3:PutObjectTagging"),
    ("ACL", "s3:PutObjectAcl"),
    ("Grant", "s3:PutObjectAcl"),
    ("ObjectLockMode", "s3:PutObjectRetention"),
    ("ObjectLockRetainUntilDate", "s3:PutObjectRetention"),
    ("ObjectLockLegalHoldStatus", "s3:PutObjectLegalHold"),
)

OPERATIONS = frozenset((*_BUCKET_OPERATIONS, *_OBJECT_OPERATIONS, "DeleteObjects", "GetObjectAttributes"))


def required_permissions(operation: str, request: Mapping[str, Any]) -> list[RequiredPermission]:
    """Return every permission that an unsigned request requires; none if the operation is not in OPERATIONS."""
    return list(_required_permissions(operation, request))


def authorise_anonymous(context: Context, operation: str, request: Mapping[str, Any]) -> None:
    """Raise ForbiddenError unless the bucket allows everyone to do this."""
    permissions = required_permissions(operation, request)
    if not permissions:
        raise ForbiddenError(f"{operation} needs a signature.")
    for permission in permissions:
        if not public_access.allows_everyone(context, permission.action, permission.resource, permission.grant):
            raise ForbiddenError(f"Anonymous callers may not perform {permission.action} on {permission.resource}.")


def must_hide(context: Context, error: AwsError, request: Mapping[str, Any]) -> bool:
    """Return whether an error would reveal that a key does not exist to a caller who may not list the bucket."""
    reveals = error.code in ("NoSuchKey", "NoSuchVersion")
    return reveals and not public_access.allows_everyone(
        context, "s3:ListBucket", request["Bucket"], ("bucket", "read")
    )


def _required_permissions(operation: str, request: Mapping[str, Any]) -> Iterator[RequiredPermission]:
    bucket = request.get("Bucket", "")
    if operation in _BUCKET_OPERATIONS:
        action, grant = _BUCKET_OPERATIONS[operation]
        yield RequiredPermission(action, bucket, grant)
    elif operation in _OBJECT_OPERATIONS:
        action, grant = _OBJECT_OPERATIONS[operation]
        yield _object_permission(action, f"{bucket}/{request['Key']}", "VersionId" in request, grant)
    elif operation == "DeleteObjects":
        for item in request["Delete"]["Objects"]:
            yield _object_permission("s3:DeleteObject", f"{bucket}/{item['Key']}", "VersionId" in item, None)
    elif operation == "GetObjectAttributes":
        for action in ("s3:GetObject", "s3:GetObjectAttributes"):
            yield _object_permission(action, f"{bucket}/{request['Key']}", "VersionId" in request, None)
    yield from _member_permissions(operation, bucket, request)


def _member_permissions(operation: str, bucket: str, request: Mapping[str, Any]) -> Iterator[RequiredPermission]:
    """Yield the permissions that single members of a request require."""
    if operation == "PutObject":
        actions = dict.fromkeys(
            action for start, action in _MEMBER_ACTIONS if any(name.startswith(start) for name in request)
        )
        yield from (RequiredPermission(action, f"{bucket}/{request['Key']}") for action in actions)
    elif operation in ("DeleteObject", "DeleteObjects") and request.get("BypassGovernanceRetention"):
        keys = [request["Key"]] if "Key" in request else [item["Key"] for item in request["Delete"]["Objects"]]
        yield from (RequiredPermission("s3:BypassGovernanceRetention", f"{bucket}/{key}") for key in keys)
    if operation in ("PutObject", "DeleteObject") and request.get("IfMatch", "*") != "*":  # reveals the ETag
        yield RequiredPermission("s3:GetObject", f"{bucket}/{request['Key']}", ("object", "read"))
    elif operation == "DeleteObjects":
        matched = [item["Key"] for item in request["Delete"]["Objects"] if item.get("ETag", "*") != "*"]
        yield from (RequiredPermission("s3:GetObject", f"{bucket}/{key}", ("object", "read")) for key in matched)


def _object_permission(action: str, resource: str, has_version: bool, grant: Grant | None) -> RequiredPermission:
    if has_version:  # access control lists do not apply to a named version
        return RequiredPermission(_VERSION_ACTIONS.get(action, action), resource)
    return RequiredPermission(action, resource, grant)
