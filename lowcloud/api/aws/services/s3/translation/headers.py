"""Headers of requests and answers: what is kept with an object, conditions, ranges and sources of copies."""

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

_KEPT = {
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
)  # the model has more, of other kinds of buckets
_CONDITIONS = ("IfMatch", "IfNoneMatch", "IfModifiedSince", "IfUnmodifiedSince")
_VERSION = re.compile(r"[0-9a-f]{32}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")  # a header's name (RFC 9110, 5.6.2)
_ENCODED = re.compile(r"(=\?[^?\s]+\?[bBqQ]\?[^?]*\?=\s*)+")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def parse_stored_headers(request: Request) -> dict[str, str]:
    """The headers of a request that an object keeps. Raises AwsError."""
    _check_redirect(request.get("WebsiteRedirectLocation", "/"))
    headers = {header: _text(request[member]) for member, header in _KEPT.items() if request.get(member)}
    headers.setdefault("content-type", DEFAULT_CONTENT_TYPE)
    encodings = [text.strip() for text in headers.pop("content-encoding", "").split(",")]
    if kept := ",".join(text for text in encodings if text not in ("", "aws-chunked")):  # the latter is of the wire
        headers["content-encoding"] = kept
    return headers


def parse_user_metadata(request: Request) -> dict[str, str]:
    """The user's own metadata, names in lower case. Raises AwsError where there is too much."""
    metadata = {name.lower(): _understood(value) for name, value in request.get("Metadata", {}).items()}
    if sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items()) > MAX_USER_METADATA_BYTES:
        raise AwsError("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
    return metadata


def render_stored_headers(found: Object, request: Request) -> dict[str, str]:
    """The headers kept with an object, with what the request wants told instead (response-content-type and so on)."""
    wanted = {header: request.get(f"Response{member}") for member, header in _KEPT.items()}
    return {**found.metadata.headers, **{header: _text(value) for header, value in wanted.items() if value}}


def render_user_metadata(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The members of an answer that tell the user's metadata; what no header can say is only counted."""
    if not metadata:
        return {}
    told = {name: _spoken(value) for name, value in metadata.items() if _TOKEN.fullmatch(name) and value.isprintable()}
    return {"Metadata": told, "MissingMeta": len(metadata) - len(told) or None}


def parse_storage_class(request: Request) -> str | None:
    """The storage class to keep, None for the standard one. Raises AwsError."""
    wanted: str = request.get("StorageClass", STANDARD)
    if wanted not in _STORAGE_CLASSES:
        fields = {"StorageClassRequested": wanted}
        raise AwsError("InvalidStorageClass", "The storage class you specified is not valid", fields=fields)
    return None if wanted == STANDARD else wanted


def parse_read_preconditions(request: Request, prefix: str = "") -> Preconditions:
    """The conditions under which to read; those on the source of a copy have the prefix CopySource."""
    if not any(f"{prefix}{name}" in request for name in _CONDITIONS):
        return NO_PRECONDITIONS
    return Preconditions(
        if_match=request.get(f"{prefix}IfMatch"),
        if_none_match=request.get(f"{prefix}IfNoneMatch"),
        if_modified_since=_seconds(request.get(f"{prefix}IfModifiedSince")),
        if_unmodified_since=_seconds(request.get(f"{prefix}IfUnmodifiedSince")),
    )


def parse_write_preconditions(request: Request) -> Preconditions:
    """The conditions under which to write. Raises AwsError for those that S3 does not have."""
    match, none_match = request.get("IfMatch"), request.get("IfNoneMatch")
    if match is None and none_match is None:
        return NO_PRECONDITIONS
    if match == "*" or none_match not in (None, "*") or (match is not None and none_match is not None):
        header = "If-Match" if none_match is None else "If-None-Match" if match is None else "If-Match,If-None-Match"
        sentence = "A header you provided implies functionality that is not implemented"
        raise AwsError("NotImplemented", sentence, 501, {"Header": header})
    return Preconditions(if_match=match, if_none_match=none_match)


def parse_delete_preconditions(members: Mapping[str, Any], etag: str, modified: str, size: str) -> Preconditions:
    """The conditions under which to delete, by the names of their members."""
    if not any(name in members for name in (etag, modified, size)):
        return NO_PRECONDITIONS
    modified_at = _seconds(members.get(modified))
    return Preconditions(if_match=members.get(etag), if_modified_at=modified_at, if_size=members.get(size))


def parse_range(text: str | None) -> ByteRange | None:
    """The range asked for. One that is not well-formed asks for everything (RFC 9110, 14.2), as several ranges do."""
    match = _RANGE.fullmatch(text.replace(" ", "")) if text else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = (int(digits) if digits else None for digits in match.groups())
    if first is not None and last is not None and last < first:
        return None
    return ByteRange(first, last)


def parse_copy_source(request: Request) -> CopySource:
    """What CopySource names. Raises AwsError."""
    path, _, version = request["CopySource"].partition("?versionId=")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if not bucket or not key:
        raise AwsError("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    return CopySource(bucket, key, check_version_id(version) if version else None)


def check_version_id(version: str) -> str:
    """A version's name, where it can be one. Raises AwsError."""
    if version == NULL or _VERSION.fullmatch(version):
        return version
    sentence = "Invalid version id specified" if version else "Version id cannot be the empty string"
    raise AwsError("InvalidArgument", sentence, fields={"ArgumentName": "versionId", "ArgumentValue": version})


def render_version(version: Version, member: str = "VersionId") -> dict[str, str]:
    """The member of an answer that tells a version which was read, of a bucket that keeps them or did once."""
    return {} if version.versioning is None else {member: version.version}


def render_new_version(made: Version) -> dict[str, str]:
    """The member of an answer that tells a version which was written."""
    return {"VersionId": made.version} if made.versioning == ENABLED else {}


def _check_redirect(location: str) -> None:
    if not location.startswith(("/", "http://", "https://")):
        sentence = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."
        raise AwsError("InvalidRedirectLocation", sentence)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _text(value: str | datetime) -> str:
    return value if isinstance(value, str) else formatdate(value.timestamp(), usegmt=True)


def _understood(value: str) -> str:
    """A text that may be in the words of RFC 2047, which say what is not ASCII."""
    if not _ENCODED.fullmatch(value):
        return value
    try:
        return str(make_header(decode_header(value)))
    except (ValueError, LookupError, HeaderParseError):  # it only looks like them
        return value


def _spoken(value: str) -> str:
    """A text as a header can say it: in the words of RFC 2047 where it is not ASCII."""
    return value if value.isascii() else f"=?UTF-8?B?{b64encode(value.encode()).decode()}?="
