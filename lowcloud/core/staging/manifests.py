"""Manifests: objects that list the objects of a channel, or its records."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from lowcloud.core.errors import CloudError, InvalidError
from lowcloud.core.identity.object_access import ObjectAccess
from lowcloud.core.staging.inputs import parse_uri, read, source_of_version
from lowcloud.core.storage.objects.versions import Version
from lowcloud.engine.work import InputSource, Record, StagingError

MANIFEST_LIMIT_BYTES = 64 * 1024 * 1024
LINE_LIMIT_BYTES = 1024 * 1024
REFERENCE = "-ref"  # ends the names of attributes whose values are objects


def listed(store: ObjectAccess, bucket: str, key: str) -> Iterator[tuple[Version, str]]:
    """Yield the objects of a manifest, and the path of each below the channel's folder.

    A manifest is a JSON list: {"prefix": "s3://bucket/folder/"}, then the rest of each object's URL, which may begin
    with the slash that the prefix lacks. Raises StagingError.
    """
    try:
        size = store.head(bucket, key).size
        if size > MANIFEST_LIMIT_BYTES:
            raise InvalidError(f"it is larger than {MANIFEST_LIMIT_BYTES} bytes")
        first, *rest = json.loads(b"".join(read(store, bucket, key)))
        for name in rest:
            yield store.head(*parse_uri(first["prefix"] + name)), name.lstrip("/")
    except (CloudError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise StagingError(
            f'The manifest s3://{bucket}/{key} cannot be used: {error}. It must be a JSON list of {{"prefix": '
            '"s3://bucket/folder/"} and the names of objects there.'
        ) from error


def records(store: ObjectAccess, bucket: str, key: str, attributes: Iterable[str]) -> Iterator[Record]:
    """Yield the records of an augmented manifest: the requested attributes of each line, in the requested order.

    An attribute whose name ends in "-ref" is an object, any other is sent as the text it is, or else as JSON.
    https://docs.aws.amazon.com/sagemaker/latest/dg/augmented-manifest.html. Raises StagingError.
    """
    names = tuple(attributes)
    for number, line in enumerate(_lines(read(store, bucket, key), f"s3://{bucket}/{key}"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            yield tuple(_piece(store, values, name) for name in names)
        except (CloudError, ValueError, TypeError, RecursionError) as error:
            raise StagingError(f"Line {number} of the augmented manifest s3://{bucket}/{key}: {error}") from error


def _piece(store: ObjectAccess, values: Any, name: str) -> InputSource | str:
    if not isinstance(values, dict):
        raise InvalidError("It is not a JSON object.")
    if name not in values:
        raise InvalidError(f"It has no attribute {name!r}, which is listed in AttributeNames.")
    value = values[name]
    if not name.endswith(REFERENCE):
        return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    if not isinstance(value, str):
        raise InvalidError(f"Its attribute {name!r} is not an S3 URI.")
    found = store.head(*parse_uri(value))
    return InputSource(source_of_version(found), found.size)


def _lines(chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).split(b"\n")
        if max(map(len, lines)) > LINE_LIMIT_BYTES:
            message = f"A line of {name} has more than {LINE_LIMIT_BYTES} bytes. Write one JSON object per line."
            raise StagingError(message)
        *complete, rest = lines
        yield from complete
    yield rest
