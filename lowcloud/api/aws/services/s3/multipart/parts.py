"""UploadPart and UploadPartCopy."""

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import WRITE_BUCKET, CopiesObject, OnObject
from lowcloud.api.aws.services.s3.translation.checksums import (
    DeclaredChecksum,
    declared_body_checksum,
    payload_chunks,
    quote_etag,
)
from lowcloud.api.aws.services.s3.translation.encryption import parse_customer_key, render_encryption
from lowcloud.api.aws.services.s3.translation.headers import (
    parse_copy_source,
    parse_range,
    parse_read_preconditions,
    render_version,
)
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.multipart import uploads
from lowcloud.core.storage.multipart.uploads import Part, Upload
from lowcloud.core.storage.objects.checksums import DEFAULT_ALGORITHM
from lowcloud.core.storage.objects.metadata import (
    CustomerKeyNotAllowedError,
    CustomerKeyRequiredError,
    WrongCustomerKeyError,
    key_wrapping,
)


@s3_operation("UploadPart", OnObject("s3:PutObject", WRITE_BUCKET))
def upload_part(context: Context, _caller: Caller, request: Request) -> Answer:
    checksum = declared_body_checksum(request)
    upload, key = _find(context, request)
    _check_algorithm(upload, checksum)
    part = uploads.put_part(
        context,
        upload,
        _part_number(request),
        payload_chunks(request),
        algorithms=[checksum.algorithm] if checksum.algorithm else [],
        expected_digests=checksum.expected_digests,
        customer_key=key,
    )
    return {**_render_part(upload, part), **render_encryption(context, upload.metadata.encryption)}


@s3_operation("UploadPartCopy", CopiesObject(copies_tags=False))
def upload_part_copy(context: Context, _caller: Caller, request: Request) -> Answer:
    text = request.get("CopySourceRange")
    byte_range = parse_range(text)
    if text is not None and (byte_range is None or byte_range.first is None or byte_range.last is None):
        raise AwsError("InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last")
    upload, key = _find(context, request)
    found, part = uploads.copy_part(
        context,
        upload,
        _part_number(request),
        parse_copy_source(request),
        byte_range=byte_range,
        preconditions=parse_read_preconditions(request, "CopySource"),
        source_customer_key=parse_customer_key(request, "CopySource"),
        customer_key=key,
    )
    return {
        "CopyPartResult": {**_render_part(upload, part), "LastModified": part.modified_at},
        **render_version(found, "CopySourceVersionId"),
        **render_encryption(context, upload.metadata.encryption),
    }


def _find(context: Context, request: Request) -> tuple[Upload, bytes | None]:
    """Return the upload and the customer's key, which must be the one of CreateMultipartUpload. Raises AwsError."""
    upload = uploads.find(context, request["Bucket"], request["Key"], request["UploadId"])
    key = parse_customer_key(request)
    try:
        key_wrapping(upload.metadata.encryption, key)
    except (CustomerKeyRequiredError, CustomerKeyNotAllowedError) as error:
        message = "The multipart upload initiate requested encryption. Subsequent part requests must include the"
        raise AwsError("InvalidRequest", f"{message} appropriate encryption parameters.") from error
    except WrongCustomerKeyError as error:
        message = "The provided encryption parameters did not match the ones used originally."
        raise AwsError("InvalidRequest", message) from error
    return upload, key


def _part_number(request: Request) -> int:
    number: int = request["PartNumber"]
    if not 1 <= number <= uploads.MAX_PARTS:
        fields = {"ArgumentName": "partNumber", "ArgumentValue": number}
        message = "Part number must be an integer between 1 and 10000, inclusive"
        raise AwsError("InvalidArgument", message, fields=fields)
    return number


def _check_algorithm(upload: Upload, checksum: DeclaredChecksum) -> None:
    """Raise AwsError for another algorithm than the upload's, unless the upload was created without one."""
    if checksum.algorithm in (None, upload.algorithm) or upload.algorithm == DEFAULT_ALGORITHM:
        return
    message = f"Checksum Type mismatch occurred, expected checksum Type: {upload.algorithm.lower()}"
    raise AwsError("InvalidRequest", f"{message}, actual checksum Type: {checksum.algorithm.lower()}")


def _render_part(upload: Upload, part: Part) -> dict[str, str | None]:
    return {"ETag": quote_etag(part.etag), f"Checksum{upload.algorithm}": part.checksum}
