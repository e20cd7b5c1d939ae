"""The versions of a key: their rows, newest first, and how a new version affects the existing ones.

These functions work within a transaction of their caller. A bucket that was never versioned has one version of each
key, named "null". A versioned bucket keeps every version, and a deletion adds a delete marker. A bucket whose
versioning is suspended overwrites the version "null" only.
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
from lowcloud.store.db.tables.storage import buckets as bucket_rows
from lowcloud.store.db.tables.storage import contents, objects, parts

NULL = "null"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a key, as listings show it. Times are seconds since the epoch."""

    bucket: str
    key: str
    id: str  # of these bytes: overwriting an object gives it another id
    size: int
    etag: str  # MD5 in hexadecimal, or the MD5 of the parts' MD5s, "-" and their number
    modified_at: float
    version: str = NULL  # assigned by `insert_version`
    position: int = 0  # sorts the versions of a key, newer ones first; assigned by `insert_version`
    is_marker: bool = False
    storage_class: str | None = None  # None: STANDARD
    checksum: Checksum | None = None
    parts: int | None = None  # how many, if it was a multipart upload
    lock: Lock = UNLOCKED
    wrapped_key: bytes | None = None  # of bytes stored in the database; None: they are in blobs
    versioning: str | None = None  # of its bucket, if that was read too


@dataclass(frozen=True, slots=True)
class Object(Version):
    """A version that is not a delete marker, with its metadata."""

    metadata: ObjectMetadata = NO_METADATA


class DeletedError(NotFoundError):
    """The newest version of the key is a delete marker."""

    def __init__(self, marker: Version):
        super().__init__("object", marker.key)
        self.marker = marker


class DeleteMarkerError(CloudError):
    """The requested version is a delete marker, which has no content."""

    def __init__(self, marker: Version):
        super().__init__(f"Version {marker.version} of {marker.key} is a delete marker.")
        self.marker = marker


V = TypeVar("V", bound=Version)

VERSION_COLUMNS = tuple(objects.c[name] for name in (
    "bucket", "key", "id", "size", "etag", "modified_at", "version", "position", "is_marker", "storage_class",
    "checksum", "parts", "wrapped_key", "retention", "retain_until", "legal_hold",
))  # fmt: skip

_POSITIONS_PER_MILLISECOND = 1000  # so that many versions of a key can be written within one
_IS_MARKER = VERSION_COLUMNS.index(objects.c.is_marker)
_ID, _DOCUMENT, _VERSIONING = VERSION_COLUMNS.index(objects.c.id), len(VERSION_COLUMNS), len(VERSION_COLUMNS) + 1
_IS_ID = re.compile(r"[0-9a-f]{32}")
_HAS_KEY = (objects.c.bucket == sa.bindparam("in_bucket"), objects.c.key == sa.bindparam("at_key"))
_HAS_OWNER = parts.c.owner == sa.bindparam("of_owner")
_BUCKET_VERSIONING = sa.select(bucket_rows.c.versioning).where(bucket_rows.c.name == objects.c.bucket)
# The columns that `to_object` reads.
OBJECT_COLUMNS = (*VERSION_COLUMNS, objects.c.document, _BUCKET_VERSIONING.scalar_subquery())
_NEWEST = PreparedStatement(sa.select(*VERSION_COLUMNS).where(*_HAS_KEY).order_by(objects.c.position).limit(1))
_NAMED = PreparedStatement(sa.select(*VERSION_COLUMNS).where(*_HAS_KEY, objects.c.version == sa.bindparam("named")))
_NEWEST_OBJECT = PreparedStatement(sa.select(*OBJECT_COLUMNS).where(*_HAS_KEY).order_by(objects.c.position).limit(1))
_NAMED_OBJECT = PreparedStatement(
    sa.select(*OBJECT_COLUMNS).where(*_HAS_KEY, objects.c.version == sa.bindparam("named"))
)
_FIND_BY_ID = PreparedStatement(sa.select(*OBJECT_COLUMNS).where(*_HAS_KEY, objects.c.id == sa.bindparam("with_id")))
_INSERT_VERSION = PreparedStatement.insert(objects)
_REMOVE = PreparedStatement(sa.delete(objects).where(*_HAS_KEY, objects.c.position == sa.bindparam("at_position")))
_INSERT_CONTENT = PreparedStatement.insert(contents)
_REMOVE_CONTENT = PreparedStatement(sa.delete(contents).where(contents.c.id == sa.bindparam("with_id")))
_INSERT_PART = PreparedStatement.insert(parts)
_BLOBS = PreparedStatement(sa.select(parts.c.blob).where(_HAS_OWNER).order_by(parts.c.number))
_REMOVE_PARTS = PreparedStatement(sa.delete(parts).where(_HAS_OWNER))


def newest(connection: sa.Connection, bucket: str, key: str) -> Version | None:
    """Return the newest version of a key, which may be a delete marker, or None."""
    row = _NEWEST.first(connection, in_bucket=bucket, at_key=key)
    return None if row is None else to_version(row)


def named(connection: sa.Connection, bucket: str, key: str, version: str) -> Version | None:
    """Return the version with this name, or None."""
    row = _NAMED.first(connection, in_bucket=bucket, at_key=key, named=version)
    return None if row is None else to_version(row)


def find_by_id(context: Context, connection: sa.Connection, bucket: str, key: str, object_id: str) -> Object | None:
    """Return the object with this id, or None."""
    row = _FIND_BY_ID.first(connection, in_bucket=bucket, at_key=key, with_id=object_id)
    return None if row is None else to_object(context, row)


def find(context: Context, connection: sa.Connection, bucket: str, key: str, version: str | None) -> Object:
    """Return the object with this version, or the newest one.

    Raises NotFoundError (bucket, version, object), DeletedError and DeleteMarkerError.
    """
    if version is None:
        row = _NEWEST_OBJECT.first(connection, in_bucket=bucket, at_key=key)
    else:
        row = _NAMED_OBJECT.first(connection, in_bucket=bucket, at_key=key, named=version)
    if row is None:
        buckets.require(connection, bucket)
        raise not_found(key, version)
    return require_object(context, row, version)


def require_object(context: Context, row: Row, version: str | None) -> Object:
    """Convert a row of OBJECT_COLUMNS, found by this version or as the newest.

    Raises DeletedError and DeleteMarkerError.
    """
    if row[_IS_MARKER]:
        marker = replace(to_version(row), versioning=row[_VERSIONING])
        raise DeletedError(marker) if version is None else DeleteMarkerError(marker)
    return to_object(context, row)


def not_found(key: str, version: str | None) -> NotFoundError:
    """Return the error for a missing object, or a missing version of it."""
    return NotFoundError("object", key) if version is None else NotFoundError("version", version)


def check_overwrite(preconditions: Preconditions, newest: Version | None, key: str) -> None:
    """Check the preconditions of an overwrite. Raises NotFoundError (object) and PreconditionFailedError."""
    if newest is None or newest.is_marker:
        if preconditions.if_match is not None:
            raise NotFoundError("object", key)
        check_write(preconditions, None)
    else:
        check_write(preconditions, newest.etag, newest.modified_at, newest.size)


def insert_version(
    connection: sa.Connection, bucket: buckets.Bucket, new: V, document: bytes, preconditions: Preconditions
) -> tuple[V, list[str]]:
    """Write a version as the newest of its key.

    Returns it with its name, position and lock, and the blobs to delete after the commit.
    Raises NotFoundError (object), PreconditionFailedError and NotLockableError.
    """
    previous = newest(connection, new.bucket, new.key)
    check_overwrite(preconditions, previous, new.key)
    return _insert(connection, bucket, new, previous, document)


def insert_marker(
    connection: sa.Connection, bucket: buckets.Bucket, key: str, previous: Version | None, now: float
) -> tuple[Version, list[str]]:
    """Write a delete marker as the newest version of a key, after `previous`."""
    marker = Version(bucket.name, key, new_id(), size=0, etag="", modified_at=now, is_marker=True)
    return _insert(connection, bucket, marker, previous, b"")


def delete(connection: sa.Connection, version: Version) -> list[str]:
    """Delete a version's rows. Returns the blobs to delete after the commit."""
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
    """Encrypt an object's metadata, bound to the other columns of its row: it decrypts with unchanged ones only."""
    checksum = None if found.checksum is None else str(found.checksum)
    associated_data = _associated_data(
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
    return metadata.seal(context, associated_data, found.metadata)


def insert_content(connection: sa.Connection, object_id: str, sealed: bytes) -> None:
    """Write the encrypted bytes of a small object."""
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
    """Write the row of a blob that belongs to an object or an upload."""
    row = {"owner": owner, "number": number, "blob": blob.id, "size": blob.size, "wrapped_key": blob.wrapped_key}
    _INSERT_PART.rows(connection, **row, etag=etag, modified_at=modified_at, checksum=checksum)


def to_version(row: Row) -> Version:
    """Convert a row that begins with VERSION_COLUMNS."""
    return Version(*_values(row))


def to_object(context: Context, row: Row) -> Object:
    """Convert a row of OBJECT_COLUMNS. Raises TamperedError."""
    associated_data = _associated_data(row[_ID], *row[:2], *row[3:6], *row[9:12])
    values = (*_values(row), row[_VERSIONING], metadata.unseal(context, associated_data, row[_DOCUMENT]))
    return Object(*values)


def position_of_id(version_id: str) -> int:
    """Return the position of a version with this id, which begins with its time in milliseconds."""
    return -int(version_id[:12], 16) * _POSITIONS_PER_MILLISECOND


def earliest_position(name: str) -> int:
    """Return a position before that of every version older than the one with this name."""
    if name == NULL or not _IS_ID.fullmatch(name):
        return -(2**62)
    return position_of_id(name) - _POSITIONS_PER_MILLISECOND


def _associated_data(
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
    """Return the columns of a row that never change: damage to them is detected when the object is looked up."""
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


def _insert(
    connection: sa.Connection, bucket: buckets.Bucket, new: V, previous: Version | None, document: bytes
) -> tuple[V, list[str]]:
    version_id = new_id()
    position = position_of_id(version_id)
    if previous is not None:  # the clock of another server may have been ahead
        position = min(position, previous.position - 1)
    is_versioned = bucket.versioning == buckets.ENABLED
    replaced_blobs = [] if is_versioned else _remove_null(connection, bucket, new.key, previous)
    lock = new.lock if new.is_marker else with_default_retention(bucket, new.lock, new.modified_at)
    version = version_id if is_versioned else NULL
    inserted = replace(new, version=version, position=position, lock=lock, versioning=bucket.versioning)
    _INSERT_VERSION.rows(
        connection,
        bucket=inserted.bucket,
        key=inserted.key,
        position=inserted.position,
        version=inserted.version,
        id=inserted.id,
        is_marker=inserted.is_marker,
        size=inserted.size,
        etag=inserted.etag,
        modified_at=inserted.modified_at,
        storage_class=inserted.storage_class,
        checksum=None if inserted.checksum is None else str(inserted.checksum),
        parts=inserted.parts,
        retention=lock.retention,
        retain_until=lock.retain_until,
        legal_hold=lock.legal_hold,
        wrapped_key=inserted.wrapped_key,
        document=document,
    )
    return inserted, replaced_blobs


def _remove_null(connection: sa.Connection, bucket: buckets.Bucket, key: str, previous: Version | None) -> list[str]:
    """Delete the version "null", which is about to be overwritten."""
    if previous is not None and previous.version != NULL and bucket.versioning is not None:
        previous = named(connection, bucket.name, key, NULL)
    return [] if previous is None else delete(connection, previous)
