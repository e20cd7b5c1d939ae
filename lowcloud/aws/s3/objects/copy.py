"""Copying objects."""

from lowcloud.aws.errors import AwsError
from lowcloud.aws.operations import Answer, Request
from lowcloud.aws.s3.access_lists import keep_list
from lowcloud.aws.s3.checksums import announced, quoted, told
from lowcloud.aws.s3.encryption import asked_encryption, customer_key, told_encryption
from lowcloud.aws.s3.headers import (
    copy_source,
    kept_headers,
    new_version,
    read_conditions,
    storage_class,
    told_version,
    user_metadata,
    write_conditions,
)
from lowcloud.aws.s3.locks import EVENT_HOLD, asked_lock
from lowcloud.aws.s3.operation import s3_operation
from lowcloud.aws.s3.tags import asked_tags
from lowcloud.core import buckets, copies
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.copies import Source

# What makes a copy of an object onto itself more than nothing.
_CHANGES = ("StorageClass", "ServerSideEncryption", "SSECustomerKey", "WebsiteRedirectLocation")


@s3_operation("CopyObject", refused=EVENT_HOLD, ignored=("AnnotationDirective",))  # there are no annotations to copy
def copy_object(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    source = copy_source(request)
    _refuse_nothing(cloud, request, source)
    replaces = request.get("MetadataDirective") == "REPLACE"
    encryption, key = asked_encryption(cloud, request)
    found, made = copies.copy(
        cloud,
        source,
        request["Bucket"],
        request["Key"],
        headers=kept_headers(request) if replaces else None,
        own_headers={"x-amz-website-redirect-location": request.get("WebsiteRedirectLocation")},  # never copied
        user_metadata=user_metadata(request) if replaces else None,
        tags=(asked_tags(request) or {}) if request.get("TaggingDirective") == "REPLACE" else None,
        encryption=encryption,
        storage_class=storage_class(request),
        lock=asked_lock(cloud, request),
        algorithm=announced(request).algorithm,
        source_customer_key=customer_key(request, "CopySource"),
        customer_key=key,
        source_conditions=read_conditions(request, "CopySource"),
        conditions=write_conditions(request),
    )
    keep_list(cloud, request, made)
    return {
        "CopyObjectResult": {"ETag": quoted(made.etag), "LastModified": made.modified_at, **told(made.checksum)},
        **told_encryption(cloud, made.description.encryption),
        **told_version(found, "CopySourceVersionId"),
        **new_version(made),
    }


def _refuse_nothing(cloud: Cloud, request: Request, source: Source) -> None:
    """Raises AwsError for a copy that would leave everything as it is."""
    if source != Source(request["Bucket"], request["Key"]) or request.get("MetadataDirective") == "REPLACE":
        return
    if any(name in request for name in _CHANGES) or buckets.find(cloud, source.bucket).encryption is not None:
        return
    raise AwsError(
        "InvalidRequest",
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
        "metadata, storage class, website redirect location or encryption attributes.",
    )
