"""Inputs of work: source names for objects, and reading the objects that they refer to."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from lowcloud.core.context import Context, ShuttingDownError
from lowcloud.core.errors import CloudError, InvalidError
from lowcloud.core.identity.access import AccessDeniedError
from lowcloud.core.identity.object_access import ObjectAccess
from lowcloud.core.storage.objects import objects
from lowcloud.core.storage.objects.byte_ranges import ByteRange
from lowcloud.core.storage.objects.versions import Version
from lowcloud.engine.work import Input, StagingError
from lowcloud.store.blobs.encryption import TamperedError
from lowcloud.store.blobs.files import BlobMissingError

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def parse_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and key (or prefix) of "s3://bucket/key". Raises InvalidError."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not _BUCKET.fullmatch(bucket):
        raise InvalidError(f"{uri!r} is not an S3 URI; write s3://bucket/key.")
    return bucket, key


def source_of(bucket: str, key: str) -> str:
    """Return the name of an object as an engine passes it on."""
    return f"s3://{bucket}/{quote(key)}"


def source_of_version(version: Version) -> str:
    """Return the name of exactly these bytes: an object that replaces them is never read instead."""
    return f"{source_of(version.bucket, version.key)}?{urlencode({'versionId': version.version, 'id': version.id})}"


def archive_at(store: ObjectAccess, path: str, uri: str) -> Input:
    """Return the archive at an S3 URI, to be unpacked at `path`. Raises StagingError."""
    try:
        bucket, key = parse_uri(uri)
        return Input(path, source_of(bucket, key), store.head(bucket, key).size)
    except CloudError as error:
        raise StagingError(f"The archive {uri} cannot be read: {error}") from error


def read(store: ObjectAccess, bucket: str, key: str) -> Iterator[bytes]:
    """Yield the bytes of an object. Raises StagingError, also if the caller may not read it."""
    try:
        store.require_read(bucket, key)
    except AccessDeniedError as error:
        raise StagingError(str(error)) from error
    yield from fetch(store.context, source_of(bucket, key))


def fetch(context: Context, source: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Yield the bytes of a source, from `start` to before `end`.

    Raises StagingError, and ShuttingDownError if the server shuts down meanwhile.
    """
    parts = urlsplit(source)
    key = unquote(parts.path.removeprefix("/"))
    named = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if end is not None and end <= start:
        return
    byte_range = ByteRange(start, None if end is None else end - 1) if start or end is not None else None
    try:
        found, chunks = objects.get(context, parts.netloc, key, version=named.get("versionId"), byte_range=byte_range)
        if found.id != named.get("id", found.id):
            raise StagingError(f"s3://{parts.netloc}/{key} was replaced while a job read it. Start the job again.")
        for chunk in chunks:
            if context.closing.is_set():
                raise ShuttingDownError
            yield chunk
    except CloudError as error:
        raise StagingError(f"s3://{parts.netloc}/{key} cannot be read: {error}") from error
    except (TamperedError, BlobMissingError) as error:
        raise StagingError(f"s3://{parts.netloc}/{key} is damaged; upload it again. {error}") from error
