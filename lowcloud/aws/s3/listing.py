"""Operations that list the objects of a bucket."""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from lowcloud.aws.errors import AwsError
from lowcloud.aws.operations import Answer, Request
from lowcloud.aws.s3.checksums import told_type
from lowcloud.aws.s3.headers import STANDARD
from lowcloud.aws.s3.objects import quoted
from lowcloud.aws.s3.operation import owner, s3_operation
from lowcloud.core import listings
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.listings import Listing
from lowcloud.core.versions import Version
from lowcloud.store.listing import Folder

LARGEST_PAGE = 1000


@s3_operation("ListObjects", ignored=("OptionalObjectAttributes",))
def list_objects(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    marker = request.get("Marker", "")
    listing = _list(cloud, request, after=marker or None)
    answer = _listed(cloud, request, listing, has_owner=True) | {"Marker": encode(request, marker)}
    if listing.next_start is not None and request.get("Delimiter"):
        answer["NextMarker"] = encode(request, entry_name(listing.entries[-1]))
    return answer


@s3_operation("ListObjectsV2", ignored=("OptionalObjectAttributes",))
def list_objects_v2(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    token = request.get("ContinuationToken")
    if token is None:
        listing = _list(cloud, request, after=request.get("StartAfter") or None)
    else:
        listing = _list(cloud, request, start=_start_of(token))
    answer = _listed(cloud, request, listing, has_owner=request.get("FetchOwner", False))
    return answer | {
        "KeyCount": len(listing.entries),
        "ContinuationToken": token,
        "NextContinuationToken": None if listing.next_start is None else _token_of(listing.next_start),
        "StartAfter": encode(request, request.get("StartAfter")),
    }


def page_size(request: Request, member: str) -> int:
    """How many entries to list. Raises AwsError for a negative number."""
    wanted: int = request.get(member, LARGEST_PAGE)
    if wanted < 0:
        raise AwsError("InvalidArgument", f"Argument {member} must be an integer between 0 and 2147483647")
    return min(wanted, LARGEST_PAGE)


def encode(request: Request, text: str | None) -> str | None:
    """A key as the client wants it: XML cannot say every character."""
    return quote(text) if text and request.get("EncodingType") == "url" else text


def entry_name(entry: Version | Folder) -> str:
    """The key or the folder of an entry."""
    return entry.prefix if isinstance(entry, Folder) else entry.key


def common_prefixes(request: Request, entries: Sequence[Any]) -> list[dict[str, str | None]]:
    """The folders among entries."""
    return [{"Prefix": encode(request, entry.prefix)} for entry in entries if isinstance(entry, Folder)]


def _list(cloud: Cloud, request: Request, *, start: str = "", after: str | None = None) -> Listing:
    return listings.list_page(
        cloud,
        request["Bucket"],
        prefix=request.get("Prefix", ""),
        delimiter=request.get("Delimiter", ""),
        start=start,
        after=after,
        limit=page_size(request, "MaxKeys"),
    )


def _listed(cloud: Cloud, request: Request, listing: Listing, *, has_owner: bool) -> dict[str, Any]:
    owned = {"Owner": owner(cloud)} if has_owner else {}
    return {
        "IsTruncated": listing.next_start is not None,
        "Contents": [_content(entry, request) | owned for entry in listing.entries if isinstance(entry, Version)],
        "CommonPrefixes": common_prefixes(request, listing.entries),
        "Name": request["Bucket"],
        "Prefix": encode(request, request.get("Prefix", "")),
        "Delimiter": encode(request, request.get("Delimiter")),
        "MaxKeys": page_size(request, "MaxKeys"),
        "EncodingType": request.get("EncodingType"),
    }


def _content(entry: Version, request: Request) -> dict[str, Any]:
    content: dict[str, Any] = {
        "Key": encode(request, entry.key),
        "LastModified": int(entry.modified_at),  # as the header has it, which knows no fractions
        "ETag": quoted(entry.etag),
        "Size": entry.size,
        "StorageClass": entry.storage_class or STANDARD,
    }
    if entry.checksum is not None:
        content["ChecksumAlgorithm"] = [entry.checksum.algorithm]
        content["ChecksumType"] = told_type(entry.checksum.is_composite)
    return content


def _token_of(start: str) -> str:
    return urlsafe_b64encode(start.encode()).decode()


def _start_of(token: str) -> str:
    try:
        return b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise AwsError("InvalidArgument", "The continuation token provided is incorrect") from error
