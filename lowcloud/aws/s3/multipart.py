"""Operations on multipart uploads."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from lowcloud.aws.errors import AwsError
from lowcloud.aws.operations import Answer, Request
from lowcloud.aws.s3.access_lists import keep_list
from lowcloud.aws.s3.checksums import announced, claimed, told, told_type
from lowcloud.aws.s3.headers import (
    STANDARD,
    copy_source,
    description,
    read_conditions,
    read_range,
    storage_class,
    write_conditions,
)
from lowcloud.aws.s3.listing import common_prefixes, encode, page_size
from lowcloud.aws.s3.objects import body_of, quoted
from lowcloud.aws.s3.operation import (
    CUSTOMER_KEY,
    ENCRYPTION,
    NEW_OBJECT,
    OTHER_CHECKSUMS,
    SOURCE_CUSTOMER_KEY,
    owner,
    s3_operation,
)
from lowcloud.core import uploads
from lowcloud.core.access import Caller
from lowcloud.core.checksums import CAN_SPAN_PARTS, DEFAULT_ALGORITHM
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import NotFound
from lowcloud.core.uploads import Upload, Wanted


@s3_operation("CreateMultipartUpload", refused=NEW_OBJECT)
def create_multipart_upload(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    algorithm = announced(request).algorithm
    kind = request.get("ChecksumType") or told_type(algorithm is not None and algorithm != DEFAULT_ALGORITHM)
    if kind == "COMPOSITE" and (algorithm or DEFAULT_ALGORITHM) == DEFAULT_ALGORITHM:
        raise AwsError("InvalidRequest", f"The COMPOSITE checksum type cannot be used with {DEFAULT_ALGORITHM}.")
    if kind == "FULL_OBJECT" and (algorithm or DEFAULT_ALGORITHM) not in CAN_SPAN_PARTS:
        raise AwsError("InvalidRequest", f"The FULL_OBJECT checksum type cannot be used with {algorithm}.")
    upload = uploads.create(
        cloud,
        request["Bucket"],
        request["Key"],
        description(request),
        storage_class=storage_class(request),
        algorithm=algorithm or DEFAULT_ALGORITHM,
        is_composite=kind == "COMPOSITE",
    )
    keep_list(cloud, request, upload)
    answer = {"Bucket": upload.bucket, "Key": upload.key, "UploadId": upload.id, **ENCRYPTION}
    return answer if algorithm is None else answer | {"ChecksumAlgorithm": algorithm, "ChecksumType": kind}


@s3_operation("UploadPart", refused=(*CUSTOMER_KEY, *OTHER_CHECKSUMS))
def upload_part(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    checksum = announced(request)
    upload = _find(cloud, request)
    part = uploads.put_part(
        cloud,
        upload,
        _part_number(request),
        body_of(request),
        algorithms=[checksum.algorithm] if checksum.algorithm else [],
        claims=checksum.claims,
    )
    return {"ETag": quoted(part.etag), f"Checksum{upload.algorithm}": part.checksum, **ENCRYPTION}


@s3_operation("UploadPartCopy", refused=(*CUSTOMER_KEY, *SOURCE_CUSTOMER_KEY))
def upload_part_copy(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    text = request.get("CopySourceRange")
    span = read_range(text)
    if text is not None and (span is None or span.first is None or span.last is None):
        raise AwsError("InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last")
    upload = _find(cloud, request)
    conditions = read_conditions(request, "CopySource")
    source = copy_source(request)
    _, part = uploads.copy_part(cloud, upload, _part_number(request), source, span=span, conditions=conditions)
    result = {"ETag": quoted(part.etag), "LastModified": part.modified_at, f"Checksum{upload.algorithm}": part.checksum}
    return {"CopyPartResult": result, **ENCRYPTION}


@s3_operation(
    "CompleteMultipartUpload",
    refused=(*CUSTOMER_KEY, *OTHER_CHECKSUMS, *(f"MultipartUpload.Parts.{member}" for member in OTHER_CHECKSUMS)),
)
def complete_multipart_upload(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    wanted = [_wanted(part) for part in request.get("MultipartUpload", {}).get("Parts", [])]
    if not wanted:
        raise AwsError("MalformedXML", "The XML you provided was not well-formed or did not validate.")
    _refuse_other_checksums(cloud, request, wanted)
    made = uploads.complete(
        cloud,
        request["Bucket"],
        request["Key"],
        request["UploadId"],
        wanted,
        claimed=claimed(request),
        is_composite=None if "ChecksumType" not in request else request["ChecksumType"] == "COMPOSITE",
        size=request.get("MpuObjectSize"),
        conditions=write_conditions(request),
    )
    settings = cloud.settings
    return {
        "Location": f"http://{settings.host}:{settings.port}/{made.bucket}/{quote(made.key)}",
        "Bucket": made.bucket,
        "Key": made.key,
        "ETag": quoted(made.etag),
        **told(made.checksum),
        **ENCRYPTION,
    }


@s3_operation("AbortMultipartUpload", refused=("IfMatchInitiatedTime",))
def abort_multipart_upload(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    uploads.abort(cloud, request["Bucket"], request["Key"], request["UploadId"])
    return {}


@s3_operation("ListParts", refused=CUSTOMER_KEY)
def list_parts(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    upload = _find(cloud, request)
    after, limit = request.get("PartNumberMarker", 0), page_size(request, "MaxParts")
    found, is_truncated = uploads.list_parts(cloud, upload, after=after, limit=limit)
    return {
        **_described(cloud, upload),
        "Bucket": upload.bucket,
        "Parts": [
            {
                "PartNumber": part.number,
                "ETag": quoted(part.etag),
                "Size": part.size,
                "LastModified": part.modified_at,
                f"Checksum{upload.algorithm}": part.checksum,
            }
            for part in found
        ],
        "PartNumberMarker": after,
        "NextPartNumberMarker": found[-1].number if found else after,
        "MaxParts": limit,
        "IsTruncated": is_truncated,
    }


@s3_operation("ListMultipartUploads")
def list_multipart_uploads(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    prefix, delimiter = request.get("Prefix", ""), request.get("Delimiter", "")
    key_marker, id_marker = request.get("KeyMarker", ""), request.get("UploadIdMarker", "")
    after = [marker for marker in (key_marker, id_marker) if marker] if key_marker else None
    limit = page_size(request, "MaxUploads")
    found, is_truncated = uploads.list_uploads(
        cloud,
        request["Bucket"],
        prefix=prefix,
        delimiter=delimiter,
        after=after,
        limit=limit,
    )
    last = found[-1] if is_truncated else None
    next_key = last.key if isinstance(last, Upload) else last.prefix if last else None
    return {
        "Bucket": request["Bucket"],
        "Uploads": [
            _described(cloud, entry) | {"Key": encode(request, entry.key), "Initiated": entry.created_at}
            for entry in found
            if isinstance(entry, Upload)
        ],
        "CommonPrefixes": common_prefixes(request, found),
        "Prefix": encode(request, prefix),
        "Delimiter": encode(request, delimiter) or None,
        "KeyMarker": encode(request, key_marker),
        "UploadIdMarker": id_marker,
        "NextKeyMarker": encode(request, next_key),
        "NextUploadIdMarker": last.id if isinstance(last, Upload) else None,
        "MaxUploads": limit,
        "IsTruncated": is_truncated,
        "EncodingType": request.get("EncodingType"),
    }


def _find(cloud: Cloud, request: Request) -> Upload:
    return uploads.find(cloud, request["Bucket"], request["Key"], request["UploadId"])


def _part_number(request: Request) -> int:
    number: int = request["PartNumber"]
    if not 1 <= number <= uploads.MOST_PARTS:
        raise AwsError("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
    return number


def _wanted(part: dict[str, Any]) -> Wanted:
    if "PartNumber" not in part or "ETag" not in part:
        raise AwsError("MalformedXML", "The XML you provided was not well-formed or did not validate.")
    return Wanted(part["PartNumber"], part["ETag"], claimed(part))


def _refuse_other_checksums(cloud: Cloud, request: Request, wanted: Sequence[Wanted]) -> None:
    """Refuse a part's checksum that could not be compared, having been kept by another algorithm."""
    if not any(part.checksums for part in wanted):
        return
    try:
        kept = _find(cloud, request).algorithm
    except NotFound:  # completed already, which may be asked again, or unknown: core tells
        return
    for part in wanted:
        if others := part.checksums.keys() - {kept}:
            sentence = f"The checksums of this upload are {kept}: part {part.number} names {', '.join(sorted(others))}."
            raise AwsError("InvalidRequest", sentence)


def _described(cloud: Cloud, upload: Upload) -> dict[str, Any]:
    return {
        "Key": upload.key,
        "UploadId": upload.id,
        "Initiator": owner(cloud),
        "Owner": owner(cloud),
        "StorageClass": upload.storage_class or STANDARD,
        "ChecksumAlgorithm": upload.algorithm,
        "ChecksumType": told_type(upload.is_composite),
    }
