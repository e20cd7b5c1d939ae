"""IAM's error codes and messages."""

from lowcloud.api.aws.errors import AwsError, ErrorCodes, register_errors
from lowcloud.core.errors import (
    AlreadyExistsError,
    CloudError,
    ForbiddenError,
    InUseError,
    InvalidError,
    LimitExceededError,
    NotFoundError,
)
from lowcloud.core.policies.documents import PolicyError


def _words(error: CloudError) -> str:
    """Return the message of an error in IAM's words."""
    if isinstance(error, AlreadyExistsError):
        if error.noun == "policy":
            return f"A policy called {error.name} already exists. Duplicate names are not allowed."
        return f"{error.noun.capitalize()} with name {error.name} already exists."
    if isinstance(error, NotFoundError):
        if error.noun == "policy":
            return f"Policy {error.name} was not found."
        return f"The {error.noun} with name {error.name} cannot be found."
    return str(error)


register_errors(
    "iam",
    ErrorCodes(
        {
            NotFoundError: ("NoSuchEntity", 404),
            AlreadyExistsError: ("EntityAlreadyExists", 409),
            PolicyError: ("MalformedPolicyDocument", 400),
            InvalidError: ("InvalidInput", 400),
            InUseError: ("DeleteConflict", 409),
            LimitExceededError: ("LimitExceeded", 409),
            ForbiddenError: ("AccessDenied", 403),
        },
        words=_words,
    ),
)


def invalid(message: str) -> AwsError:
    """Return the error for an input that is wrong."""
    return AwsError("InvalidInput", message)


def no_such_entity(message: str) -> AwsError:
    """Return the error for something that does not exist."""
    return AwsError("NoSuchEntity", message, 404)
