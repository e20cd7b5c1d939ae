"""Configuration documents: their JSON form, and the errors for missing and malformed ones."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lowcloud.api.aws.errors import AwsError


def to_json(value: Any) -> Any:
    """Convert a parsed document for JSON: times become seconds since the epoch, which responses may have as well."""
    if isinstance(value, Mapping):
        return {name: to_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    return value.timestamp() if isinstance(value, datetime) else value


def not_configured(code: str, message: str, bucket: str) -> AwsError:
    """Return the error for a configuration that the bucket does not have."""
    return AwsError(code, message, 404, {"BucketName": bucket})


def malformed(reason: str = "") -> AwsError:
    """Return the error for a document that does not conform to S3's schema."""
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    return AwsError("MalformedXML", f"{message}: {reason}" if reason else message)


def invalid(message: str, **fields: Any) -> AwsError:
    """Return the error for a value that S3 does not accept."""
    return AwsError("InvalidArgument", message, fields=fields)
