"""Operations that list the objects of a bucket."""

from base64 import b64decode, urlsafe_b64encode
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.listing.pages import common_prefixes, encode, entry_name, page_size, render_entry
from lowcloud.api.aws.services.s3.operation import owner, s3_operation
from lowcloud.api.aws.services.s3.permissions import READ_BUCKET, OnBucket
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.objects import listings
from lowcloud.core.storage.objects.listings import Listing
from lowcloud.core.storage.objects.versions import Version


@s3_operation("ListObjects", OnBucket("s3:ListBucket", READ_BUCKET), ignored=("OptionalObjectAttributes",))
def list_objects(context: Context, _caller: Caller, request: Request) -> Answer:
    marker = request.get("Marker", "")
    listing = _list(context, request, after=marker or None)
    answer = _listed(context, request, listing, has_owner=True) | {"Marker": encode(request, marker)}
    if listing.next_start is not None and request.get("Delimiter"):
        answer["NextMarker"] = encode(request, entry_name(listing.entries[-1]))
    return answer


@s3_operation("ListObjectsV2", OnBucket("s3:ListBucket", READ_BUCKET), ignored=("OptionalObjectAttributes",))
def list_objects_v2(context: Context, _caller: Caller, request: Request) -> Answer:
    token = request.get("ContinuationToken")
    if token is None:
        listing = _list(context, request, after=request.get("StartAfter") or None)
    else:
        listing = _list(context, request, start=_start_of(token))
    answer = _listed(context, request, listing, has_owner=request.get("FetchOwner", False))
    return answer | {
        "KeyCount": len(listing.entries),
        "ContinuationToken": token,
        "NextContinuationToken": None if listing.next_start is None else _token_of(listing.next_start),
        "StartAfter": encode(request, request.get("StartAfter")),
    }


def _list(context: Context, request: Request, *, start: str = "", after: str | None = None) -> Listing:
    return listings.list_page(
        context,
        request["Bucket"],
        prefix=request.get("Prefix", ""),
        delimiter=request.get("Delimiter", ""),
        start=start,
        after=after,
        limit=page_size(request, "MaxKeys"),
    )


def _listed(context: Context, request: Request, listing: Listing, *, has_owner: bool) -> dict[str, Any]:
    owned = {"Owner": owner(context)} if has_owner else {}
    return {
        "IsTruncated": listing.next_start is not None,
        "Contents": [render_entry(entry, request) | owned for entry in listing.entries if isinstance(entry, Version)],
        "CommonPrefixes": common_prefixes(request, listing.entries),
        "Name": request["Bucket"],
        "Prefix": encode(request, request.get("Prefix", "")),
        "Delimiter": encode(request, request.get("Delimiter")),
        "MaxKeys": page_size(request, "MaxKeys"),
        "EncodingType": request.get("EncodingType"),
    }


def _token_of(start: str) -> str:
    return urlsafe_b64encode(start.encode()).decode()


def _start_of(token: str) -> str:
    try:
        return b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise AwsError("InvalidArgument", "The continuation token provided is incorrect") from error
