"""Copying objects."""

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.translation.access_lists import keep_list
from lowcloud.api.aws.services.s3.translation.checksums import announced, quoted, told
from lowcloud.api.aws.services.s3.translation.encryption import asked_encryption, customer_key, told_encryption
from lowcloud.api.aws.services.s3.translation.headers import (
    copy_source,
    kept_headers,
    new_version,
    read_conditions,
    storage_class,
    told_version,
    user_metadata,
    write_conditions,
)
from lowcloud.api.aws.services.s3.translation.locks import EVENT_HOLD, asked_lock
from lowcloud.api.aws.services.s3.translation.tags import asked_tags
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Caller
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import copies
from lowcloud.core.storage.objects.copies import CopySource

# What makes a copy of an object onto itself more than nothing.
_CHANGES = ("StorageClass", "ServerSideEncryption", "SSECustomerKey", "WebsiteRedirectLocation")


@s3_operation("CopyObject", refused=EVENT_HOLD, ignored=("AnnotationDirective",))  # there are no annotations to copy
def copy_object(context: Context, _caller: Caller, request: Request) -> Answer:
    source = copy_source(request)
    _refuse_nothing(context, request, source)
    replaces = request.get("MetadataDirective") == "REPLACE"
    encryption, key = asked_encryption(context, request)
    found, made = copies.copy(
        context,
        source,
        request["Bucket"],
        request["Key"],
        headers=kept_headers(request) if replaces else None,
        own_headers={"x-amz-website-redirect-location": request.get("WebsiteRedirectLocation")},  # never copied
        user_metadata=user_metadata(request) if replaces else None,
        tags=(asked_tags(request) or {}) if request.get("TaggingDirective") == "REPLACE" else None,
        encryption=encryption,
        storage_class=storage_class(request),
        lock=asked_lock(context, request),
        algorithm=announced(request).algorithm,
        source_customer_key=customer_key(request, "CopySource"),
        customer_key=key,
        source_conditions=read_conditions(request, "CopySource"),
        conditions=write_conditions(request),
    )
    keep_list(context, request, made)
    return {
        "CopyObjectResult": {"ETag": quoted(made.etag), "LastModified": made.modified_at, **told(made.checksum)},
        **told_encryption(context, made.description.encryption),
        **told_version(found, "CopySourceVersionId"),
        **new_version(made),
    }


def _refuse_nothing(context: Context, request: Request, source: CopySource) -> None:
    """Raises AwsError for a copy that would leave everything as it is."""
    if source != CopySource(request["Bucket"], request["Key"]) or request.get("MetadataDirective") == "REPLACE":
        return
    if any(name in request for name in _CHANGES) or buckets.find(context, source.bucket).encryption is not None:
        return
    raise AwsError(
        "InvalidRequest",
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
        "metadata, storage class, website redirect location or encryption attributes.",
    )
