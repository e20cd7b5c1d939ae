"""CopyObject."""

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import CopiesObject
from lowcloud.api.aws.services.s3.translation.access_lists import store_list
from lowcloud.api.aws.services.s3.translation.checksums import declared_checksum, quote_etag, render_checksum
from lowcloud.api.aws.services.s3.translation.encryption import parse_customer_key, parse_encryption, render_encryption
from lowcloud.api.aws.services.s3.translation.headers import (
    parse_copy_source,
    parse_read_preconditions,
    parse_storage_class,
    parse_stored_headers,
    parse_user_metadata,
    parse_write_preconditions,
    render_new_version,
    render_version,
)
from lowcloud.api.aws.services.s3.translation.locks import EVENT_HOLD, parse_lock
from lowcloud.api.aws.services.s3.translation.tags import parse_tags_header
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import copies
from lowcloud.core.storage.objects.copies import CopySource

# Members that change something when an object is copied onto itself.
_CHANGES = ("StorageClass", "ServerSideEncryption", "SSECustomerKey", "WebsiteRedirectLocation")


@s3_operation(
    "CopyObject", CopiesObject(copies_tags=True), refused=EVENT_HOLD, ignored=("AnnotationDirective",)
)  # there are no annotations to copy
def copy_object(context: Context, _caller: Caller, request: Request) -> Answer:
    source = parse_copy_source(request)
    _refuse_no_op(context, request, source)
    replaces = request.get("MetadataDirective") == "REPLACE"
    encryption, key = parse_encryption(context, request)
    found, copied = copies.copy(
        context,
        source,
        request["Bucket"],
        request["Key"],
        headers=parse_stored_headers(request) if replaces else None,
        # Not copied from the source.
        extra_headers={"x-amz-website-redirect-location": request.get("WebsiteRedirectLocation")},
        user_metadata=parse_user_metadata(request) if replaces else None,
        tags=(parse_tags_header(request) or {}) if request.get("TaggingDirective") == "REPLACE" else None,
        encryption=encryption,
        storage_class=parse_storage_class(request),
        lock=parse_lock(context, request),
        algorithm=declared_checksum(request).algorithm,
        source_customer_key=parse_customer_key(request, "CopySource"),
        customer_key=key,
        source_preconditions=parse_read_preconditions(request, "CopySource"),
        preconditions=parse_write_preconditions(request),
    )
    store_list(context, request, copied)
    return {
        "CopyObjectResult": {
            "ETag": quote_etag(copied.etag),
            "LastModified": copied.modified_at,
            **render_checksum(copied.checksum),
        },
        **render_encryption(context, copied.metadata.encryption),
        **render_version(found, "CopySourceVersionId"),
        **render_new_version(copied),
    }


def _refuse_no_op(context: Context, request: Request, source: CopySource) -> None:
    """Raise AwsError for a copy that would change nothing."""
    if source != CopySource(request["Bucket"], request["Key"]) or request.get("MetadataDirective") == "REPLACE":
        return
    if any(name in request for name in _CHANGES) or buckets.find(context, source.bucket).encryption is not None:
        return
    raise AwsError(
        "InvalidRequest",
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
        "metadata, storage class, website redirect location or encryption attributes.",
    )
