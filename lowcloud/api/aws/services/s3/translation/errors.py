"""Conversion of core's errors into S3's."""

from collections.abc import Callable
from email.utils import formatdate

from lowcloud.api.aws.errors import AwsError, ErrorCodes, register_errors
from lowcloud.api.aws.operations import Request
from lowcloud.core.errors import (
    AlreadyExistsError,
    CloudError,
    ForbiddenError,
    InUseError,
    InvalidError,
    NotFoundError,
    StorageFullError,
)
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.multipart import completions
from lowcloud.core.storage.objects import (
    bodies,
    byte_ranges,
    checksums,
    copies,
    locks,
    metadata,
    objects,
    preconditions,
    versions,
)
from lowcloud.core.storage.objects.bodies import MAX_BODY_BYTES

register_errors(
    "s3",
    ErrorCodes(  # of errors outside of operations, which convert their own
        {
            NotFoundError: ("NoSuchKey", 404),
            AlreadyExistsError: ("BucketAlreadyOwnedByYou", 409),
            InvalidError: ("InvalidRequest", 400),
            InUseError: ("OperationAborted", 409),
            ForbiddenError: ("AccessDenied", 403),
            StorageFullError: ("InsufficientStorage", 507),
        },
        not_found={"bucket": ("NoSuchBucket", 404), "upload": ("NoSuchUpload", 404)},
        invalid_input="InvalidArgument",
        invalid_document="MalformedXML",
        unsupported_member=("NotImplemented", 501),
        internal="InternalError",
    ),
)

_ERRORS: dict[type[CloudError], tuple[str, int, str | None]] = {  # code, status, message (None: core's own)
    AlreadyExistsError: (
        "BucketAlreadyOwnedByYou",
        409,
        "Your previous request to create the named bucket succeeded and you already own it.",
    ),
    InUseError: ("BucketNotEmpty", 409, "The bucket you tried to delete is not empty"),
    InvalidError: ("InvalidRequest", 400, None),
    locks.LockedError: ("AccessDenied", 403, "Access Denied because object protected by object lock."),
    locks.NotLockableError: ("InvalidRequest", 400, "Bucket is missing Object Lock Configuration"),
    ForbiddenError: ("AccessDenied", 403, "Access Denied"),
    metadata.CustomerKeyRequiredError: (
        "InvalidRequest",
        400,
        "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to "
        "retrieve the object.",
    ),
    metadata.CustomerKeyNotAllowedError: (
        "InvalidRequest",
        400,
        "The encryption parameters are not applicable to this object.",
    ),
    metadata.WrongCustomerKeyError: (
        "AccessDenied",
        403,
        "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key.",
    ),
    StorageFullError: ("InsufficientStorage", 507, None),
    buckets.InvalidBucketNameError: ("InvalidBucketName", 400, "The specified bucket is not valid."),
    buckets.ObjectLockRequiredError: (
        "InvalidBucketState",
        409,
        "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
    ),
    buckets.NotVersionedError: (
        "InvalidBucketState",
        409,
        "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
    ),
    objects.KeyTooLongError: ("KeyTooLongError", 400, "Your key is too long"),
    byte_ranges.UnknownPartError: ("InvalidPartNumber", 416, "The requested partnumber is not satisfiable"),
    copies.SourceTooLargeError: (
        "InvalidRequest",
        400,
        f"The specified copy source is larger than the maximum allowable size for a copy source: {MAX_BODY_BYTES}",
    ),
    bodies.TooLargeError: ("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size"),
    completions.PartsOutOfOrderError: (
        "InvalidPartOrder",
        400,
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
    ),
}


def to_s3_error(error: CloudError, request: Request, operation: str = "") -> AwsError:
    """Convert an error of core; one without a specific code becomes InvalidRequest."""
    if isinstance(error, versions.DeletedError | versions.DeleteMarkerError):
        return _delete_marker(error, request, operation)
    for kind, convert in _CONVERTERS.items():
        if isinstance(error, kind):
            return convert(error, request)
    for kind, (code, status, message) in _ERRORS.items():
        if isinstance(error, kind):
            return AwsError(code, message or str(error), status)
    return AwsError("InvalidRequest", str(error))


def entity_too_large(size: int, limit: int) -> AwsError:
    """Return the error for a body of more bytes than a request may carry."""
    fields = {"ProposedSize": size, "MaxSizeAllowed": limit}
    return AwsError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400, fields)


def _not_found(error: NotFoundError, request: Request) -> AwsError:
    if error.noun == "bucket":
        fields = {"BucketName": error.name}
        return AwsError("NoSuchBucket", "The specified bucket does not exist", 404, fields)
    if error.noun == "upload":
        message = (
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
            "completed."
        )
        return AwsError("NoSuchUpload", message, 404, {"UploadId": error.name})
    if error.noun == "version":
        fields = {"Key": request.get("Key", ""), "VersionId": error.name}
        return AwsError("NoSuchVersion", "The specified version does not exist.", 404, fields)
    return AwsError("NoSuchKey", "The specified key does not exist.", 404, {"Key": error.name})


def _delete_marker(
    error: versions.DeletedError | versions.DeleteMarkerError, request: Request, operation: str
) -> AwsError:
    """Return the error for a request to a delete marker: not found, or not allowed, as the operation requires."""
    marker, is_newest = error.marker, isinstance(error, versions.DeletedError)
    headers = {"x-amz-delete-marker": "true", "x-amz-version-id": marker.version}
    is_source = "CopySource" in request
    if is_newest and (is_source or not operation.startswith(("Put", "Delete"))):
        return AwsError("NoSuchKey", "The specified key does not exist.", 404, {"Key": marker.key}, headers)
    if is_source:
        message = "The source of a copy request may not specifically refer to a delete marker by version id."
        return AwsError("InvalidRequest", message)
    headers |= {"allow": "DELETE", "last-modified": formatdate(int(marker.modified_at), usegmt=True)}
    method = next((verb.upper() for verb in ("Put", "Delete", "Head") if operation.startswith(verb)), "GET")
    message, fields = "The specified method is not allowed against this resource.", {"ResourceType": "DeleteMarker"}
    return AwsError("MethodNotAllowed", message, 405, {"Method": method, **fields}, headers)


def _range_not_satisfiable(error: byte_ranges.RangeNotSatisfiableError, request: Request) -> AwsError:
    fields = {"RangeRequested": request.get("Range", ""), "ActualObjectSize": error.size}
    headers = {"content-range": f"bytes */{error.size}"}
    return AwsError("InvalidRange", "The requested range is not satisfiable", 416, fields, headers)


def _precondition_failed(error: preconditions.PreconditionFailedError, _request: Request) -> AwsError:
    message = "At least one of the pre-conditions you specified did not hold"
    return AwsError("PreconditionFailed", message, 412, {"Condition": error.condition})


def _not_modified(error: preconditions.NotModifiedError, request: Request) -> AwsError:
    if "CopySource" in request:  # a copy reports a failed precondition
        return _precondition_failed(preconditions.PreconditionFailedError("x-amz-copy-source-If-None-Match"), request)
    headers = {"etag": f'"{error.etag}"', "last-modified": formatdate(int(error.modified_at), usegmt=True)}
    return AwsError("NotModified", "Not Modified", 304, headers=headers)


def _bad_digest(error: checksums.DigestMismatchError, _request: Request) -> AwsError:
    name = "Content-MD5" if error.algorithm == checksums.MD5 else error.algorithm
    return AwsError("BadDigest", f"The {name} you specified did not match the calculated checksum.")


def _invalid_digest(error: checksums.InvalidDigestError, _request: Request) -> AwsError:
    if error.algorithm == checksums.MD5:
        return AwsError("InvalidDigest", "The Content-MD5 you specified was invalid.")
    return AwsError("InvalidRequest", f"Value for x-amz-checksum-{error.algorithm.lower()} header is invalid.")


def _part_missing(error: completions.PartMissingError, request: Request) -> AwsError:
    message = (
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified "
        "entity tag may not match the part's entity tag."
    )
    part = error.part
    fields = {"UploadId": request.get("UploadId", ""), "PartNumber": part.number, "ETag": part.etag.strip('"')}
    return AwsError("InvalidPart", message, fields=fields)


def _part_too_small(error: completions.PartTooSmallError, _request: Request) -> AwsError:
    part = error.part
    fields = {
        "ProposedSize": part.size,
        "MinSizeAllowed": completions.MIN_PART_BYTES,
        "PartNumber": part.number,
        "ETag": part.etag,
    }
    return AwsError("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", fields=fields)


_CONVERTERS: dict[type[CloudError], Callable[..., AwsError]] = {
    NotFoundError: _not_found,
    byte_ranges.RangeNotSatisfiableError: _range_not_satisfiable,
    preconditions.PreconditionFailedError: _precondition_failed,
    preconditions.NotModifiedError: _not_modified,
    checksums.DigestMismatchError: _bad_digest,
    checksums.InvalidDigestError: _invalid_digest,
    completions.PartMissingError: _part_missing,
    completions.PartTooSmallError: _part_too_small,
}
