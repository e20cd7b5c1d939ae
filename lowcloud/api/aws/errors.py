"""AWS errors: a code, a message and an HTTP status. Each service registers its own codes beside its operations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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


CodeAndStatus = tuple[str, int]


@dataclass(frozen=True)
class ErrorCodes:
    """The error codes of one service, as far as they differ from those of most."""

    of_core: Mapping[type[core.CloudError], CodeAndStatus] = field(default_factory=dict)
    not_found: Mapping[str, CodeAndStatus] = field(default_factory=dict)  # of NotFoundError, by the noun
    invalid_input: str | None = None  # an input that does not conform to the model
    invalid_document: str | None = None  # a document in the body that does not; None: as any input
    unsupported_member: CodeAndStatus | None = None  # None: as any input that does not conform
    internal: str = "InternalFailure"
    words: Callable[[core.CloudError], str] = str  # the message of an error of core


# Code and status of core's errors, unless the operation raises an AwsError itself.
_DEFAULT_CODES: dict[type[core.CloudError], CodeAndStatus] = {
    core.NotFoundError: ("ResourceNotFoundException", 400),
    core.AlreadyExistsError: ("ResourceAlreadyExistsException", 400),
    core.InvalidError: ("ValidationException", 400),
    core.InUseError: ("ResourceInUseException", 400),
    core.LimitExceededError: ("ResourceLimitExceeded", 400),
    core.ForbiddenError: ("AccessDeniedException", 400),
    core.StorageUnavailableError: ("ServiceUnavailable", 503),
}
_DEFAULTS = ErrorCodes()
_CODES: dict[str, ErrorCodes] = {}  # by service

_BODY_CODES: dict[type[incoming.RequestBodyError], tuple[str, int]] = {
    incoming.BodyTimeoutError: ("RequestTimeout", 400),
    incoming.ClientDisconnectedError: ("IncompleteBody", 400),
    incoming.ServerStoppingError: ("IncompleteBody", 503),
    incoming.BodyTooLargeError: ("RequestEntityTooLarge", 413),
    incoming.TooManyBodiesError: ("SlowDown", 503),
}


def register_errors(service: str, codes: ErrorCodes) -> None:
    """Register the error codes of a service, by botocore's name of it."""
    assert service not in _CODES, f"the errors of {service} are registered twice"
    _CODES[service] = codes


def from_core_error(error: core.CloudError, service: str) -> AwsError:
    """Convert an error of core into the one that a service returns."""
    of_service = _CODES.get(service, _DEFAULTS)
    message = of_service.words(error)
    if isinstance(error, core.NotFoundError) and error.noun in of_service.not_found:
        code, status = of_service.not_found[error.noun]
        return AwsError(code, message, status)
    codes = {**_DEFAULT_CODES, **of_service.of_core}
    for kind in type(error).__mro__:
        if kind in codes:
            code, status = codes[kind]
            return AwsError(code, message, status)
    return AwsError("ValidationException", message)


def from_body_error(error: incoming.RequestBodyError) -> AwsError:
    """Return the error for a request body that could not be read."""
    code, status = _BODY_CODES[type(error)]
    return AwsError(code, error.message, status)


def validation_code(service: str, protocol: str, has_document: bool = False) -> str:
    """Return the code for an input, of which a document may be a part, that does not conform to the model."""
    codes = _CODES.get(service, _DEFAULTS)
    if has_document and codes.invalid_document:
        return codes.invalid_document
    return codes.invalid_input or ("ValidationError" if protocol == "query" else "ValidationException")


def refusal_code(service: str, validation_code: str) -> CodeAndStatus:
    """Return code and status for a member that Lowcloud does not support."""
    return _CODES.get(service, _DEFAULTS).unsupported_member or (validation_code, 400)


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
    code = _CODES.get(service, _DEFAULTS).internal
    return AwsError(code, f"Lowcloud failed unexpectedly. See its log, request {request_id}.", 500)
