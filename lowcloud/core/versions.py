"""The versions of a key, newest first: their rows, which of them counts, and what a new one does to those before.

These functions work within a transaction; objects.py and uploads.py say when. A bucket that never kept versions has
one of each key, called "null". One that keeps them adds to them, and a deletion adds a marker; one that has stopped
writes "null" again.
"""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from lowcloud.core import buckets, checksums, descriptions
from lowcloud.core.checksums import Checksum
from lowcloud.core.cloud import Cloud
from lowcloud.core.conditions import Conditions, check_write
from lowcloud.core.descriptions import NOTHING_SAID, Description
from lowcloud.core.errors import Forbidden, NotFound
from lowcloud.store.files import Blob, new_id
from lowcloud.store.prepared import Prepared, Row
from lowcloud.store.tables import contents, objects, parts

NULL = "null"
GOVERNANCE, COMPLIANCE = "governance", "compliance"


@dataclass(frozen=True, slots=True)
class Lock:
    """What keeps a version from being deleted. The time is in seconds since the epoch."""

    retention: str | None = None  # GOVERNANCE or COMPLIANCE
    retain_until: float | None = None
    legal_hold: bool = False


UNLOCKED = Lock()


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


@dataclass(frozen=True, slots=True)
class Object(Version):
    """A version that is no marker, with all that is known of it."""

    description: Description = NOTHING_SAID


class Placed(NamedTuple):
    """What a version was called when it was written, and where it stands."""

    version: str
    position: int


class Locked(Forbidden):
    """A version is retained or held: it may not be deleted yet."""


COLUMNS = tuple(objects.c[name] for name in (
    "bucket", "key", "id", "size", "etag", "modified_at", "version", "position", "is_marker", "storage_class",
    "checksum", "parts", "wrapped_key", "retention", "retain_until", "legal_hold",
))  # fmt: skip

_POSITIONS_A_MILLISECOND = 1000  # room for what is written to one key within it
_ID, _DOCUMENT = COLUMNS.index(objects.c.id), len(COLUMNS)
_IS_ID = re.compile(r"[0-9a-f]{32}")
_OF_KEY = (objects.c.bucket == sa.bindparam("in_bucket"), objects.c.key == sa.bindparam("at_key"))
_OF_OWNER = parts.c.owner == sa.bindparam("of_owner")
_NEWEST = Prepared(sa.select(*COLUMNS).where(*_OF_KEY).order_by(objects.c.position).limit(1))
_NAMED = Prepared(sa.select(*COLUMNS).where(*_OF_KEY, objects.c.version == sa.bindparam("named")))
_OF_BYTES = Prepared(sa.select(*COLUMNS, objects.c.document).where(*_OF_KEY, objects.c.id == sa.bindparam("with_id")))
_INSERT = Prepared.insert(objects)
_REMOVE = Prepared(sa.delete(objects).where(*_OF_KEY, objects.c.position == sa.bindparam("at_position")))
_INSERT_CONTENT = Prepared.insert(contents)
_REMOVE_CONTENT = Prepared(sa.delete(contents).where(contents.c.id == sa.bindparam("with_id")))
_INSERT_PART = Prepared.insert(parts)
_BLOBS = Prepared(sa.select(parts.c.blob).where(_OF_OWNER).order_by(parts.c.number))
_REMOVE_PARTS = Prepared(sa.delete(parts).where(_OF_OWNER))


def newest(connection: sa.Connection, bucket: str, key: str) -> Version | None:
    """The newest version of a key, which may be a marker, or None."""
    row = _NEWEST.first(connection, in_bucket=bucket, at_key=key)
    return None if row is None else version_of(row)


def named(connection: sa.Connection, bucket: str, key: str, version: str) -> Version | None:
    """The version of this name, or None."""
    row = _NAMED.first(connection, in_bucket=bucket, at_key=key, named=version)
    return None if row is None else version_of(row)


def with_bytes(cloud: Cloud, connection: sa.Connection, bucket: str, key: str, bytes_id: str) -> Object | None:
    """The object that has these very bytes, or None."""
    row = _OF_BYTES.first(connection, in_bucket=bucket, at_key=key, with_id=bytes_id)
    return None if row is None else object_of(cloud, row)


def check_replacing(conditions: Conditions, newest: Version | None, key: str) -> None:
    """Whether what the key holds may be replaced. Raises NotFound (object) and ConditionFailed."""
    etag = None if newest is None or newest.is_marker else newest.etag
    if etag is None and conditions.if_match is not None:
        raise NotFound("object", key)
    check_write(conditions, etag)


def place(connection: sa.Connection, new: Version, document: bytes, conditions: Conditions) -> tuple[Placed, list[str]]:
    """Write a version as the newest of its key.

    Returns also the blobs to delete after the commit. Raises NotFound (bucket, object) and ConditionFailed.
    """
    bucket = buckets.require(connection, new.bucket)
    before = newest(connection, new.bucket, new.key)
    check_replacing(conditions, before, new.key)
    return _place(connection, bucket, new, before, document)


def place_marker(
    connection: sa.Connection, bucket: buckets.Bucket, key: str, before: Version | None, now: float
) -> tuple[Placed, list[str]]:
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


def check_unlocked(version: Version, now: float, *, may_bypass_governance: bool) -> None:
    """Raises Locked where the version may not be deleted."""
    lock = version.lock
    if lock.legal_hold:
        raise Locked(f"Version {version.version} of {version.key} is under legal hold.")
    if lock.retention is None or (lock.retain_until or 0) <= now:
        return
    if lock.retention == COMPLIANCE or not may_bypass_governance:
        raise Locked(f"Version {version.version} of {version.key} is retained ({lock.retention}).")


def insert_content(connection: sa.Connection, bytes_id: str, sealed: bytes) -> None:
    """Write the bytes of a small object."""
    _INSERT_CONTENT.rows(connection, id=bytes_id, sealed=sealed)


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


def version_of(row: Row) -> Version:
    """The version in a row that begins with COLUMNS."""
    return Version(*_values(row))


def object_of(cloud: Cloud, row: Row) -> Object:
    """The object in a row of COLUMNS and its document. Raises Tampered."""
    values = (*_values(row), descriptions.unseal(cloud, row[_ID], row[_DOCUMENT]))
    return Object(*values)


def position_of(stamp: str) -> int:
    """Where a version stamped with this new id stands among others: by the milliseconds that it begins with."""
    return -int(stamp[:12], 16) * _POSITIONS_A_MILLISECOND


def earliest_position(name: str) -> int:
    """No version that is older than the one of this name stands before here."""
    if name == NULL or not _IS_ID.fullmatch(name):
        return -(2**62)
    return position_of(name) - _POSITIONS_A_MILLISECOND


def _values(row: Row) -> tuple[Any, ...]:
    checksum, retention, retain_until, legal_hold = row[10], *row[13:16]
    return (
        *row[:8],
        bool(row[8]),
        row[9],
        None if checksum is None else checksums.parse(checksum),
        row[11],
        UNLOCKED if retention is None and not legal_hold else Lock(retention, retain_until, bool(legal_hold)),
        row[12],
    )


def _place(
    connection: sa.Connection, bucket: buckets.Bucket, new: Version, before: Version | None, document: bytes
) -> tuple[Placed, list[str]]:
    stamp = new_id()
    position = position_of(stamp)
    if before is not None:  # the clock of another server may have been ahead
        position = min(position, before.position - 1)
    if bucket.versioning == buckets.ENABLED:
        placed, replaced = Placed(stamp, position), []
    else:
        placed, replaced = Placed(NULL, position), _remove_null(connection, bucket, new.key, before)
    _INSERT.rows(
        connection,
        bucket=new.bucket,
        key=new.key,
        position=placed.position,
        version=placed.version,
        id=new.id,
        is_marker=new.is_marker,
        size=new.size,
        etag=new.etag,
        modified_at=new.modified_at,
        storage_class=new.storage_class,
        checksum=None if new.checksum is None else str(new.checksum),
        parts=new.parts,
        retention=new.lock.retention,
        retain_until=new.lock.retain_until,
        legal_hold=new.lock.legal_hold,
        wrapped_key=new.wrapped_key,
        document=document,
    )
    return placed, replaced


def _remove_null(connection: sa.Connection, bucket: buckets.Bucket, key: str, before: Version | None) -> list[str]:
    """Remove the version called "null", which is about to be replaced."""
    if before is not None and before.version != NULL and bucket.versioning is not None:
        before = named(connection, bucket.name, key, NULL)
    return [] if before is None else remove(connection, before)
