"""Objects: bytes under a key of a bucket, replaced whole, readable by everyone as soon as a write is acknowledged."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from lowcloud.core import buckets
from lowcloud.core.bodies import Claims, full_disk_told, no_claims, receive
from lowcloud.core.checksums import DEFAULT_ALGORITHM, Checksum
from lowcloud.core.cloud import Cloud
from lowcloud.core.conditions import NO_CONDITIONS, Conditions, check_read, check_write
from lowcloud.core.errors import CloudError, Invalid, NotFound
from lowcloud.core.spans import Span, locate_part, locate_span
from lowcloud.store.files import Blob, BlobGone, BlobReader, new_id
from lowcloud.store.listing import Folder, folded
from lowcloud.store.tables import objects, parts

LONGEST_KEY_BYTES = 1024
UNVERSIONED = "null"
READ_ATTEMPTS = 10

# Built once: building one anew for each call costs more than running it.
_AT = (
    objects.c.bucket == sa.bindparam("in_bucket"),
    objects.c.key == sa.bindparam("at_key"),
    objects.c.version == UNVERSIONED,
)
_OF_OWNER = parts.c.owner == sa.bindparam("of_owner")
_FIND = sa.select(objects).where(*_AT)
_REMOVE = sa.delete(objects).where(*_AT)
_PIECES = (
    sa.select(parts.c.number, parts.c.blob, parts.c.size, parts.c.wrapped_key).where(_OF_OWNER).order_by(parts.c.number)
)
_BLOBS = sa.select(parts.c.blob).where(_OF_OWNER)
_REMOVE_PARTS = sa.delete(parts).where(_OF_OWNER)
_INSERT = sa.insert(objects)
_INSERT_PART = sa.insert(parts)


@dataclass(frozen=True)
class Object:
    """What is known of an object. Times are seconds since the epoch."""

    bucket: str
    key: str
    id: str  # of these very bytes: a replacement has another
    size: int
    etag: str  # hexadecimal MD5, or that of the parts' MD5s and "-" and their number
    modified_at: float
    version: str = UNVERSIONED
    headers: Mapping[str, str] = field(default_factory=dict)  # by lower-case name: content-type, cache-control, ...
    user_metadata: Mapping[str, str] = field(default_factory=dict)
    checksum: Checksum | None = None
    parts: int | None = None  # of a multipart upload


@dataclass(frozen=True)
class Listing:
    """One page of a bucket in key order, and the key that the next page starts with (None: there is no more)."""

    entries: tuple[Object | Folder, ...]
    next_start: str | None


class KeyTooLong(CloudError):
    """A key has more than 1024 bytes."""


def put(
    cloud: Cloud,
    bucket: str,
    key: str,
    chunks: Iterable[bytes],
    *,
    headers: Mapping[str, str] | None = None,
    user_metadata: Mapping[str, str] | None = None,
    algorithm: str = DEFAULT_ALGORITHM,
    claims: Claims = no_claims,
    conditions: Conditions = NO_CONDITIONS,
) -> Object:
    """Store an object, replacing what the key held; durable and visible when this returns.

    `algorithm` names the checksum to keep. Raises NotFound (bucket), KeyTooLong, ConditionFailed, and what
    bodies.receive raises; then nothing has changed.
    """
    check_key(key)
    with cloud.database.read() as connection:
        buckets.require(connection, bucket)
        _check_replacing(conditions, current(connection, bucket, key), key)
    with receive(cloud, chunks, [algorithm], claims) as body:
        new = Object(
            bucket=bucket,
            key=key,
            id=new_id(),
            size=body.blob.size,
            etag=body.md5,
            modified_at=cloud.now(),
            headers=headers or {},
            user_metadata=user_metadata or {},
            checksum=Checksum(algorithm, body.checksums[algorithm]),
        )

        def write(connection: sa.Connection) -> list[str]:
            replaced = place(connection, new, conditions)
            insert_part(connection, new.id, 1, body.blob, etag=body.md5, modified_at=new.modified_at)
            return replaced

        replaced = cloud.database.apply(write)
    cloud.files.delete(replaced)
    return new


def head(cloud: Cloud, bucket: str, key: str, conditions: Conditions = NO_CONDITIONS) -> Object:
    """What is known of the object. Raises NotFound (bucket, object), ConditionFailed and NotModified."""
    with cloud.database.read() as connection:
        found = _require(connection, bucket, key)
    check_read(conditions, found.etag, found.modified_at)
    return found


def get(
    cloud: Cloud,
    bucket: str,
    key: str,
    *,
    span: Span | None = None,
    part: int | None = None,
    conditions: Conditions = NO_CONDITIONS,
) -> tuple[Object, BlobReader]:
    """The object and its bytes, or those of a span or a part; the reader tells where they begin and how many they are.

    The bytes stay readable while the object is replaced or deleted. Raises NotFound (bucket, object), ConditionFailed,
    NotModified, SpanOutside, PartUnknown, and Tampered here or while reading.
    """
    for attempt in range(READ_ATTEMPTS):
        with cloud.database.read() as connection:
            found = _require(connection, bucket, key)
            check_read(conditions, found.etag, found.modified_at)
            pieces = _pieces(connection, found.id)
        first, length = _locate(found, pieces, span, part)
        try:
            return found, cloud.files.read([blob for _, blob in pieces], first, length)
        except BlobGone:  # replaced between the look-up and the opening: look again
            if attempt == READ_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def locate(cloud: Cloud, found: Object, span: Span | None, part: int | None) -> tuple[int, int]:
    """Where a span or a part begins, and its size in bytes. Raises SpanOutside and PartUnknown."""
    if part is None:
        return locate_span(span, found.size)
    with cloud.database.read() as connection:
        return _locate(found, _pieces(connection, found.id), span, part)


def list_page(
    cloud: Cloud,
    bucket: str,
    *,
    prefix: str = "",
    delimiter: str = "",
    start: str = "",
    after: str | None = None,
    limit: int = 1000,
) -> Listing:
    """At most `limit` objects and folders from the key `start` on, or after a key or folder. Raises NotFound."""
    query = sa.select(objects).where(objects.c.bucket == bucket, objects.c.version == UNVERSIONED)
    entries: list[Object | Folder] = []
    with cloud.database.read() as connection:
        buckets.require(connection, bucket)
        position = None if after is None else [after]
        found = folded(
            connection, query, [objects.c.key], start=start, after=position, prefix=prefix, delimiter=delimiter
        )
        for entry in found:
            if len(entries) >= limit:
                return Listing(tuple(entries), _name(entry) if limit else None)
            entries.append(entry if isinstance(entry, Folder) else _object(entry))
    return Listing(tuple(entries), None)


def walk(cloud: Cloud, bucket: str, prefix: str = "") -> Iterator[Object]:
    """Every object whose key begins with `prefix`, in key order, page by page. Raises NotFound (bucket)."""
    start: str | None = ""
    while start is not None:
        listing = list_page(cloud, bucket, prefix=prefix, start=start)
        yield from (entry for entry in listing.entries if isinstance(entry, Object))
        start = listing.next_start


def delete(cloud: Cloud, bucket: str, key: str, conditions: Conditions = NO_CONDITIONS) -> None:
    """Remove an object; a key that holds none is no error. Raises NotFound (bucket) and ConditionFailed."""
    delete_many(cloud, bucket, [key], conditions)


def delete_many(cloud: Cloud, bucket: str, keys: Sequence[str], conditions: Conditions = NO_CONDITIONS) -> None:
    """Remove objects, all or none of them. Raises NotFound (bucket) and ConditionFailed."""

    def remove(connection: sa.Connection) -> list[str]:
        buckets.require(connection, bucket)
        blobs: list[str] = []
        for key in keys:
            present = current(connection, bucket, key)
            _check_replacing(conditions, present, key)
            blobs += _remove(connection, present)
        return blobs

    with full_disk_told():
        blobs = cloud.database.apply(remove)
    cloud.files.delete(blobs)


def copy(
    cloud: Cloud,
    source: tuple[str, str],
    bucket: str,
    key: str,
    *,
    headers: Mapping[str, str] | None = None,
    user_metadata: Mapping[str, str] | None = None,
    algorithm: str | None = None,
    source_conditions: Conditions = NO_CONDITIONS,
    conditions: Conditions = NO_CONDITIONS,
) -> Object:
    """Copy the object `source` (bucket, key); headers and metadata that are given replace the source's.

    Raises what get and put raise, and Invalid for a copy onto itself that changes nothing.
    """
    check_key(key)
    if source == (bucket, key) and headers is None and user_metadata is None and algorithm is None:
        raise Invalid("Copying an object onto itself needs other headers or other metadata.")
    found, chunks = get(cloud, *source, conditions=source_conditions)
    kept = found.checksum.algorithm if found.checksum else DEFAULT_ALGORITHM
    return put(
        cloud,
        bucket,
        key,
        chunks,
        headers=found.headers if headers is None else headers,
        user_metadata=found.user_metadata if user_metadata is None else user_metadata,
        algorithm=algorithm or kept,
        conditions=conditions,
    )


def check_key(key: str) -> None:
    """Raises KeyTooLong, and Invalid for an empty key."""
    if not key:
        raise Invalid("A key has at least one character.")
    if len(key.encode()) > LONGEST_KEY_BYTES:
        raise KeyTooLong(f"A key has at most {LONGEST_KEY_BYTES} bytes.")


def place(connection: sa.Connection, new: Object, conditions: Conditions) -> list[str]:
    """Write an object's row in place of the one its key held; returns the blobs to delete after the commit."""
    buckets.require(connection, new.bucket)
    present = current(connection, new.bucket, new.key)
    _check_replacing(conditions, present, new.key)
    replaced = _remove(connection, present)
    connection.execute(_INSERT, asdict(new))
    return replaced


def insert_part(
    connection: sa.Connection,
    owner: str,
    number: int,
    blob: Blob,
    *,
    etag: str,
    modified_at: float,
    checksum: str | None = None,
) -> None:
    """Write the row of bytes that an object or an upload owns."""
    row = {"owner": owner, "number": number, "blob": blob.id, "size": blob.size, "wrapped_key": blob.wrapped_key}
    connection.execute(_INSERT_PART, {**row, "etag": etag, "modified_at": modified_at, "checksum": checksum})


def current(connection: sa.Connection, bucket: str, key: str) -> Object | None:
    """The object that the key holds, within a transaction, or None."""
    row = connection.execute(_FIND, {"in_bucket": bucket, "at_key": key}).first()
    return None if row is None else _object(row)


def sweep(cloud: Cloud) -> int:
    """Delete blobs that crashed writers left: how many. Safe while others write, to be run once after a start."""

    def known(ids: Sequence[str]) -> Sequence[str]:
        with cloud.database.read() as connection:
            return connection.execute(sa.select(parts.c.blob).where(parts.c.blob.in_(ids))).scalars().all()

    return cloud.files.sweep(known)


def _require(connection: sa.Connection, bucket: str, key: str) -> Object:
    found = current(connection, bucket, key)
    if found is None:
        buckets.require(connection, bucket)
        raise NotFound("object", key)
    return found


def _check_replacing(conditions: Conditions, present: Object | None, key: str) -> None:
    if present is None and conditions.if_match is not None:
        raise NotFound("object", key)
    check_write(conditions, present.etag if present else None)


def _remove(connection: sa.Connection, present: Object | None) -> list[str]:
    if present is None:
        return []
    owner = {"of_owner": present.id}
    blobs = connection.execute(_BLOBS, owner).scalars().all()
    connection.execute(_REMOVE_PARTS, owner)
    connection.execute(_REMOVE, {"in_bucket": present.bucket, "at_key": present.key})
    return list(blobs)


def _pieces(connection: sa.Connection, owner: str) -> list[tuple[int, Blob]]:
    rows = connection.execute(_PIECES, {"of_owner": owner})
    return [(number, Blob(blob, size, wrapped_key)) for number, blob, size, wrapped_key in rows]


def _locate(found: Object, pieces: Sequence[tuple[int, Blob]], span: Span | None, part: int | None) -> tuple[int, int]:
    if part is None:
        return locate_span(span, found.size)
    return locate_part(part, [(number, blob.size) for number, blob in pieces])


def _object(row: sa.Row[Any]) -> Object:
    values = dict(row._mapping)
    checksum = values.pop("checksum")
    return Object(**values, checksum=checksum and Checksum(**checksum))


def _name(entry: Folder | sa.Row[Any]) -> str:
    return entry.prefix if isinstance(entry, Folder) else str(entry._mapping[objects.c.key])
