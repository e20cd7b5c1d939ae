"""GetObjectAttributes: an object's attributes and parts, without its bytes."""

from typing import Any

from lowcloud.api.aws.access.permissions import every
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.listing.pages import page_size
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import OnObject
from lowcloud.api.aws.services.s3.translation.checksums import render_checksum
from lowcloud.api.aws.services.s3.translation.encryption import parse_customer_key
from lowcloud.api.aws.services.s3.translation.headers import STANDARD, render_version
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.multipart import uploads
from lowcloud.core.storage.objects import metadata, objects
from lowcloud.core.storage.objects.versions import Object


@s3_operation("GetObjectAttributes", every(OnObject("s3:GetObject"), OnObject("s3:GetObjectAttributes")))
def get_object_attributes(context: Context, _caller: Caller, request: Request) -> Answer:
    found = objects.head(context, request["Bucket"], request["Key"], version=request.get("VersionId"))
    metadata.key_wrapping(found.metadata.encryption, parse_customer_key(request))
    requested = request["ObjectAttributes"]
    if not requested:
        raise AwsError("InvalidArgument", "At least one object attribute must be given.")
    attributes: dict[str, Any] = {
        "ETag": found.etag,  # unquoted, only in this response
        "Checksum": _checksum(found),
        "ObjectParts": _parts(context, found, request) if "ObjectParts" in requested else None,
        "StorageClass": found.storage_class or STANDARD,
        "ObjectSize": found.size,
    }
    selected = {name: value for name, value in attributes.items() if name in requested}
    return {**selected, "LastModified": found.modified_at, **render_version(found)}


def _checksum(found: Object) -> dict[str, str]:
    """Return the object's checksum; a composite one without the number of parts."""
    return {name: value.partition("-")[0] for name, value in render_checksum(found.checksum).items()}


def _parts(context: Context, found: Object, request: Request) -> dict[str, Any] | None:
    """Return one page of the parts, with their checksums."""
    if found.parts is None:
        return None
    after, limit = request.get("PartNumberMarker", 0), page_size(request, "MaxParts")
    parts, is_truncated = uploads.list_parts(context, found.id, after=after, limit=limit)
    algorithm = found.checksum.algorithm if found.checksum else None
    return {
        "TotalPartsCount": found.parts,
        "PartNumberMarker": after,
        "NextPartNumberMarker": parts[-1].number if parts else after,
        "MaxParts": limit,
        "IsTruncated": is_truncated,
        "Parts": [
            {"PartNumber": part.number, "Size": part.size, f"Checksum{algorithm}": part.checksum} for part in parts
        ],
    }
