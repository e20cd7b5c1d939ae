"""Where a model is kept: a file, replaced whole, or an object of a bucket."""

import os
import tempfile
from pathlib import Path
from typing import Any

SCHEME = "s3://"


def write(place: str, content: bytes) -> None:
    """Put content at a path or at "s3://bucket/key"; a crash leaves the old content or the new."""
    if place.startswith(SCHEME):
        bucket, key = _split(place)
        _client().put_object(Bucket=bucket, Key=key, Body=content)
        return
    path = Path(place).expanduser()
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


def read(place: str) -> bytes:
    """The content at a path or at "s3://bucket/key". Raises FileNotFoundError."""
    if not place.startswith(SCHEME):
        return Path(place).expanduser().read_bytes()
    bucket, key = _split(place)
    client = _client()
    try:
        content: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except (client.exceptions.NoSuchKey, client.exceptions.NoSuchBucket) as error:
        raise FileNotFoundError(f"{place} does not exist.") from error
    return content


def _split(place: str) -> tuple[str, str]:
    bucket, _, key = place.removeprefix(SCHEME).partition("/")
    if not bucket or not key:
        raise ValueError(f"{place!r} names no object; write s3://bucket/key.")
    return bucket, key


def _client() -> Any:
    import botocore.session

    return botocore.session.Session().create_client("s3")
