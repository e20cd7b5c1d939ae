"""Requests whose signature or credentials are refused, and the AWS error of each refusal."""

from enum import StrEnum

from lowcloud.api.aws.errors import AwsError

ALGORITHM = "AWS4-HMAC-SHA256"  # of Signature Version 4, the only one that every service accepts


class SignatureFault(StrEnum):
    """A fault of a request's credentials."""

    MISSING = "missing"
    MALFORMED = "malformed"
    MALFORMED_QUERY = "malformed query"
    SEVERAL = "several"
    UNSUPPORTED_VERSION = "unsupported version"
    UNKNOWN_KEY = "unknown key"
    BAD_TOKEN = "bad token"
    EXPIRED_TOKEN = "expired token"
    MISMATCH = "mismatch"
    SKEWED = "skewed"
    EXPIRED_URL = "expired url"
    UNSIGNED_HEADERS = "unsigned headers"


class SignatureError(Exception):
    """The sender of a request could not be verified."""

    def __init__(self, fault: SignatureFault, message: str):
        super().__init__(message)
        self.fault = fault
        self.message = message


# Code and status of each fault: in S3, in query services, and in the other services.
_CODES: dict[SignatureFault, tuple[tuple[str, int], tuple[str, int], tuple[str, int]]] = {
    SignatureFault.MISSING: (
        ("AccessDenied", 403),
        ("MissingAuthenticationToken", 403),
        ("MissingAuthenticationTokenException", 400),
    ),
    SignatureFault.MALFORMED: (
        ("AuthorizationHeaderMalformed", 400),
        ("IncompleteSignature", 400),
        ("IncompleteSignatureException", 400),
    ),
    SignatureFault.MALFORMED_QUERY: (
        ("AuthorizationQueryParametersError", 400),
        ("IncompleteSignature", 400),
        ("IncompleteSignatureException", 400),
    ),
    SignatureFault.SEVERAL: (
        ("InvalidArgument", 400),
        ("IncompleteSignature", 400),
        ("IncompleteSignatureException", 400),
    ),
    SignatureFault.UNSUPPORTED_VERSION: (
        ("InvalidRequest", 400),
        ("IncompleteSignature", 400),
        ("IncompleteSignatureException", 400),
    ),
    SignatureFault.UNKNOWN_KEY: (
        ("InvalidAccessKeyId", 403),
        ("InvalidClientTokenId", 403),
        ("UnrecognizedClientException", 400),
    ),
    SignatureFault.BAD_TOKEN: (
        ("InvalidToken", 400),
        ("InvalidClientTokenId", 403),
        ("UnrecognizedClientException", 400),
    ),
    SignatureFault.EXPIRED_TOKEN: (("ExpiredToken", 400), ("ExpiredToken", 403), ("ExpiredTokenException", 400)),
    SignatureFault.MISMATCH: (
        ("SignatureDoesNotMatch", 403),
        ("SignatureDoesNotMatch", 403),
        ("InvalidSignatureException", 400),
    ),
    SignatureFault.SKEWED: (
        ("RequestTimeTooSkewed", 403),
        ("SignatureDoesNotMatch", 403),
        ("InvalidSignatureException", 400),
    ),
    SignatureFault.EXPIRED_URL: (
        ("AccessDenied", 403),
        ("SignatureDoesNotMatch", 403),
        ("InvalidSignatureException", 400),
    ),
    SignatureFault.UNSIGNED_HEADERS: (
        ("AccessDenied", 403),
        ("SignatureDoesNotMatch", 403),
        ("InvalidSignatureException", 400),
    ),
}


def to_aws_error(error: SignatureError, protocol: str) -> AwsError:
    """Return the error with the code and status that services of this protocol use."""
    column = {"rest-xml": 0, "query": 1}.get(protocol, 2)
    code, status = _CODES[error.fault][column]
    return AwsError(code, error.message, status)


def unsupported_version() -> SignatureError:
    """Return the refusal of a request signed with Signature Version 2."""
    return SignatureError(
        SignatureFault.UNSUPPORTED_VERSION,
        f"The authorization mechanism you have provided is not supported. Please use {ALGORITHM}.",
    )
