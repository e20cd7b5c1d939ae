"""The permissions that operations of S3 need, with the condition keys of S3.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3", and the Amazon S3 User
Guide, "Required permissions for Amazon S3 API operations".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from lowcloud.api.aws.access.calls import Call
from lowcloud.api.aws.services.s3.translation.headers import parse_copy_source
from lowcloud.api.aws.services.s3.translation.tags import parse_tags_header
from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError
from lowcloud.core.identity import access, object_access
from lowcloud.core.identity.access import AccessDeniedError, Permission
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.object_access import READ_OBJECT, ListGrant
from lowcloud.core.policies.requests import Facts, Values, combined
from lowcloud.core.storage.objects import objects
from lowcloud.core.storage.objects.copies import CopySource

READ_BUCKET, WRITE_BUCKET = ("bucket", "read"), ("bucket", "write")
READ_BUCKET_LIST, WRITE_BUCKET_LIST = ("bucket", "read-list"), ("bucket", "write-list")
READ_OBJECT_LIST, WRITE_OBJECT_LIST = ("object", "read-list"), ("object", "write-list")

# AWS requires a signature for all other operations, such as copies and multipart uploads.
UNSIGNED_OPERATIONS = frozenset(
    (
        "DeleteObject",
        "DeleteObjects",
        "GetBucketAcl",
        "GetBucketLocation",
        "GetObject",
        "GetObjectAcl",
        "GetObjectAttributes",
        "GetObjectTagging",
        "HeadBucket",
        "HeadObject",
        "ListMultipartUploads",
        "ListObjectVersions",
        "ListObjects",
        "ListObjectsV2",
        "PutObject",
    )
)
REVEALING = ("NoSuchKey", "NoSuchVersion")  # errors that tell which keys exist
DENIED = "AccessDenied"  # in an item of DeleteObjects

_VERSION_ACTIONS = {
    "s3:DeleteObject": "s3:DeleteObjectVersion",
    "s3:DeleteObjectTagging": "s3:DeleteObjectVersionTagging",
    "s3:GetObject": "s3:GetObjectVersion",
    "s3:GetObjectAcl": "s3:GetObjectVersionAcl",
    "s3:GetObjectAttributes": "s3:GetObjectVersionAttributes",
    "s3:GetObjectTagging": "s3:GetObjectVersionTagging",
    "s3:PutObjectAcl": "s3:PutObjectVersionAcl",
    "s3:PutObjectTagging": "s3:PutObjectVersionTagging",
}
_MEMBER_ACTIONS = (  # of a new object, by the prefix of the members that ask for them
    ("Tagging", "s3:PutObjectTagging"),
    ("ACL", "s3:PutObjectAcl"),
    ("Grant", "s3:PutObjectAcl"),
    ("ObjectLockMode", "s3:PutObjectRetention"),
    ("ObjectLockRetainUntilDate", "s3:PutObjectRetention"),
    ("ObjectLockLegalHoldStatus", "s3:PutObjectLegalHold"),
)
_BUCKET_MEMBER_ACTIONS = (
    ("ACL", "s3:PutBucketAcl"),
    ("Grant", "s3:PutBucketAcl"),
    ("ObjectLockEnabledForBucket", "s3:PutBucketObjectLockConfiguration"),
    ("ObjectOwnership", "s3:PutBucketOwnershipControls"),
)
_MEMBER_KEYS = {  # condition keys that have the value of a member
    "s3:prefix": "Prefix",
    "s3:delimiter": "Delimiter",
    "s3:max-keys": "MaxKeys",
    "s3:versionid": "VersionId",
    "s3:locationconstraint": "LocationConstraint",
    "s3:x-amz-acl": "ACL",
    "s3:x-amz-grant-full-control": "GrantFullControl",
    "s3:x-amz-grant-read": "GrantRead",
    "s3:x-amz-grant-read-acp": "GrantReadACP",
    "s3:x-amz-grant-write": "GrantWrite",
    "s3:x-amz-grant-write-acp": "GrantWriteACP",
    "s3:x-amz-copy-source": "CopySource",
    "s3:x-amz-metadata-directive": "MetadataDirective",
    "s3:x-amz-object-ownership": "ObjectOwnership",
    "s3:x-amz-server-side-encryption": "ServerSideEncryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "s3:x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
    "s3:x-amz-storage-class": "StorageClass",
    "s3:x-amz-website-redirect-location": "WebsiteRedirectLocation",
    "s3:object-lock-mode": "ObjectLockMode",
    "s3:object-lock-legal-hold": "ObjectLockLegalHoldStatus",
    "s3:if-match": "IfMatch",
    "s3:if-none-match": "IfNoneMatch",
}
# The root of a bucket's account can always repair a policy that shuts it out.
_REPAIRS = ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy")


@dataclass(frozen=True)
class OnBucket:
    """Needs an action on the bucket of the request, which an access control list may grant as well."""

    action: str
    grant: ListGrant | None = None

    def __call__(self, call: Call) -> Iterator[Permission]:
        yield permission(call, self.action, call.request["Bucket"], grant=self.grant)


@dataclass(frozen=True)
class OnObject:
    """Needs an action on the object of the request; on a named version, the action of versions."""

    action: str
    grant: ListGrant | None = None

    def __call__(self, call: Call) -> Iterator[Permission]:
        request = call.request
        yield object_permission(call, self.action, request["Key"], request.get("VersionId"), self.grant)


def writes_object(call: Call) -> Iterator[Permission]:
    """Yield what a new object needs: to write its content, tags, access control list and lock."""
    bucket, key = call.request["Bucket"], call.request["Key"]
    yield permission(call, "s3:PutObject", bucket, key, grant=WRITE_BUCKET)
    yield from member_permissions(call)
    if call.request.get("IfMatch", "*") != "*":  # reveals the ETag
        yield object_permission(call, "s3:GetObject", key, None, READ_OBJECT)


def creates_bucket(call: Call) -> Iterator[Permission]:
    """Yield what a new bucket needs: to create it, and to set its access control list, ownership and object lock."""
    bucket = call.request["Bucket"]
    yield permission(call, "s3:CreateBucket", bucket)
    for start, action in _BUCKET_MEMBER_ACTIONS:
        if any(name.startswith(start) for name in call.request):
            yield permission(call, action, bucket)


def puts_retention(call: Call) -> Iterator[Permission]:
    """Yield what a change of an object's retention needs."""
    key, version = call.request["Key"], call.request.get("VersionId")
    yield object_permission(call, "s3:PutObjectRetention", key, version)
    if call.request.get("BypassGovernanceRetention"):
        yield object_permission(call, "s3:BypassGovernanceRetention", key, None)


@dataclass(frozen=True)
class CopiesObject:
    """Needs to read the source of a copy, and what a new object asks for."""

    copies_tags: bool

    def __call__(self, call: Call) -> Iterator[Permission]:
        source = parse_copy_source(call.request)
        yield object_permission(call, "s3:GetObject", source.key, source.version, READ_OBJECT, bucket=source.bucket)
        yield permission(call, "s3:PutObject", call.request["Bucket"], call.request["Key"], grant=WRITE_BUCKET)
        if not self.copies_tags:
            return
        yield from member_permissions(call)
        if call.request.get("TaggingDirective") != "REPLACE" and _has_tags(call, source):
            yield object_permission(call, "s3:GetObjectTagging", source.key, source.version, bucket=source.bucket)
            yield permission(call, "s3:PutObjectTagging", call.request["Bucket"], call.request["Key"])


def deletes_object(call: Call, item: Mapping[str, Any] | None = None) -> Iterator[Permission]:
    """Yield what the deletion of an object needs: that of the request, or `item` of many."""
    named = item or call.request
    yield object_permission(call, "s3:DeleteObject", named["Key"], named.get("VersionId"))
    if call.request.get("BypassGovernanceRetention"):
        yield object_permission(call, "s3:BypassGovernanceRetention", named["Key"], None)
    if named.get("ETag", named.get("IfMatch", "*")) != "*":  # reveals the ETag
        yield object_permission(call, "s3:GetObject", named["Key"], None, READ_OBJECT)


def deletes_objects(call: Call) -> Iterator[Permission]:
    """Note in each item of DeleteObjects why the caller may not delete it: the others are deleted."""
    for item in call.request["Delete"]["Objects"]:
        try:
            for needed in deletes_object(call, item):
                access.authorise(call.context, call.caller, needed)
        except AccessDeniedError as error:
            item[DENIED] = str(error)
            call.refused.append(error)
    yield from ()


def may_list(context: Context, caller: Caller, request: Mapping[str, Any]) -> bool:
    """Return whether the caller may learn which keys the bucket of a request has."""
    call = Call(context, caller, "s3", "ListObjects", {"Bucket": request["Bucket"]}, {})
    needed = permission(call, "s3:ListBucket", request["Bucket"], grant=READ_BUCKET)
    return access.decide(context, caller, needed).allowed


def member_permissions(call: Call) -> Iterator[Permission]:
    """Yield what single members of a request to write an object need."""
    for action in dict.fromkeys(
        action for start, action in _MEMBER_ACTIONS if any(name.startswith(start) for name in _asked(call))
    ):
        yield permission(call, action, call.request["Bucket"], call.request["Key"])


def object_permission(
    call: Call, action: str, key: str, version: str | None, grant: ListGrant | None = None, bucket: str = ""
) -> Permission:
    """Return the permission of an action on an object, or on one version of it."""
    named = _VERSION_ACTIONS.get(action, action) if version is not None else action
    return permission(call, named, bucket or call.request["Bucket"], key, version, grant)


def permission(
    call: Call,
    action: str,
    bucket: str,
    key: str | None = None,
    version: str | None = None,
    grant: ListGrant | None = None,
) -> Permission:
    """Return the permission of an action on a bucket or, with `key`, on an object."""
    context, owner = call.context, call.context.account_id
    known = {**_request_facts(call.request), "s3:resourceaccount": (owner,)}
    facts = combined(known, call.facts)
    needed = object_access.permission(context, call.caller, action, bucket, key, version, facts, grant)
    is_repair = action in _REPAIRS and call.caller.is_root and call.caller.account_id == owner
    return replace(needed, find_access=None) if is_repair else needed


def _asked(call: Call) -> Iterator[str]:
    """Yield the members of a request that set something of a new object."""
    for name in call.request:
        if name != "TaggingDirective":
            yield name


def _request_facts(request: Mapping[str, Any]) -> dict[str, Values]:
    facts: dict[str, Values] = {
        key: (str(request[member]),) for key, member in _MEMBER_KEYS.items() if member in request
    }
    if until := request.get("ObjectLockRetainUntilDate"):
        facts["s3:object-lock-retain-until-date"] = (until.isoformat(),)
        days = (until - datetime.now(UTC)).days
        facts["s3:object-lock-remaining-retention-days"] = (str(days),)
    configuration = request.get("CreateBucketConfiguration", {})
    if "LocationConstraint" in configuration:
        facts["s3:locationconstraint"] = (configuration["LocationConstraint"],)
    return {**facts, **_tag_facts(request)}


def _tag_facts(request: Mapping[str, Any]) -> Facts:
    """Return the tags that a request sets on an object."""
    tagging = request.get("Tagging")
    if not tagging or "Key" not in request:
        return {}
    if isinstance(tagging, str):
        tags = parse_tags_header(request) or {}
    else:
        tags = {tag["Key"]: tag["Value"] for tag in tagging.get("TagSet", ())}
    of_key = {f"s3:requestobjecttag/{key.lower()}": (value,) for key, value in tags.items()}
    return {**of_key, "s3:requestobjecttagkeys": tuple(tags)}


def _has_tags(call: Call, source: CopySource) -> bool:
    """Return whether a copy gets tags from its source."""
    try:
        found = objects.head(call.context, source.bucket, source.key, version=source.version)
    except CloudError:
        return False  # the operation says why
    return bool(found.metadata.tags)
