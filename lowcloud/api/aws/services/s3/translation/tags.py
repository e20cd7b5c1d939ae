"""Tags of buckets and objects: validation and translation."""

import re
from collections.abc import Iterable, Mapping

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Request
from lowcloud.api.http.urls import MalformedUrlError, query_pairs

MAX_BUCKET_TAGS = 50
MAX_OBJECT_TAGS = 10
MAX_KEY_LENGTH, MAX_VALUE_LENGTH = 128, 256  # in UTF-16 units

_ALLOWED = re.compile(r"[\w\s.:/=+\-@]*")  # letters, digits and spaces of any script


def parse_tags(tags: Iterable[Mapping[str, str]], limit: int, resource: str = "Object") -> dict[str, str]:
    """Return the values by key. Raises AwsError: InvalidTag, or BadRequest if there are too many."""
    listed = list(tags)
    if len(listed) > limit:
        raise AwsError("BadRequest", f"{resource} tag count cannot be greater than {limit}")
    for tag in listed:
        _check(tag["Key"], tag["Value"])
    values = {tag["Key"]: tag["Value"] for tag in listed}
    if len(values) < len(listed):
        raise AwsError("InvalidTag", "Cannot provide multiple Tags with the same key")
    return values


def parse_tags_header(request: Request) -> dict[str, str] | None:
    """Parse the x-amz-tagging header of a new object, in the form of a query string. Raises AwsError."""
    if "Tagging" not in request:
        return None
    try:
        pairs = list(query_pairs(request["Tagging"]))
    except MalformedUrlError as error:
        message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without"
        fields = {"ArgumentName": "x-amz-tagging", "ArgumentValue": request["Tagging"]}
        raise AwsError("InvalidArgument", f"{message} tag name duplicates.", fields=fields) from error
    return parse_tags([{"Key": key, "Value": value} for key, value in pairs], MAX_OBJECT_TAGS)


def render_tags(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as a response lists them."""
    return [{"Key": key, "Value": value} for key, value in values.items()]


def _check(key: str, value: str) -> None:
    if not key or _length(key) > MAX_KEY_LENGTH or not _ALLOWED.fullmatch(key):
        raise AwsError("InvalidTag", "The TagKey you have provided is invalid", fields={"TagKey": key})
    if _length(value) > MAX_VALUE_LENGTH or not _ALLOWED.fullmatch(value):
        fields = {"TagKey": key, "TagValue": value}
        raise AwsError("InvalidTag", "The TagValue you have provided is invalid", fields=fields)
    if key.lower().startswith("aws:"):
        raise AwsError("InvalidTag", "System tags cannot be added/updated by requester")


def _length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
