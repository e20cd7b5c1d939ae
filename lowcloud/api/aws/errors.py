"""AWS errors: a code, a message and an HTTP status, as each service uses them."""

from collections.abc import Mapping
from typing import Any

from lowcloud.api.http import incoming
from lowcloud.core import errors as core


class AwsError(Exception):
    """An error response. `fields` are further members of the error's shape, e.g. S3's BucketName."""

    def __init__(
        self,
        code: str,
        message: str,
        status: int = 400,
        fields: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ):
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})


class WireError(AwsError):
    """The bytes of a request do not conform to its protocol and model."""

    def __init__(self, message: str):
        super().__init__("SerializationException", message)


# Code and status of core's errors, unless the operation raises an AwsError itself.
_DEFAULT_CODES: dict[type[core.CloudError], tuple[str, int]] = {
    core.NotFoundError: ("ResourceNotFoundException", 400),
    core.AlreadyExistsError: ("ResourceAlreadyExistsException", 400),
    core.InvalidError: ("ValidationException", 400),
    core.InUseError: ("ResourceInUseException", 400),
    core.ForbiddenError: ("AccessDeniedException", 400),
    core.StorageUnavailableError: ("ServiceUnavailable", 503),
}
_CODES: dict[str, dict[type[core.CloudError], tuple[str, int]]] = {
    "sagemaker": {
        core.NotFoundError: ("ResourceNotFound", 400),
        core.AlreadyExistsError: ("ResourceInUse", 400),
        core.InUseError: ("ResourceInUse", 400),
    },
    "sagemaker-runtime": {core.NotFoundError: ("ValidationError", 400), core.InvalidError: ("ValidationError", 400)},
    "cloudwatch": {core.NotFoundError: ("ResourceNotFound", 404), core.InvalidError: ("InvalidParameterValue", 400)},
    "logs": {core.InvalidError: ("InvalidParameterException", 400)},
    "iam": {
        core.NotFoundError: ("NoSuchEntity", 404),
        core.AlreadyExistsError: ("EntityAlreadyExists", 409),
        core.InvalidError: ("InvalidInput", 400),
        core.InUseError: ("DeleteConflict", 409),
        core.ForbiddenError: ("AccessDenied", 403),
    },
    "sts": {core.ForbiddenError: ("AccessDenied", 403), core.InvalidError: ("ValidationError", 400)},
    "s3": {
        core.NotFoundError: ("NoSuchKey", 404),
        core.AlreadyExistsError: ("BucketAlreadyOwnedByYou", 409),
        core.InvalidError: ("InvalidRequest", 400),
        core.InUseError: ("OperationAborted", 409),
        core.ForbiddenError: ("AccessDenied", 403),
        core.StorageFullError: ("InsufficientStorage", 507),
    },
}

_BODY_CODES: dict[type[incoming.RequestBodyError], tuple[str, int]] = {
    incoming.BodyTimeoutError: ("RequestTimeout", 400),
    incoming.ClientDisconnectedError: ("IncompleteBody", 400),
    incoming.ServerStoppingError: ("IncompleteBody", 503),
    incoming.BodyTooLargeError: ("RequestEntityTooLarge", 413),
}

_VALIDATION_CODES = {
    "cloudwatch": "InvalidParameterValue",
    "logs": "InvalidParameterException",
    "sagemaker-runtime": "ValidationError",
}


def from_core_error(error: core.CloudError, service: str) -> AwsError:
    """Convert an error of core into the one that a service returns."""
    codes = {**_DEFAULT_CODES, **_CODES.get(service, {})}
    if service == "s3" and isinstance(error, core.NotFoundError) and error.kind in ("bucket", "upload"):
        return AwsError("NoSuchBucket" if error.kind == "bucket" else "NoSuchUpload", str(error), 404)
    for kind in type(error).__mro__:
        if kind in codes:
            code, status = codes[kind]
            return AwsError(code, str(error), status)
    return AwsError("ValidationException", str(error))


def from_body_error(error: incoming.RequestBodyError) -> AwsError:
    """Return the error for a request body that could not be read."""
    code, status = _BODY_CODES[type(error)]
    return AwsError(code, error.message, status)


def validation_code(service: str, protocol: str, has_document: bool = False) -> str:
    """Return the code for an input (for S3, a document if it has one) that does not conform to the model."""
    if service == "s3":
        return "MalformedXML" if has_document else "InvalidArgument"
    return _VALIDATION_CODES.get(service, "ValidationError" if protocol == "query" else "ValidationException")


def refusal_code(service: str, validation_code: str) -> tuple[str, int]:
    """Return code and status for a member that Lowcloud does not support."""
    return ("NotImplemented", 501) if service == "s3" else (validation_code, 400)


def not_implemented(service: str, operation: str) -> AwsError:
    """Return the error for an operation of AWS that Lowcloud does not implement."""
    return AwsError("NotImplemented", f"Lowcloud does not implement {service}:{operation} yet.", 501)


def unknown_operation(message: str, protocol: str = "json") -> AwsError:
    """Return the error for an operation that does not exist."""
    if protocol == "rest-xml":
        return AwsError("MethodNotAllowed", message, 405)
    if protocol == "query":
        return AwsError("InvalidAction", message)
    return AwsError("UnknownOperationException", message, 404 if protocol == "rest-json" else 400)


def internal_error(service: str, request_id: str) -> AwsError:
    """Return the error for an unexpected exception, which is in the log under this request id."""
    code = "InternalError" if service == "s3" else "InternalFailure"
    return AwsError(code, f"Lowcloud failed unexpectedly. See its log, request {request_id}.", 500)
