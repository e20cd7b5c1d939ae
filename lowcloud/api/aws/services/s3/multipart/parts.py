"""The parts of multipart uploads: sent, or copied from other objects."""

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.translation.checksums import Announced, announced_body, body_of, quoted
from lowcloud.api.aws.services.s3.translation.encryption import customer_key, told_encryption
from lowcloud.api.aws.services.s3.translation.headers import copy_source, read_conditions, read_range, told_version
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Caller
from lowcloud.core.storage.multipart import uploads
from lowcloud.core.storage.multipart.uploads import Part, Upload
from lowcloud.core.storage.objects.checksums import DEFAULT_ALGORITHM
from lowcloud.core.storage.objects.metadata import (
    CustomerKeyNotAllowedError,
    CustomerKeyRequiredError,
    WrongCustomerKeyError,
    wrapping,
)


@s3_operation("UploadPart")
def upload_part(context: Context, _caller: Caller, request: Request) -> Answer:
    checksum = announced_body(request)
    upload, key = _find(context, request)
    _check_algorithm(upload, checksum)
    part = uploads.put_part(
        context,
        upload,
        _part_number(request),
        body_of(request),
        algorithms=[checksum.algorithm] if checksum.algorithm else [],
        claims=checksum.claims,
        customer_key=key,
    )
    return {**_told(upload, part), **told_encryption(context, upload.description.encryption)}


@s3_operation("UploadPartCopy")
def upload_part_copy(context: Context, _caller: Caller, request: Request) -> Answer:
    text = request.get("CopySourceRange")
    span = read_range(text)
    if text is not None and (span is None or span.first is None or span.last is None):
        raise AwsError("InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last")
    upload, key = _find(context, request)
    found, part = uploads.copy_part(
        context,
        upload,
        _part_number(request),
        copy_source(request),
        span=span,
        conditions=read_conditions(request, "CopySource"),
        source_customer_key=customer_key(request, "CopySource"),
        customer_key=key,
    )
    return {
        "CopyPartResult": {**_told(upload, part), "LastModified": part.modified_at},
        **told_version(found, "CopySourceVersionId"),
        **told_encryption(context, upload.description.encryption),
    }


def _find(context: Context, request: Request) -> tuple[Upload, bytes | None]:
    """The upload and the customer's key, which must be the one that it was begun with. Raises AwsError."""
    upload = uploads.find(context, request["Bucket"], request["Key"], request["UploadId"])
    key = customer_key(request)
    try:
        wrapping(upload.description.encryption, key)
    except (CustomerKeyRequiredError, CustomerKeyNotAllowedError) as error:
        sentence = "The multipart upload initiate requested encryption. Subsequent part requests must include the"
        raise AwsError("InvalidRequest", f"{sentence} appropriate encryption parameters.") from error
    except WrongCustomerKeyError as error:
        sentence = "The provided encryption parameters did not match the ones used originally."
        raise AwsError("InvalidRequest", sentence) from error
    return upload, key


def _part_number(request: Request) -> int:
    number: int = request["PartNumber"]
    if not 1 <= number <= uploads.MOST_PARTS:
        fields = {"ArgumentName": "partNumber", "ArgumentValue": number}
        sentence = "Part number must be an integer between 1 and 10000, inclusive"
        raise AwsError("InvalidArgument", sentence, fields=fields)
    return number


def _check_algorithm(upload: Upload, checksum: Announced) -> None:
    """An upload that was begun without a word of checksums takes parts with any."""
    if checksum.algorithm in (None, upload.algorithm) or upload.algorithm == DEFAULT_ALGORITHM:
        return
    sentence = f"Checksum Type mismatch occurred, expected checksum Type: {upload.algorithm.lower()}"
    raise AwsError("InvalidRequest", f"{sentence}, actual checksum Type: {checksum.algorithm.lower()}")


def _told(upload: Upload, part: Part) -> dict[str, str | None]:
    return {"ETag": quoted(part.etag), f"Checksum{upload.algorithm}": part.checksum}
