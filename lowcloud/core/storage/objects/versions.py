"""The versions of a key, newest first: their rows, which of them counts, and what a new one does to those before.

These functions work within a transaction; objects.py and uploads.py say when. A bucket that never kept versions has
one of each key, called "null". One that keeps them adds to them, and a deletion adds a marker; one that has stopped
writes "null" again.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError, NotFoundError
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import checksums, metadata
from lowcloud.core.storage.objects.checksums import Checksum
from lowcloud.core.storage.objects.locks import UNLOCKED, Lock, to_lock, with_default_retention
from lowcloud.core.storage.objects.metadata import NO_METADATA, ObjectMetadata
from lowcloud.core.storage.objects.preconditions import Preconditions, check_write
from lowcloud.store.blobs.files import Blob, new_id
from lowcloud.store.db.prepared import PreparedStatement, Row
from lowcloud.store.db.tables import buckets as bucket_rows
from lowcloud.store.db.tables import contents, objects, parts

NULL = "null"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a key, as listings tell it. Times are seconds since the epoch."""

    bucket: str
    key: str
    id: str  # of these very bytes: a replacement has another
    size: int
    etag: str  # hexadecimal MD5, or that of the parts' MD5s and "-" and their number
    modified_at: float
    version: str = NULL  # its name, given by `place`
    position: int = 0  # among the versions of its key, given by `place`: newer ones have smaller ones
    is_marker: bool = False
    storage_class: str | None = None  # None: the standard one
    checksum: Checksum | None = None
    parts: int | None = None  # of a multipart upload
    lock: Lock = UNLOCKED
    wrapped_key: bytes | None = None  # of bytes that lie in the database; None: they lie in blobs
    versioning: str | None = None  # of its bucket, where that was read too


@dataclass(frozen=True, slots=True)
class Object(Version):
    """A version that is no marker, with all that is known of it."""

    metadata: ObjectMetadata = NO_METADATA


class DeletedError(NotFoundError):
    """The newest version of the key is a marker."""

    def __init__(self, marker: Version):
        super().__init__("object", marker.key)
        self.marker = marker


class DeleteMarkerError(CloudError):
    """The version asked for is a marker: there is nothing in it to read."""

    def __init__(self, marker: Version):
        super().__init__(f"Version {marker.version} of {marker.key} says that it was deleted.")
        self.marker = marker


V = TypeVar("V", bound=Version)

VERSION_COLUMNS = tuple(objects.c[name] for name in (
    "bucket", "key", "id", "size", "etag", "modified_at", "version", "position", "is_marker", "storage_class",
    "checksum", "parts", "wrapped_key", "retention", "retain_until", "legal_hold",
))  # fmt: skip

_POSITIONS_A_MILLISECOND = 1000  # room for what is written to one key within it
_IS_MARKER = VERSION_COLUMNS.index(objects.c.is_marker)
_ID, _DOCUMENT, _VERSIONING = VERSION_COLUMNS.index(objects.c.id), len(VERSION_COLUMNS), len(VERSION_COLUMNS) + 1
_IS_ID = re.compile(r"[0-9a-f]{32}")
_OF_KEY = (objects.c.bucket == sa.bindparam("in_bucket"), objects.c.key == sa.bindparam("at_key"))
_OF_OWNER = parts.c.owner == sa.bindparam("of_owner")
_BUCKETS_VERSIONING = sa.select(bucket_rows.c.versioning).where(bucket_rows.c.name == objects.c.bucket)
# What `object_of` reads.
OBJECT_COLUMNS = (*VERSION_COLUMNS, objects.c.document, _BUCKETS_VERSIONING.scalar_subquery())
_NEWEST = PreparedStatement(sa.select(*VERSION_COLUMNS).where(*_OF_KEY).order_by(objects.c.position).limit(1))
_NAMED = PreparedStatement(sa.select(*VERSION_COLUMNS).where(*_OF_KEY, objects.c.version == sa.bindparam("named")))
_NEWEST_DESCRIBED = PreparedStatement(sa.select(*OBJECT_COLUMNS).where(*_OF_KEY).order_by(objects.c.position).limit(1))
_NAMED_DESCRIBED = PreparedStatement(
    sa.select(*OBJECT_COLUMNS).where(*_OF_KEY, objects.c.version == sa.bindparam("named"))
)
_OF_BYTES = PreparedStatement(sa.select(*OBJECT_COLUMNS).where(*_OF_KEY, objects.c.id == sa.bindparam("with_id")))
_INSERT = PreparedStatement.insert(objects)
_REMOVE = PreparedStatement(sa.delete(objects).where(*_OF_KEY, objects.c.position == sa.bindparam("at_position")))
_INSERT_CONTENT = PreparedStatement.insert(contents)
_REMOVE_CONTENT = PreparedStatement(sa.delete(contents).where(contents.c.id == sa.bindparam("with_id")))
_INSERT_PART = PreparedStatement.insert(parts)
_BLOBS = PreparedStatement(sa.select(parts.c.blob).where(_OF_OWNER).order_by(parts.c.number))
_REMOVE_PARTS = PreparedStatement(sa.delete(parts).where(_OF_OWNER))


def newest(connection: sa.Connection, bucket: str, key: str) -> Version | None:
    """The newest version of a key, which may be a marker, or None."""
    row = _NEWEST.first(connection, in_bucket=bucket, at_key=key)
    return None if row is None else to_version(row)


def named(connection: sa.Connection, bucket: str, key: str, version: str) -> Version | None:
    """The version of this name, or None."""
    row = _NAMED.first(connection, in_bucket=bucket, at_key=key, named=version)
    return None if row is None else to_version(row)


def find_by_id(context: Context, connection: sa.Connection, bucket: str, key: str, object_id: str) -> Object | None:
    """The object that has these very bytes, or None."""
    row = _OF_BYTES.first(connection, in_bucket=bucket, at_key=key, with_id=object_id)
    return None if row is None else to_object(context, row)


def find(context: Context, connection: sa.Connection, bucket: str, key: str, version: str | None) -> Object:
    """The object of this version, or the newest.

    Raises NotFoundError (bucket, version, object), DeletedError and DeleteMarkerError.
    """
    if version is None:
        row = _NEWEST_DESCRIBED.first(connection, in_bucket=bucket, at_key=key)
    else:
        row = _NAMED_DESCRIBED.first(connection, in_bucket=bucket, at_key=key, named=version)
    if row is None:
        buckets.require(connection, bucket)
        raise not_found(key, version)
    return require_object(context, row, version)


def require_object(context: Context, row: Row, version: str | None) -> Object:
    """The object in a row of DESCRIBED, found by this name or as the newest. Raises Deleted and DeleteMarkerError."""
    if row[_IS_MARKER]:
        marker = replace(to_version(row), versioning=row[_VERSIONING])
        raise DeletedError(marker) if version is None else DeleteMarkerError(marker)
    return to_object(context, row)


def not_found(key: str, version: str | None) -> NotFoundError:
    """There is no such object, or no such version of it."""
    return NotFoundError("object", key) if version is None else NotFoundError("version", version)


def check_overwrite(preconditions: Preconditions, newest: Version | None, key: str) -> None:
    """Whether what the key holds may be replaced. Raises NotFoundError (object) and ConditionFailed."""
    if newest is None or newest.is_marker:
        if preconditions.if_match is not None:
            raise NotFoundError("object", key)
        check_write(preconditions, None)
    else:
        check_write(preconditions, newest.etag, newest.modified_at, newest.size)


def insert_version(
    connection: sa.Connection, bucket: buckets.Bucket, new: V, document: bytes, preconditions: Preconditions
) -> tuple[V, list[str]]:
    """Write a version as the newest of its key: the version as it is called then, locked as its bucket wants it.

    Returns also the blobs to delete after the commit. Raises NotFoundError (object), ConditionFailed and NotLockable.
    """
    before = newest(connection, new.bucket, new.key)
    check_overwrite(preconditions, before, new.key)
    return _place(connection, bucket, new, before, document)


def insert_marker(
    connection: sa.Connection, bucket: buckets.Bucket, key: str, before: Version | None, now: float
) -> tuple[Version, list[str]]:
    """Write a marker as the newest version of a key, after `before`."""
    marker = Version(bucket.name, key, new_id(), size=0, etag="", modified_at=now, is_marker=True)
    return _place(connection, bucket, marker, before, b"")


def remove(connection: sa.Connection, version: Version) -> list[str]:
    """Remove a version; returns the blobs to delete after the commit."""
    _REMOVE.rows(connection, in_bucket=version.bucket, at_key=version.key, at_position=version.position)
    if version.is_marker:
        return []
    if version.wrapped_key is not None:
        _REMOVE_CONTENT.rows(connection, with_id=version.id)
        return []
    blobs = [blob for (blob,) in _BLOBS.rows(connection, of_owner=version.id)]
    _REMOVE_PARTS.rows(connection, of_owner=version.id)
    return blobs


def seal(context: Context, found: Object) -> bytes:
    """What is said of an object, as it is kept: it opens only with the row that says the rest of it."""
    checksum = None if found.checksum is None else str(found.checksum)
    bound = _bound(
        found.id,
        found.bucket,
        found.key,
        found.size,
        found.etag,
        found.modified_at,
        found.storage_class,
        checksum,
        found.parts,
    )
    return metadata.seal(context, bound, found.metadata)


def insert_content(connection: sa.Connection, object_id: str, sealed: bytes) -> None:
    """Write the bytes of a small object."""
    _INSERT_CONTENT.rows(connection, id=object_id, sealed=sealed)


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
    """Write the row of a blob that an object or an upload owns."""
    row = {"owner": owner, "number": number, "blob": blob.id, "size": blob.size, "wrapped_key": blob.wrapped_key}
    _INSERT_PART.rows(connection, **row, etag=etag, modified_at=modified_at, checksum=checksum)


def to_version(row: Row) -> Version:
    """The version in a row that begins with COLUMNS."""
    return Version(*_values(row))


def to_object(context: Context, row: Row) -> Object:
    """The object in a row of DESCRIBED. Raises Tampered."""
    bound = _bound(row[_ID], *row[:2], *row[3:6], *row[9:12])
    values = (*_values(row), row[_VERSIONING], metadata.unseal(context, bound, row[_DOCUMENT]))
    return Object(*values)


def position_of_id(stamp: str) -> int:
    """Where a version stamped with this new id stands among others: by the milliseconds that it begins with."""
    return -int(stamp[:12], 16) * _POSITIONS_A_MILLISECOND


def earliest_position(name: str) -> int:
    """No version that is older than the one of this name stands before here."""
    if name == NULL or not _IS_ID.fullmatch(name):
        return -(2**62)
    return position_of_id(name) - _POSITIONS_A_MILLISECOND


def _bound(
    object_id: str,
    bucket: str,
    key: str,
    size: int,
    etag: str,
    modified_at: float,
    storage_class: str | None,
    checksum: str | None,
    count: int | None,
) -> str:
    """What never changes of a row: a bit that flips in it is found whenever the object is looked up."""
    return f"{object_id} {bucket}/{key}\0{size} {etag} {float(modified_at)!r} {storage_class} {checksum} {count}"


def _values(row: Row) -> tuple[Any, ...]:
    checksum = row[10]
    return (
        *row[:8],
        bool(row[8]),
        row[9],
        None if checksum is None else checksums.parse(checksum),
        row[11],
        to_lock(*row[13:16]),
        row[12],
    )


def _place(
    connection: sa.Connection, bucket: buckets.Bucket, new: V, before: Version | None, document: bytes
) -> tuple[V, list[str]]:
    stamp = new_id()
    position = position_of_id(stamp)
    if before is not None:  # the clock of another server may have been ahead
        position = min(position, before.position - 1)
    keeps = bucket.versioning == buckets.ENABLED
    replaced = [] if keeps else _remove_null(connection, bucket, new.key, before)
    lock = new.lock if new.is_marker else with_default_retention(bucket, new.lock, new.modified_at)
    placed = replace(new, version=stamp if keeps else NULL, position=position, lock=lock, versioning=bucket.versioning)
    _INSERT.rows(
        connection,
        bucket=placed.bucket,
        key=placed.key,
        position=placed.position,
        version=placed.version,
        id=placed.id,
        is_marker=placed.is_marker,
        size=placed.size,
        etag=placed.etag,
        modified_at=placed.modified_at,
        storage_class=placed.storage_class,
        checksum=None if placed.checksum is None else str(placed.checksum),
        parts=placed.parts,
        retention=lock.retention,
        retain_until=lock.retain_until,
        legal_hold=lock.legal_hold,
        wrapped_key=placed.wrapped_key,
        document=document,
    )
    return placed, replaced


def _remove_null(connection: sa.Connection, bucket: buckets.Bucket, key: str, before: Version | None) -> list[str]:
    """Remove the version called "null", which is about to be replaced."""
    if before is not None and before.version != NULL and bucket.versioning is not None:
        before = named(connection, bucket.name, key, NULL)
    return [] if before is None else remove(connection, before)
