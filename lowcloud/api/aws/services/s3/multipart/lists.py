"""Listing multipart uploads and their parts."""

from typing import Any

from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.listing.pages import common_prefixes, encode, page_size
from lowcloud.api.aws.services.s3.operation import owner, s3_operation
from lowcloud.api.aws.services.s3.permissions import READ_BUCKET, OnBucket, OnObject
from lowcloud.api.aws.services.s3.translation.checksums import checksum_type, quote_etag
from lowcloud.api.aws.services.s3.translation.encryption import parse_customer_key
from lowcloud.api.aws.services.s3.translation.headers import STANDARD
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.multipart import uploads
from lowcloud.core.storage.multipart.uploads import Upload


@s3_operation("ListParts", OnObject("s3:ListMultipartUploadParts"))
def list_parts(context: Context, _caller: Caller, request: Request) -> Answer:
    parse_customer_key(request)
    upload = uploads.find(context, request["Bucket"], request["Key"], request["UploadId"])
    after, limit = request.get("PartNumberMarker", 0), page_size(request, "MaxParts")
    found, is_truncated = uploads.list_parts(context, upload.id, after=after, limit=limit)
    return {
        **_render_upload(context, upload),
        "Bucket": upload.bucket,
        "Parts": [
            {
                "PartNumber": part.number,
                "ETag": quote_etag(part.etag),
                "Size": part.size,
                "LastModified": part.modified_at,
                f"Checksum{upload.algorithm}": part.checksum,
            }
            for part in found
        ],
        "PartNumberMarker": after,
        "NextPartNumberMarker": found[-1].number if found else after,
        "MaxParts": limit,
        "IsTruncated": is_truncated,
    }


@s3_operation("ListMultipartUploads", OnBucket("s3:ListBucketMultipartUploads", READ_BUCKET))
def list_multipart_uploads(context: Context, _caller: Caller, request: Request) -> Answer:
    prefix, delimiter = request.get("Prefix", ""), request.get("Delimiter", "")
    key_marker, id_marker = request.get("KeyMarker", ""), request.get("UploadIdMarker", "")
    after = [marker for marker in (key_marker, id_marker) if marker] if key_marker else None
    limit = page_size(request, "MaxUploads")
    found, is_truncated = uploads.list_uploads(
        context,
        request["Bucket"],
        prefix=prefix,
        delimiter=delimiter,
        after=after,
        limit=limit,
    )
    last = found[-1] if is_truncated else None
    next_key = last.key if isinstance(last, Upload) else last.prefix if last else None
    return {
        "Bucket": request["Bucket"],
        "Uploads": [
            _render_upload(context, entry) | {"Key": encode(request, entry.key), "Initiated": entry.created_at}
            for entry in found
            if isinstance(entry, Upload)
        ],
        "CommonPrefixes": common_prefixes(request, found),
        "Prefix": encode(request, prefix),
        "Delimiter": encode(request, delimiter) or None,
        "KeyMarker": encode(request, key_marker),
        "UploadIdMarker": id_marker,
        "NextKeyMarker": encode(request, next_key),
        "NextUploadIdMarker": last.id if isinstance(last, Upload) else None,
        "MaxUploads": limit,
        "IsTruncated": is_truncated,
        "EncodingType": request.get("EncodingType"),
    }


def _render_upload(context: Context, upload: Upload) -> dict[str, Any]:
    return {
        "Key": upload.key,
        "UploadId": upload.id,
        "Initiator": owner(context),
        "Owner": owner(context),
        "StorageClass": upload.storage_class or STANDARD,
        "ChecksumAlgorithm": upload.algorithm,
        "ChecksumType": checksum_type(upload.is_composite),
    }
