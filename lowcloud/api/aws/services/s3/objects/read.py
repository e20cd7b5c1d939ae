"""Getting objects: their bytes, or what is known of them alone."""

from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.translation.checksums import quoted, told, told_type
from lowcloud.api.aws.services.s3.translation.encryption import customer_key, told_encryption
from lowcloud.api.aws.services.s3.translation.headers import (
    read_conditions,
    read_range,
    told_headers,
    told_metadata,
    told_version,
)
from lowcloud.api.aws.services.s3.translation.locks import told_lock
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Caller
from lowcloud.core.storage.multipart import uploads
from lowcloud.core.storage.objects import byte_ranges, metadata, objects
from lowcloud.core.storage.objects.versions import Object

SMALL_BYTES = 256 * 1024


@s3_operation("GetObject")
def get_object(context: Context, caller: Caller, request: Request) -> Answer:
    _refuse_overrides(caller, request)
    span = _wanted_span(request)
    found, chunks = objects.get(
        context,
        request["Bucket"],
        request["Key"],
        version=request.get("VersionId"),
        span=span,
        part=request.get("PartNumber"),
        customer_key=customer_key(request),
        conditions=read_conditions(request),
    )
    is_partial = span is not None or "PartNumber" in request
    answer = _described(context, found, request, chunks.first, chunks.length, is_partial=is_partial)
    # A small body goes out with its head, at a third less CPU than one that is streamed.
    return {**answer, "Body": b"".join(chunks) if chunks.length <= SMALL_BYTES else chunks}


@s3_operation("HeadObject")
def head_object(context: Context, caller: Caller, request: Request) -> Answer:
    _refuse_overrides(caller, request)
    span = _wanted_span(request)
    bucket, key, version = request["Bucket"], request["Key"], request.get("VersionId")
    found = objects.head(context, bucket, key, version=version, conditions=read_conditions(request))
    metadata.wrapping(found.description.encryption, customer_key(request))
    first, length = objects.locate(context, found, span, request.get("PartNumber"))
    is_partial = span is not None or "PartNumber" in request
    return _described(context, found, request, first, length, is_partial=is_partial)


def _refuse_overrides(caller: Caller, request: Request) -> None:
    """Raises AwsError for a stranger who wants other headers than the object's."""
    if caller.is_anonymous and any(name.startswith("Response") for name in request):
        sentence = "Request specific response headers cannot be used for anonymous GET requests."
        raise AwsError("InvalidRequest", sentence)


def _wanted_span(request: Request) -> byte_ranges.Span | None:
    span = read_range(request.get("Range"))
    if "PartNumber" in request:
        if span is not None:
            raise AwsError("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
        if not 1 <= request["PartNumber"] <= uploads.MOST_PARTS:
            raise AwsError("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
    return span


def _described(
    context: Context, found: Object, request: Request, first: int, length: int, *, is_partial: bool
) -> dict[str, Any]:
    said = found.description
    answer: dict[str, Any] = {
        "AcceptRanges": "bytes",
        "ContentLength": length,
        "ETag": quoted(found.etag),
        "LastModified": found.modified_at,
        "StorageClass": found.storage_class,
        "TagCount": len(said.tags) or None,
        **told_metadata(said.user_metadata),
        **told_encryption(context, said.encryption),
        **told_lock(found.lock),
        **told_version(found),
        "ResponseMetadata": {
            "HTTPHeaders": told_headers(found, request),
            "HTTPStatusCode": 206 if is_partial else 200,
        },
    }
    if is_partial and found.size:
        answer["ContentRange"] = f"bytes {first}-{first + length - 1}/{found.size}"
    if request.get("ChecksumMode") == "ENABLED":
        answer.update(told(found.checksum) if length == found.size else _told_of_part(context, found, request))
    if "PartNumber" in request and found.parts is not None:
        answer["PartsCount"] = found.parts
    return answer


def _told_of_part(context: Context, found: Object, request: Request) -> dict[str, str]:
    """The checksum of the one part that is read; bytes that are no part have none."""
    number = request.get("PartNumber")
    if number is None or found.checksum is None:
        return {}
    [part], _ = uploads.parts_of(context, found.id, after=number - 1, limit=1)
    if part.checksum is None:
        return {}
    kind = told_type(found.checksum.is_composite)
    return {f"Checksum{found.checksum.algorithm}": part.checksum, "ChecksumType": kind}
