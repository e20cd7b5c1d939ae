"""GetObject and HeadObject."""

from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import OnObject
from lowcloud.api.aws.services.s3.translation.checksums import checksum_type, quote_etag, render_checksum
from lowcloud.api.aws.services.s3.translation.encryption import parse_customer_key, render_encryption
from lowcloud.api.aws.services.s3.translation.headers import (
    parse_range,
    parse_read_preconditions,
    render_stored_headers,
    render_user_metadata,
    render_version,
)
from lowcloud.api.aws.services.s3.translation.locks import render_lock
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.object_access import READ_OBJECT
from lowcloud.core.storage.multipart import uploads
from lowcloud.core.storage.objects import byte_ranges, metadata, objects
from lowcloud.core.storage.objects.versions import Object

SMALL_BYTES = 256 * 1024


@s3_operation("GetObject", OnObject("s3:GetObject", READ_OBJECT))
def get_object(context: Context, caller: Caller, request: Request) -> Answer:
    _refuse_overrides(caller, request)
    byte_range = _parse_range(request)
    found, chunks = objects.get(
        context,
        request["Bucket"],
        request["Key"],
        version=request.get("VersionId"),
        byte_range=byte_range,
        part=request.get("PartNumber"),
        customer_key=parse_customer_key(request),
        preconditions=parse_read_preconditions(request),
    )
    is_partial = byte_range is not None or "PartNumber" in request
    answer = _to_output(context, found, request, chunks.first, chunks.length, is_partial=is_partial)
    # A small body is sent with its head, for a third less CPU than a streamed one.
    return {**answer, "Body": b"".join(chunks) if chunks.length <= SMALL_BYTES else chunks}


@s3_operation("HeadObject", OnObject("s3:GetObject", READ_OBJECT))
def head_object(context: Context, caller: Caller, request: Request) -> Answer:
    _refuse_overrides(caller, request)
    byte_range = _parse_range(request)
    bucket, key, version = request["Bucket"], request["Key"], request.get("VersionId")
    found = objects.head(context, bucket, key, version=version, preconditions=parse_read_preconditions(request))
    metadata.key_wrapping(found.metadata.encryption, parse_customer_key(request))
    first, length = objects.locate(context, found, byte_range, request.get("PartNumber"))
    is_partial = byte_range is not None or "PartNumber" in request
    return _to_output(context, found, request, first, length, is_partial=is_partial)


def _refuse_overrides(caller: Caller, request: Request) -> None:
    """Raise AwsError for an anonymous request that overrides response headers."""
    if caller.is_anonymous and any(name.startswith("Response") for name in request):
        message = "Request specific response headers cannot be used for anonymous GET requests."
        raise AwsError("InvalidRequest", message)


def _parse_range(request: Request) -> byte_ranges.ByteRange | None:
    byte_range = parse_range(request.get("Range"))
    if "PartNumber" in request:
        if byte_range is not None:
            raise AwsError("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
        if not 1 <= request["PartNumber"] <= uploads.MAX_PARTS:
            raise AwsError("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
    return byte_range


def _to_output(
    context: Context, found: Object, request: Request, first: int, length: int, *, is_partial: bool
) -> dict[str, Any]:
    object_metadata = found.metadata
    answer: dict[str, Any] = {
        "AcceptRanges": "bytes",
        "ContentLength": length,
        "ETag": quote_etag(found.etag),
        "LastModified": found.modified_at,
        "StorageClass": found.storage_class,
        "TagCount": len(object_metadata.tags) or None,
        **render_user_metadata(object_metadata.user_metadata),
        **render_encryption(context, object_metadata.encryption),
        **render_lock(found.lock),
        **render_version(found),
        "ResponseMetadata": {
            "HTTPHeaders": render_stored_headers(found, request),
            "HTTPStatusCode": 206 if is_partial else 200,
        },
    }
    if is_partial and found.size:
        answer["ContentRange"] = f"bytes {first}-{first + length - 1}/{found.size}"
    if request.get("ChecksumMode") == "ENABLED":
        answer.update(
            render_checksum(found.checksum) if length == found.size else _render_part_checksum(context, found, request)
        )
    if "PartNumber" in request and found.parts is not None:
        answer["PartsCount"] = found.parts
    return answer


def _render_part_checksum(context: Context, found: Object, request: Request) -> dict[str, str]:
    """Return the checksum of the requested part; an arbitrary range has none."""
    number = request.get("PartNumber")
    if number is None or found.checksum is None:
        return {}
    [part], _ = uploads.list_parts(context, found.id, after=number - 1, limit=1)
    if part.checksum is None:
        return {}
    kind = checksum_type(found.checksum.is_composite)
    return {f"Checksum{found.checksum.algorithm}": part.checksum, "ChecksumType": kind}
