"""Headers of requests and responses: stored headers, user metadata, preconditions, ranges, copy sources, versions."""

import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Request
from lowcloud.core.storage.buckets.buckets import ENABLED
from lowcloud.core.storage.objects.byte_ranges import ByteRange
from lowcloud.core.storage.objects.copies import CopySource
from lowcloud.core.storage.objects.preconditions import NO_PRECONDITIONS, Preconditions
from lowcloud.core.storage.objects.versions import NULL, Object, Version

DEFAULT_CONTENT_TYPE = "binary/octet-stream"
STANDARD = "STANDARD"
MAX_USER_METADATA_BYTES = 2048

_STORED = {
    "CacheControl": "cache-control",
    "ContentDisposition": "content-disposition",
    "ContentEncoding": "content-encoding",
    "ContentLanguage": "content-language",
    "ContentType": "content-type",
    "Expires": "expires",
    "WebsiteRedirectLocation": "x-amz-website-redirect-location",
}
_STORAGE_CLASSES = (
    STANDARD,
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "GLACIER_IR",
    "DEEP_ARCHIVE",
)  # the model has more, for other types of buckets
_PRECONDITIONS = ("IfMatch", "IfNoneMatch", "IfModifiedSince", "IfUnmodifiedSince")
_VERSION_ID = re.compile(r"[0-9a-f]{32}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")  # a header's name (RFC 9110, 5.6.2)
_ENCODED = re.compile(r"(=\?[^?\s]+\?[bBqQ]\?[^?]*\?=\s*)+")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def parse_stored_headers(request: Request) -> dict[str, str]:
    """Parse the headers that are stored with an object. Raises AwsError."""
    _check_redirect(request.get("WebsiteRedirectLocation", "/"))
    headers = {header: _text(request[member]) for member, header in _STORED.items() if request.get(member)}
    headers.setdefault("content-type", DEFAULT_CONTENT_TYPE)
    encodings = [text.strip() for text in headers.pop("content-encoding", "").split(",")]
    if stored := ",".join(text for text in encodings if text not in ("", "aws-chunked")):  # a transfer encoding
        headers["content-encoding"] = stored
    return headers


def parse_user_metadata(request: Request) -> dict[str, str]:
    """Parse user metadata, with names in lower case. Raises AwsError if it is too large."""
    metadata = {name.lower(): _decode_header(value) for name, value in request.get("Metadata", {}).items()}
    if sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items()) > MAX_USER_METADATA_BYTES:
        raise AwsError("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
    return metadata


def render_stored_headers(found: Object, request: Request) -> dict[str, str]:
    """Return the headers stored with an object, or their overrides in the request (response-content-type etc.)."""
    overrides = {header: request.get(f"Response{member}") for member, header in _STORED.items()}
    return {**found.metadata.headers, **{header: _text(value) for header, value in overrides.items() if value}}


def render_user_metadata(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return the members of a response for user metadata; values that no header can represent are only counted."""
    if not metadata:
        return {}
    headers = {
        name: _encode_header(value)
        for name, value in metadata.items()
        if _TOKEN.fullmatch(name) and value.isprintable()
    }
    return {"Metadata": headers, "MissingMeta": len(metadata) - len(headers) or None}


def parse_storage_class(request: Request) -> str | None:
    """Parse the storage class; None for STANDARD. Raises AwsError."""
    requested: str = request.get("StorageClass", STANDARD)
    if requested not in _STORAGE_CLASSES:
        fields = {"StorageClassRequested": requested}
        raise AwsError("InvalidStorageClass", "The storage class you specified is not valid", fields=fields)
    return None if requested == STANDARD else requested


def parse_read_preconditions(request: Request, prefix: str = "") -> Preconditions:
    """Parse the preconditions of a read; those on the source of a copy have the prefix CopySource."""
    if not any(f"{prefix}{name}" in request for name in _PRECONDITIONS):
        return NO_PRECONDITIONS
    return Preconditions(
        if_match=request.get(f"{prefix}IfMatch"),
        if_none_match=request.get(f"{prefix}IfNoneMatch"),
        if_modified_since=_seconds(request.get(f"{prefix}IfModifiedSince")),
        if_unmodified_since=_seconds(request.get(f"{prefix}IfUnmodifiedSince")),
    )


def parse_write_preconditions(request: Request) -> Preconditions:
    """Parse the preconditions of a write. Raises AwsError for those that S3 does not support."""
    match, none_match = request.get("IfMatch"), request.get("IfNoneMatch")
    if match is None and none_match is None:
        return NO_PRECONDITIONS
    if match == "*" or none_match not in (None, "*") or (match is not None and none_match is not None):
        header = "If-Match" if none_match is None else "If-None-Match" if match is None else "If-Match,If-None-Match"
        message = "A header you provided implies functionality that is not implemented"
        raise AwsError("NotImplemented", message, 501, {"Header": header})
    return Preconditions(if_match=match, if_none_match=none_match)


def parse_delete_preconditions(members: Mapping[str, Any], etag: str, modified: str, size: str) -> Preconditions:
    """Parse the preconditions of a deletion, given the names of their members."""
    if not any(name in members for name in (etag, modified, size)):
        return NO_PRECONDITIONS
    modified_at = _seconds(members.get(modified))
    return Preconditions(if_match=members.get(etag), if_modified_at=modified_at, if_size=members.get(size))


def parse_range(text: str | None) -> ByteRange | None:
    """Parse a Range header. A malformed one, and one with several ranges, is ignored (RFC 9110, section 14.2)."""
    match = _RANGE.fullmatch(text.replace(" ", "")) if text else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = (int(digits) if digits else None for digits in match.groups())
    if first is not None and last is not None and last < first:
        return None
    return ByteRange(first, last)


def parse_copy_source(request: Request) -> CopySource:
    """Parse CopySource. Raises AwsError."""
    path, _, version = request["CopySource"].partition("?versionId=")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if not bucket or not key:
        raise AwsError("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    return CopySource(bucket, key, check_version_id(version) if version else None)


def check_version_id(version: str) -> str:
    """Return a well-formed version id. Raises AwsError."""
    if version == NULL or _VERSION_ID.fullmatch(version):
        return version
    message = "Invalid version id specified" if version else "Version id cannot be the empty string"
    raise AwsError("InvalidArgument", message, fields={"ArgumentName": "versionId", "ArgumentValue": version})


def render_version(version: Version, member: str = "VersionId") -> dict[str, str]:
    """Return the version member of a response to a read, if the bucket is or was versioned."""
    return {} if version.versioning is None else {member: version.version}


def render_new_version(created: Version) -> dict[str, str]:
    """Return the version member of a response to a write."""
    return {"VersionId": created.version} if created.versioning == ENABLED else {}


def _check_redirect(location: str) -> None:
    if not location.startswith(("/", "http://", "https://")):
        message = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."
        raise AwsError("InvalidRedirectLocation", message)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _text(value: str | datetime) -> str:
    return value if isinstance(value, str) else formatdate(value.timestamp(), usegmt=True)


def _decode_header(value: str) -> str:
    """Decode a text that may be encoded as in RFC 2047, which allows other characters than ASCII."""
    if not _ENCODED.fullmatch(value):
        return value
    try:
        return str(make_header(decode_header(value)))
    except (ValueError, LookupError, HeaderParseError):  # it only looks like RFC 2047
        return value


def _encode_header(value: str) -> str:
    """Encode a text for a header, as in RFC 2047 if it is not ASCII."""
    return value if value.isascii() else f"=?UTF-8?B?{b64encode(value.encode()).decode()}?="
