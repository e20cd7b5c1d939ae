"""Reads and writes files, atomically, and objects of a bucket."""

import os
import tempfile
from pathlib import Path
from typing import Any

SCHEME = "s3://"


def write(location: str, content: bytes) -> None:
    """Write content to a path or to "s3://bucket/key". A crash leaves either the old or the new content."""
    if location.startswith(SCHEME):
        bucket, key = _split(location)
        _client().put_object(Bucket=bucket, Key=key, Body=content)
        return
    path = Path(location).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def read(location: str) -> bytes:
    """Return the content at a path or at "s3://bucket/key". Raises FileNotFoundError."""
    if not location.startswith(SCHEME):
        return Path(location).expanduser().read_bytes()
    bucket, key = _split(location)
    client = _client()
    try:
        content: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except (client.exceptions.NoSuchKey, client.exceptions.NoSuchBucket) as error:
        raise FileNotFoundError(f"{location} does not exist.") from error
    return content


def _split(location: str) -> tuple[str, str]:
    bucket, _, key = location.removeprefix(SCHEME).partition("/")
    if not bucket or not key:
        raise ValueError(f"{location!r} is not the URL of an object; write s3://bucket/key.")
    return bucket, key


def _client() -> Any:
    import botocore.session

    return botocore.session.Session().create_client("s3")
