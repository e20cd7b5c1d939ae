"""The operation that lists the versions of a bucket's objects."""

from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.listing.pages import common_prefixes, encode, entry_name, page_size, render_entry
from lowcloud.api.aws.services.s3.operation import owner, s3_operation
from lowcloud.api.aws.services.s3.permissions import READ_BUCKET, OnBucket
from lowcloud.api.aws.services.s3.translation.headers import check_version_id
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.objects import listings
from lowcloud.core.storage.objects.listings import Entry, VersionListing
from lowcloud.core.storage.objects.versions import Version


@s3_operation(
    "ListObjectVersions", OnBucket("s3:ListBucketVersions", READ_BUCKET), ignored=("OptionalObjectAttributes",)
)
def list_object_versions(context: Context, _caller: Caller, request: Request) -> Answer:
    key, version = request.get("KeyMarker", ""), request.get("VersionIdMarker")
    _check_markers(key, version)
    limit = page_size(request, "MaxKeys")
    listing = listings.list_versions(
        context,
        request["Bucket"],
        prefix=request.get("Prefix", ""),
        delimiter=request.get("Delimiter", ""),
        after_key=key or None,
        after_version=version or None,
        limit=limit,
    )
    return {
        **_listed(context, request, listing),
        **_next(request, listing),
        "Name": request["Bucket"],
        "Prefix": encode(request, request.get("Prefix", "")),
        "Delimiter": encode(request, request.get("Delimiter")),
        "MaxKeys": limit,
        "EncodingType": request.get("EncodingType"),
        "KeyMarker": encode(request, key),
        "VersionIdMarker": version or "",
    }


def _check_markers(key: str, version: str | None) -> None:
    if version is None:
        return
    if version == "":
        raise AwsError("InvalidArgument", "A version-id marker cannot be empty.", fields=_marker_fields(version))
    if not key:
        message = "A version-id marker cannot be specified without a key marker."
        raise AwsError("InvalidArgument", message, fields=_marker_fields(version))
    check_version_id(version)


def _marker_fields(version: str) -> dict[str, str]:
    return {"ArgumentName": "version-id-marker", "ArgumentValue": version}


def _listed(context: Context, request: Request, listing: VersionListing) -> dict[str, Any]:
    bucket_owner = owner(context)
    versions = [
        (entry, {"VersionId": entry.version, "IsLatest": entry.id in listing.newest, "Owner": bucket_owner})
        for entry in listing.entries
        if isinstance(entry, Version)
    ]
    return {
        "IsTruncated": listing.is_truncated,
        "Versions": [render_entry(entry, request) | more for entry, more in versions if not entry.is_marker],
        "DeleteMarkers": [_render_marker(entry, request) | more for entry, more in versions if entry.is_marker],
        "CommonPrefixes": common_prefixes(request, listing.entries),
    }


def _render_marker(entry: Version, request: Request) -> dict[str, Any]:
    return {"Key": encode(request, entry.key), "LastModified": int(entry.modified_at)}


def _next(request: Request, listing: VersionListing) -> dict[str, Any]:
    """Return the markers of the next page, which begins after the last entry of this one."""
    if not listing.is_truncated:
        return {}
    last: Entry = listing.entries[-1]
    version = last.version if isinstance(last, Version) else None
    return {"NextKeyMarker": encode(request, entry_name(last)), "NextVersionIdMarker": version}
