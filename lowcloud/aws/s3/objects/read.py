"""Getting objects: their bytes, or what is known of them alone."""

from typing import Any

from lowcloud.aws.errors import AwsError
from lowcloud.aws.operations import Answer, Request
from lowcloud.aws.s3.checksums import quoted, told, told_type
from lowcloud.aws.s3.encryption import customer_key, told_encryption
from lowcloud.aws.s3.headers import read_conditions, read_range, told_headers, told_metadata, told_version
from lowcloud.aws.s3.locks import told_lock
from lowcloud.aws.s3.operation import s3_operation
from lowcloud.core import descriptions, objects, spans, uploads
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.versions import Object

SMALL_BYTES = 256 * 1024


@s3_operation("GetObject")
def get_object(cloud: Cloud, caller: Caller, request: Request) -> Answer:
    _refuse_overrides(caller, request)
    span = _wanted_span(request)
    found, chunks = objects.get(
        cloud,
        request["Bucket"],
        request["Key"],
        version=request.get("VersionId"),
        span=span,
        part=request.get("PartNumber"),
        customer_key=customer_key(request),
        conditions=read_conditions(request),
    )
    is_partial = span is not None or "PartNumber" in request
    answer = _described(cloud, found, request, chunks.first, chunks.length, is_partial=is_partial)
    # A small body goes out with its head, at a third less CPU than one that is streamed.
    return {**answer, "Body": b"".join(chunks) if chunks.length <= SMALL_BYTES else chunks}


@s3_operation("HeadObject")
def head_object(cloud: Cloud, caller: Caller, request: Request) -> Answer:
    _refuse_overrides(caller, request)
    span = _wanted_span(request)
    bucket, key, version = request["Bucket"], request["Key"], request.get("VersionId")
    found = objects.head(cloud, bucket, key, version=version, conditions=read_conditions(request))
    descriptions.wrapping(found.description.encryption, customer_key(request))
    first, length = objects.locate(cloud, found, span, request.get("PartNumber"))
    is_partial = span is not None or "PartNumber" in request
    return _described(cloud, found, request, first, length, is_partial=is_partial)


def _refuse_overrides(caller: Caller, request: Request) -> None:
    """Raises AwsError for a stranger who wants other headers than the object's."""
    if caller.is_anonymous and any(name.startswith("Response") for name in request):
        sentence = "Request specific response headers cannot be used for anonymous GET requests."
        raise AwsError("InvalidRequest", sentence)


def _wanted_span(request: Request) -> spans.Span | None:
    span = read_range(request.get("Range"))
    if "PartNumber" in request:
        if span is not None:
            raise AwsError("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
        if not 1 <= request["PartNumber"] <= uploads.MOST_PARTS:
            raise AwsError("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
    return span


def _described(
    cloud: Cloud, found: Object, request: Request, first: int, length: int, *, is_partial: bool
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
        **told_encryption(cloud, said.encryption),
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
        answer.update(told(found.checksum) if length == found.size else _told_of_part(cloud, found, request))
    if "PartNumber" in request and found.parts is not None:
        answer["PartsCount"] = found.parts
    return answer


def _told_of_part(cloud: Cloud, found: Object, request: Request) -> dict[str, str]:
    """The checksum of the one part that is read; bytes that are no part have none."""
    number = request.get("PartNumber")
    if number is None or found.checksum is None:
        return {}
    [part], _ = uploads.parts_of(cloud, found.id, after=number - 1, limit=1)
    if part.checksum is None:
        return {}
    kind = told_type(found.checksum.is_composite)
    return {f"Checksum{found.checksum.algorithm}": part.checksum, "ChecksumType": kind}
