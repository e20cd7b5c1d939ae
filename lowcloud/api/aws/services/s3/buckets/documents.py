"""What the configurations of buckets share: documents as JSON, and the errors for absent and malformed ones."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lowcloud.api.aws.errors import AwsError


def to_json(value: Any) -> Any:
    """A parsed document as JSON can keep it: times become seconds since the epoch, which answers may give as well."""
    if isinstance(value, Mapping):
        return {name: to_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    return value.timestamp() if isinstance(value, datetime) else value


def not_configured(code: str, sentence: str, bucket: str) -> AwsError:
    """The bucket has no such configuration."""
    return AwsError(code, sentence, 404, {"BucketName": bucket})


def malformed(reason: str = "") -> AwsError:
    """The document is not of S3's schema."""
    sentence = "The XML you provided was not well-formed or did not validate against our published schema"
    return AwsError("MalformedXML", f"{sentence}: {reason}" if reason else sentence)


def invalid(sentence: str, **fields: Any) -> AwsError:
    """A value that S3 does not take."""
    return AwsError("InvalidArgument", sentence, fields=fields)
