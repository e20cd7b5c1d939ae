"""PutObject."""

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import writes_object
from lowcloud.api.aws.services.s3.translation.access_lists import store_list
from lowcloud.api.aws.services.s3.translation.checksums import (
    DeclaredChecksum,
    declared_body_checksum,
    payload_chunks,
    quote_etag,
    render_checksum,
)
from lowcloud.api.aws.services.s3.translation.encryption import parse_encryption, render_encryption
from lowcloud.api.aws.services.s3.translation.headers import (
    parse_storage_class,
    parse_stored_headers,
    parse_user_metadata,
    parse_write_preconditions,
    render_new_version,
)
from lowcloud.api.aws.services.s3.translation.locks import EVENT_HOLD, parse_lock
from lowcloud.api.aws.services.s3.translation.tags import parse_tags_header
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.objects import notifications, objects
from lowcloud.core.storage.objects.locks import UNLOCKED, Lock
from lowcloud.core.storage.objects.metadata import ObjectMetadata


@s3_operation("PutObject", writes_object, refused=("WriteOffsetBytes", *EVENT_HOLD))
def put_object(context: Context, _caller: Caller, request: Request) -> Answer:
    checksum = declared_body_checksum(request)
    encryption, customer_key = parse_encryption(context, request)
    lock = parse_lock(context, request)
    _check_digest(request, lock, checksum)
    object_metadata = ObjectMetadata(
        parse_stored_headers(request), parse_user_metadata(request), parse_tags_header(request) or {}, encryption
    )
    preconditions = parse_write_preconditions(request)
    if getattr(request.get("Body"), "is_incoming", False):
        objects.check_put(context, request["Bucket"], request["Key"], lock, preconditions)
    created = objects.put(
        context,
        request["Bucket"],
        request["Key"],
        payload_chunks(request),
        object_metadata,
        storage_class=parse_storage_class(request),
        lock=lock,
        customer_key=customer_key,
        algorithm=checksum.stored_algorithm,
        expected_digests=checksum.expected_digests,
        preconditions=preconditions,
        event=notifications.POSTED if getattr(request.get("Body"), "is_form_upload", False) else notifications.PUT,
    )
    store_list(context, request, created)
    return {
        "ETag": quote_etag(created.etag),
        **render_checksum(created.checksum),
        **render_encryption(context, created.metadata.encryption),
        **render_new_version(created),
    }


def _check_digest(request: Request, lock: Lock, checksum: DeclaredChecksum) -> None:
    """Raise AwsError for a locked object without a digest, since it could not be overwritten if it were corrupt."""
    if lock is not UNLOCKED and checksum.algorithm is None and "ContentMD5" not in request:
        message = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock"
        raise AwsError("InvalidRequest", f"{message} parameters")
