"""Inputs of work: how an object is named to an engine, and how the engine reads what the name stands for."""

from collections.abc import Iterator
from urllib.parse import quote, unquote, urlsplit

from lowcloud.core import objects
from lowcloud.core.cloud import Closing, Cloud
from lowcloud.core.errors import CloudError, Invalid
from lowcloud.engine import StagingFailed
from lowcloud.store.encryption import Tampered
from lowcloud.store.files import BlobGone


def parse_uri(uri: str) -> tuple[str, str]:
    """Bucket and key (or prefix) of "s3://bucket/key". Raises Invalid."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise Invalid(f"{uri!r} is no S3 URI; write s3://bucket/key.")
    return bucket, key


def source_of(bucket: str, key: str) -> str:
    """The name of an object as an engine passes it on."""
    return f"s3://{bucket}/{quote(key)}"


def fetch(cloud: Cloud, source: str) -> Iterator[bytes]:
    """The bytes behind a source. Raises StagingFailed, and Closing when the server goes down meanwhile."""
    parts = urlsplit(source)
    key = unquote(parts.path.removeprefix("/"))
    try:
        for chunk in objects.get(cloud, parts.netloc, key)[1]:
            if cloud.closing.is_set():
                raise Closing
            yield chunk
    except CloudError as error:
        raise StagingFailed(f"s3://{parts.netloc}/{key} cannot be read: {error}") from error
    except (Tampered, BlobGone) as error:
        raise StagingFailed(f"s3://{parts.netloc}/{key} is damaged; upload it again. {error}") from error
