"""Pages of listings: page sizes, encoding of keys, entries."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Request
from lowcloud.api.aws.services.s3.translation.checksums import checksum_type, quote_etag
from lowcloud.api.aws.services.s3.translation.headers import STANDARD
from lowcloud.core.storage.objects.listings import Folder
from lowcloud.core.storage.objects.versions import Version

MAX_PAGE_SIZE = 1000


def page_size(request: Request, member: str) -> int:
    """Return how many entries to list. Raises AwsError for a negative number."""
    requested: int = request.get(member, MAX_PAGE_SIZE)
    if requested < 0:
        raise AwsError("InvalidArgument", f"Argument {member} must be an integer between 0 and 2147483647")
    return min(requested, MAX_PAGE_SIZE)


def encode(request: Request, text: str | None) -> str | None:
    """Encode a key if the client requests it, since XML cannot represent every character."""
    return quote(text) if text and request.get("EncodingType") == "url" else text


def entry_name(entry: Version | Folder) -> str:
    """Return the key or the folder of an entry."""
    return entry.prefix if isinstance(entry, Folder) else entry.key


def common_prefixes(request: Request, entries: Sequence[Any]) -> list[dict[str, str | None]]:
    """Return the folders among the entries."""
    return [{"Prefix": encode(request, entry.prefix)} for entry in entries if isinstance(entry, Folder)]


def render_entry(entry: Version, request: Request) -> dict[str, Any]:
    """Return an object's entry in a listing."""
    content: dict[str, Any] = {
        "Key": encode(request, entry.key),
        "LastModified": int(entry.modified_at),  # whole seconds, as in the Last-Modified header
        "ETag": quote_etag(entry.etag),
        "Size": entry.size,
        "StorageClass": entry.storage_class or STANDARD,
    }
    if entry.checksum is not None:
        content["ChecksumAlgorithm"] = [entry.checksum.algorithm]
        content["ChecksumType"] = checksum_type(entry.checksum.is_composite)
    return content
