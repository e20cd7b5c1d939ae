"""Headers of requests and answers: what is kept with an object, conditions, ranges and sources of copies."""

import re
from datetime import datetime
from email.utils import formatdate
from urllib.parse import unquote

from lowcloud.aws.errors import AwsError
from lowcloud.aws.operations import Request
from lowcloud.core.conditions import Conditions
from lowcloud.core.descriptions import Description
from lowcloud.core.objects import Source
from lowcloud.core.spans import Span
from lowcloud.core.versions import Object

DEFAULT_CONTENT_TYPE = "binary/octet-stream"
STANDARD = "STANDARD"
LARGEST_USER_METADATA_BYTES = 2048

_KEPT = {
    "CacheControl": "cache-control",
    "ContentDisposition": "content-disposition",
    "ContentEncoding": "content-encoding",
    "ContentLanguage": "content-language",
    "ContentType": "content-type",
    "Expires": "expires",
    "WebsiteRedirectLocation": "x-amz-website-redirect-location",
}
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def kept_headers(request: Request) -> dict[str, str]:
    """The headers of a request that an object keeps."""
    headers = {header: _text(request[member]) for member, header in _KEPT.items() if request.get(member)}
    headers.setdefault("content-type", DEFAULT_CONTENT_TYPE)
    encodings = [text.strip() for text in headers.pop("content-encoding", "").split(",")]
    if kept := ",".join(text for text in encodings if text not in ("", "aws-chunked")):  # the latter is of the wire
        headers["content-encoding"] = kept
    return headers


def user_metadata(request: Request) -> dict[str, str]:
    """The user's own metadata, names in lower case. Raises AwsError where there is too much."""
    metadata = {name.lower(): value for name, value in request.get("Metadata", {}).items()}
    if sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items()) > LARGEST_USER_METADATA_BYTES:
        raise AwsError("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
    return metadata


def told_headers(found: Object, request: Request) -> dict[str, str]:
    """The headers kept with an object, with what the request wants told instead (response-content-type and so on)."""
    wanted = {header: request.get(f"Response{member}") for member, header in _KEPT.items()}
    return {**found.description.headers, **{header: _text(value) for header, value in wanted.items() if value}}


def storage_class(request: Request) -> str | None:
    """The storage class to keep, None for the standard one."""
    wanted: str = request.get("StorageClass", STANDARD)
    return None if wanted == STANDARD else wanted


def description(request: Request) -> Description:
    """What a request says of a new object."""
    return Description(kept_headers(request), user_metadata(request))


def read_conditions(request: Request, prefix: str = "") -> Conditions:
    """The conditions under which to read; those on the source of a copy have the prefix CopySource."""
    return Conditions(
        if_match=request.get(f"{prefix}IfMatch"),
        if_none_match=request.get(f"{prefix}IfNoneMatch"),
        if_modified_since=_seconds(request.get(f"{prefix}IfModifiedSince")),
        if_unmodified_since=_seconds(request.get(f"{prefix}IfUnmodifiedSince")),
    )


def write_conditions(request: Request) -> Conditions:
    """The conditions under which to write. Raises AwsError for the one that S3 does not have."""
    if request.get("IfNoneMatch", "*") != "*":
        raise AwsError("NotImplemented", "A header you provided implies functionality that is not implemented", 501)
    return Conditions(if_match=request.get("IfMatch"), if_none_match=request.get("IfNoneMatch"))


def read_range(text: str | None) -> Span | None:
    """The range asked for. One that is not well-formed asks for everything (RFC 9110, 14.2), as several ranges do."""
    match = _RANGE.fullmatch(text.replace(" ", "")) if text else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = (int(digits) if digits else None for digits in match.groups())
    if first is not None and last is not None and last < first:
        return None
    return Span(first, last)


def copy_source(request: Request) -> Source:
    """What CopySource names. Raises AwsError."""
    path, _, version = request["CopySource"].partition("?versionId=")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if not bucket or not key:
        raise AwsError("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    return Source(bucket, key, version or None)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _text(value: str | datetime) -> str:
    return value if isinstance(value, str) else formatdate(value.timestamp(), usegmt=True)
