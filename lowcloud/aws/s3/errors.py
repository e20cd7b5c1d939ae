"""Core's errors in the words of S3."""

from collections.abc import Callable
from email.utils import formatdate

from lowcloud.aws.errors import AwsError
from lowcloud.aws.operations import Request
from lowcloud.core import bodies, buckets, checksums, conditions, objects, spans, uploads
from lowcloud.core.errors import AlreadyExists, CloudError, Forbidden, InUse, Invalid, NotFound, StorageFull

_WORDS: dict[type[CloudError], tuple[str, int, str | None]] = {  # code, status, sentence (None: core's own)
    AlreadyExists: (
        "BucketAlreadyOwnedByYou",
        409,
        "Your previous request to create the named bucket succeeded and you already own it.",
    ),
    InUse: ("BucketNotEmpty", 409, "The bucket you tried to delete is not empty"),
    Invalid: ("InvalidRequest", 400, None),
    Forbidden: ("AccessDenied", 403, "Access Denied"),
    StorageFull: ("InsufficientStorage", 507, None),
    buckets.InvalidBucketName: ("InvalidBucketName", 400, "The specified bucket is not valid."),
    objects.KeyTooLong: ("KeyTooLongError", 400, "Your key is too long"),
    spans.PartUnknown: ("InvalidPartNumber", 416, "The requested partnumber is not satisfiable"),
    bodies.TooLarge: ("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size"),
    uploads.PartMissing: (
        "InvalidPart",
        400,
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified "
        "entity tag may not match the part's entity tag.",
    ),
    uploads.PartsOutOfOrder: (
        "InvalidPartOrder",
        400,
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
    ),
    uploads.PartTooSmall: (
        "EntityTooSmall",
        400,
        "Your proposed upload is smaller than the minimum allowed size",
    ),
}


def in_words_of_s3(error: CloudError, request: Request) -> AwsError:
    """The AwsError that says the same; what core has not told apart stays InvalidRequest."""
    for kind, say in _SAID_WITH_FIELDS.items():
        if isinstance(error, kind):
            return say(error, request)
    for kind, (code, status, sentence) in _WORDS.items():
        if isinstance(error, kind):
            return AwsError(code, sentence or str(error), status)
    return AwsError("InvalidRequest", str(error))


def _not_found(error: NotFound, _request: Request) -> AwsError:
    if error.kind == "bucket":
        fields = {"BucketName": error.name}
        return AwsError("NoSuchBucket", "The specified bucket does not exist", 404, fields)
    if error.kind == "upload":
        sentence = (
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
            "completed."
        )
        return AwsError("NoSuchUpload", sentence, 404, {"UploadId": error.name})
    return AwsError("NoSuchKey", "The specified key does not exist.", 404, {"Key": error.name})


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


_SAID_WITH_FIELDS: dict[type[CloudError], Callable[..., AwsError]] = {
    NotFound: _not_found,
    spans.SpanOutside: _outside,
    conditions.ConditionFailed: _condition_failed,
    conditions.NotModified: _not_modified,
    checksums.DigestMismatch: _bad_digest,
    checksums.InvalidDigest: _invalid_digest,
}
