"""STS's error codes."""

from lowcloud.api.aws.errors import AwsError, ErrorCodes, register_errors
from lowcloud.core.errors import ForbiddenError, InvalidError
from lowcloud.core.policies.documents import PolicyError

register_errors(
    "sts",
    ErrorCodes(
        {
            ForbiddenError: ("AccessDenied", 403),
            PolicyError: ("MalformedPolicyDocument", 400),
            InvalidError: ("ValidationError", 400),
        }
    ),
)


def invalid(message: str) -> AwsError:
    """Return the error for an input that is wrong."""
    return AwsError("ValidationError", message)


def denied(message: str) -> AwsError:
    """Return the error for what the caller may not do."""
    return AwsError("AccessDenied", message, 403)
