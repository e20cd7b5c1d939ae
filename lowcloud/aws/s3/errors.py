"""Core's errors in the words of S3."""

from collections.abc import Callable
from email.utils import formatdate

from lowcloud.aws.errors import AwsError
from lowcloud.aws.operations import Request
from lowcloud.core import (
    bodies,
    buckets,
    checksums,
    completions,
    conditions,
    copies,
    descriptions,
    locks,
    objects,
    spans,
    versions,
)
from lowcloud.core.bodies import LARGEST_BODY_BYTES
from lowcloud.core.errors import (
    AlreadyExists,
    CloudError,
    Forbidden,
    InUse,
    Invalid,
    NotFound,
    StorageFull,
)

_WORDS: dict[type[CloudError], tuple[str, int, str | None]] = {  # code, status, sentence (None: core's own)
    AlreadyExists: (
        "BucketAlreadyOwnedByYou",
        409,
        "Your previous request to create the named bucket succeeded and you already own it.",
    ),
    InUse: ("BucketNotEmpty", 409, "The bucket you tried to delete is not empty"),
    Invalid: ("InvalidRequest", 400, None),
    locks.Locked: ("AccessDenied", 403, "Access Denied because object protected by object lock."),
    locks.NotLockable: ("InvalidRequest", 400, "Bucket is missing Object Lock Configuration"),
    Forbidden: ("AccessDenied", 403, "Access Denied"),
    descriptions.CustomerKeyNeeded: (
        "InvalidRequest",
        400,
        "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to "
        "retrieve the object.",
    ),
    descriptions.CustomerKeyRefused: (
        "InvalidRequest",
        400,
        "The encryption parameters are not applicable to this object.",
    ),
    descriptions.CustomerKeyWrong: (
        "AccessDenied",
        403,
        "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key.",
    ),
    StorageFull: ("InsufficientStorage", 507, None),
    buckets.InvalidBucketName: ("InvalidBucketName", 400, "The specified bucket is not valid."),
    buckets.LockedForGood: (
        "InvalidBucketState",
        409,
        "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
    ),
    buckets.NotVersioned: (
        "InvalidBucketState",
        409,
        "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
    ),
    objects.KeyTooLong: ("KeyTooLongError", 400, "Your key is too long"),
    spans.PartUnknown: ("InvalidPartNumber", 416, "The requested partnumber is not satisfiable"),
    copies.SourceTooLarge: (
        "InvalidRequest",
        400,
        f"The specified copy source is larger than the maximum allowable size for a copy source: {LARGEST_BODY_BYTES}",
    ),
    bodies.TooLarge: ("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size"),
    completions.PartsOutOfOrder: (
        "InvalidPartOrder",
        400,
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
    ),
}


def in_words_of_s3(error: CloudError, request: Request, operation: str = "") -> AwsError:
    """The AwsError that says the same; what core has not told apart stays InvalidRequest."""
    if isinstance(error, versions.Deleted | versions.IsMarker):
        return _marker(error, request, operation)
    for kind, say in _SAID_WITH_FIELDS.items():
        if isinstance(error, kind):
            return say(error, request)
    for kind, (code, status, sentence) in _WORDS.items():
        if isinstance(error, kind):
            return AwsError(code, sentence or str(error), status)
    return AwsError("InvalidRequest", str(error))


def _not_found(error: NotFound, request: Request) -> AwsError:
    if error.kind == "bucket":
        fields = {"BucketName": error.name}
        return AwsError("NoSuchBucket", "The specified bucket does not exist", 404, fields)
    if error.kind == "upload":
        sentence = (
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
            "completed."
        )
        return AwsError("NoSuchUpload", sentence, 404, {"UploadId": error.name})
    if error.kind == "version":
        fields = {"Key": request.get("Key", ""), "VersionId": error.name}
        return AwsError("NoSuchVersion", "The specified version does not exist.", 404, fields)
    return AwsError("NoSuchKey", "The specified key does not exist.", 404, {"Key": error.name})


def _marker(error: versions.Deleted | versions.IsMarker, request: Request, operation: str) -> AwsError:
    """What was asked of a delete marker: to read it finds nothing, or is not allowed; to change it never is."""
    marker, is_newest = error.marker, isinstance(error, versions.Deleted)
    headers = {"x-amz-delete-marker": "true", "x-amz-version-id": marker.version}
    is_source = "CopySource" in request
    if is_newest and (is_source or not operation.startswith(("Put", "Delete"))):
        return AwsError("NoSuchKey", "The specified key does not exist.", 404, {"Key": marker.key}, headers)
    if is_source:
        sentence = "The source of a copy request may not specifically refer to a delete marker by version id."
        return AwsError("InvalidRequest", sentence)
    headers |= {"allow": "DELETE", "last-modified": formatdate(int(marker.modified_at), usegmt=True)}
    method = next((verb.upper() for verb in ("Put", "Delete", "Head") if operation.startswith(verb)), "GET")
    sentence, fields = "The specified method is not allowed against this resource.", {"ResourceType": "DeleteMarker"}
    return AwsError("MethodNotAllowed", sentence, 405, {"Method": method, **fields}, headers)


def _outside(error: spans.SpanOutside, request: Request) -> AwsError:
    fields = {"RangeRequested": request.get("Range", ""), "ActualObjectSize": error.size}
    headers = {"content-range": f"bytes */{error.size}"}
    return AwsError("InvalidRange", "The requested range is not satisfiable", 416, fields, headers)


def _condition_failed(error: conditions.ConditionFailed, _request: Request) -> AwsError:
    sentence = "At least one of the pre-conditions you specified did not hold"
    return AwsError("PreconditionFailed", sentence, 412, {"Condition": error.condition})


def _not_modified(error: conditions.NotModified, request: Request) -> AwsError:
    if "CopySource" in request:  # the copy is what did not happen
        return _condition_failed(conditions.ConditionFailed("x-amz-copy-source-If-None-Match"), request)
    headers = {"etag": f'"{error.etag}"', "last-modified": formatdate(int(error.modified_at), usegmt=True)}
    return AwsError("NotModified", "Not Modified", 304, headers=headers)


def _bad_digest(error: checksums.DigestMismatch, _request: Request) -> AwsError:
    name = "Content-MD5" if error.algorithm == checksums.MD5 else error.algorithm
    return AwsError("BadDigest", f"The {name} you specified did not match the calculated checksum.")


def _invalid_digest(error: checksums.InvalidDigest, _request: Request) -> AwsError:
    if error.algorithm == checksums.MD5:
        return AwsError("InvalidDigest", "The Content-MD5 you specified was invalid.")
    return AwsError("InvalidRequest", f"Value for x-amz-checksum-{error.algorithm.lower()} header is invalid.")


def _part_missing(error: completions.PartMissing, request: Request) -> AwsError:
    sentence = (
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified "
        "entity tag may not match the part's entity tag."
    )
    wanted = error.wanted
    fields = {"UploadId": request.get("UploadId", ""), "PartNumber": wanted.number, "ETag": wanted.etag.strip('"')}
    return AwsError("InvalidPart", sentence, fields=fields)


def _part_too_small(error: completions.PartTooSmall, _request: Request) -> AwsError:
    part = error.part
    fields = {
        "ProposedSize": part.size,
        "MinSizeAllowed": completions.SMALLEST_PART_BYTES,
        "PartNumber": part.number,
        "ETag": part.etag,
    }
    return AwsError("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", fields=fields)


_SAID_WITH_FIELDS: dict[type[CloudError], Callable[..., AwsError]] = {
    NotFound: _not_found,
    spans.SpanOutside: _outside,
    conditions.ConditionFailed: _condition_failed,
    conditions.NotModified: _not_modified,
    checksums.DigestMismatch: _bad_digest,
    checksums.InvalidDigest: _invalid_digest,
    completions.PartMissing: _part_missing,
    completions.PartTooSmall: _part_too_small,
}
