"""CreateMultipartUpload, CompleteMultipartUpload and AbortMultipartUpload."""

from collections.abc import Sequence
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import WRITE_BUCKET, OnObject, writes_object
from lowcloud.api.aws.services.s3.translation.access_lists import store_list
from lowcloud.api.aws.services.s3.translation.checksums import (
    checksum_type,
    declared_checksum,
    parse_checksums,
    quote_etag,
    render_checksum,
)
from lowcloud.api.aws.services.s3.translation.encryption import parse_customer_key, parse_encryption, render_encryption
from lowcloud.api.aws.services.s3.translation.headers import (
    parse_storage_class,
    parse_stored_headers,
    parse_user_metadata,
    parse_write_preconditions,
    render_new_version,
)
from lowcloud.api.aws.services.s3.translation.locks import EVENT_HOLD, parse_lock
from lowcloud.api.aws.services.s3.translation.tags import parse_tags_header
from lowcloud.api.aws.services.s3.wire_format import URL
from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.multipart import completions, uploads
from lowcloud.core.storage.multipart.completions import RequestedPart
from lowcloud.core.storage.multipart.uploads import Upload
from lowcloud.core.storage.objects.checksums import COMBINABLE_ALGORITHMS, DEFAULT_ALGORITHM
from lowcloud.core.storage.objects.metadata import ObjectMetadata


@s3_operation("CreateMultipartUpload", writes_object, refused=EVENT_HOLD)
def create_multipart_upload(context: Context, _caller: Caller, request: Request) -> Answer:
    algorithm = declared_checksum(request).algorithm
    kind = _checksum_type(request, algorithm)
    encryption, _ = parse_encryption(context, request)
    object_metadata = ObjectMetadata(
        parse_stored_headers(request), parse_user_metadata(request), parse_tags_header(request) or {}, encryption
    )
    upload = uploads.create(
        context,
        request["Bucket"],
        request["Key"],
        object_metadata,
        storage_class=parse_storage_class(request),
        lock=parse_lock(context, request),
        algorithm=algorithm or DEFAULT_ALGORITHM,
        is_composite=kind == "COMPOSITE",
    )
    store_list(context, request, upload)
    rendered_encryption = render_encryption(context, upload.metadata.encryption)
    answer = {"Bucket": upload.bucket, "Key": upload.key, "UploadId": upload.id, **rendered_encryption}
    return answer if algorithm is None else answer | {"ChecksumAlgorithm": algorithm, "ChecksumType": kind}


@s3_operation("CompleteMultipartUpload", OnObject("s3:PutObject", WRITE_BUCKET))
def complete_multipart_upload(context: Context, _caller: Caller, request: Request) -> Answer:
    requested = [_requested_part(part) for part in request.get("MultipartUpload", {}).get("Parts", [])]
    if not requested:
        raise AwsError("MalformedXML", "The XML you provided was not well-formed or did not validate.")
    parse_customer_key(request)
    _check_checksums(context, request, requested)
    completed = completions.complete(
        context,
        request["Bucket"],
        request["Key"],
        request["UploadId"],
        requested,
        expected_checksums=parse_checksums(request),
        size=request.get("MpuObjectSize"),
        preconditions=parse_write_preconditions(request),
    )
    return {
        "Location": request[URL],
        "Bucket": completed.bucket,
        "Key": completed.key,
        "ETag": quote_etag(completed.etag),
        **render_checksum(completed.checksum),
        **render_encryption(context, completed.metadata.encryption),
        **render_new_version(completed),
    }


@s3_operation("AbortMultipartUpload", OnObject("s3:AbortMultipartUpload"))
def abort_multipart_upload(context: Context, _caller: Caller, request: Request) -> Answer:
    initiated = request.get("IfMatchInitiatedTime")
    if_created_at = None if initiated is None else initiated.timestamp()
    uploads.abort(context, request["Bucket"], request["Key"], request["UploadId"], if_created_at=if_created_at)
    return {}


def _checksum_type(request: Request, algorithm: str | None) -> str:
    """Return the checksum type of the object. Raises AwsError."""
    kind: str | None = request.get("ChecksumType")
    if kind is not None and algorithm is None:
        message = "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
        raise AwsError("InvalidRequest", message)
    name = algorithm or DEFAULT_ALGORITHM
    kind = kind or checksum_type(name != DEFAULT_ALGORITHM)
    if name == DEFAULT_ALGORITHM if kind == "COMPOSITE" else name not in COMBINABLE_ALGORITHMS:
        message = f"The {kind} checksum type cannot be used with the {name.lower()} checksum algorithm."
        raise AwsError("InvalidRequest", message)
    return kind


def _requested_part(part: dict[str, Any]) -> RequestedPart:
    if "PartNumber" not in part or "ETag" not in part:
        raise AwsError("MalformedXML", "The XML you provided was not well-formed or did not validate.")
    return RequestedPart(part["PartNumber"], part["ETag"], parse_checksums(part))


def _check_checksums(context: Context, request: Request, requested: Sequence[RequestedPart]) -> None:
    """Raise AwsError if the checksums in the request differ from the upload's."""
    try:
        upload = uploads.find(context, request["Bucket"], request["Key"], request["UploadId"])
    except NotFoundError:  # completed already, or unknown: core decides
        return
    kind = checksum_type(upload.is_composite)
    if request.get("ChecksumType", kind) != kind:
        message = f"The upload was created using the {kind} checksum mode. The complete request must use the same"
        raise AwsError("InvalidRequest", f"{message} checksum mode.")
    for part in requested:
        _check_part(upload, part)


def _check_part(upload: Upload, part: RequestedPart) -> None:
    algorithm = upload.algorithm
    if unexpected := part.checksums.keys() - {algorithm}:
        name = min(unexpected).lower()
        message = f"The {name} you specified for part {part.number} did not match what we received."
        raise AwsError("BadDigest", message)
    if upload.is_composite and algorithm not in part.checksums:
        raise AwsError(
            "InvalidRequest",
            f"The upload was created using a {algorithm.lower()} checksum. The complete request must include the "
            f"checksum for each part. It was missing for part {part.number} in the request.",
        )
