"""Objects: bytes under a key of a bucket, replaced whole, readable by everyone as soon as a write is acknowledged."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from lowcloud.core import buckets, descriptions, versions
from lowcloud.core.bodies import Body, Claims, StoredBody, digest_small, no_claims, receive, take_small
from lowcloud.core.checksums import DEFAULT_ALGORITHM, Checksum
from lowcloud.core.cloud import Cloud
from lowcloud.core.conditions import NO_CONDITIONS, Conditions, check_read
from lowcloud.core.descriptions import NOTHING_SAID, Description
from lowcloud.core.disk import full_disk_told
from lowcloud.core.errors import CloudError, Invalid, NotFound
from lowcloud.core.spans import Span, locate_part, locate_span
from lowcloud.core.versions import UNLOCKED, Lock, Object, Placed, Version
from lowcloud.store.encryption import Wrapping
from lowcloud.store.files import Blob, BlobGone, BlobReader, new_id
from lowcloud.store.prepared import Prepared, Row
from lowcloud.store.tables import contents, objects, parts

LONGEST_KEY_BYTES = 1024
READ_ATTEMPTS = 10
_IS_MARKER = versions.COLUMNS.index(objects.c.is_marker)

_OF_KEY = (objects.c.bucket == sa.bindparam("in_bucket"), objects.c.key == sa.bindparam("at_key"))
_IS_NAMED = objects.c.version == sa.bindparam("named")
_DESCRIBED = sa.select(*versions.COLUMNS, objects.c.document)
_WHOLE = _DESCRIBED.add_columns(contents.c.sealed).select_from(
    objects.outerjoin(contents, contents.c.id == objects.c.id)
)
_HEAD_NEWEST = Prepared(_DESCRIBED.where(*_OF_KEY).order_by(objects.c.position).limit(1))
_HEAD_NAMED = Prepared(_DESCRIBED.where(*_OF_KEY, _IS_NAMED))
_GET_NEWEST = Prepared(_WHOLE.where(*_OF_KEY).order_by(objects.c.position).limit(1))
_GET_NAMED = Prepared(_WHOLE.where(*_OF_KEY, _IS_NAMED))
_PIECES = Prepared(
    sa.select(parts.c.number, parts.c.blob, parts.c.size, parts.c.wrapped_key)
    .where(parts.c.owner == sa.bindparam("of_owner"))
    .order_by(parts.c.number)
)


@dataclass(frozen=True)
class Source:
    """An object to copy; without a version, the newest."""

    bucket: str
    key: str
    version: str | None = None


@dataclass(frozen=True)
class Deletion:
    """What a deletion did. `version`: of the marker that was written, or of the version that was removed."""

    key: str
    version: str | None  # None: of a bucket that never kept versions
    is_marker: bool  # the version is a marker


class Reader(Iterator[bytes]):
    """The bytes of a small object, as BlobReader gives those of others."""

    def __init__(self, first: int, length: int, content: bytes):
        self.first = first
        self.length = length
        self._content = content[first : first + length]

    def __next__(self) -> bytes:
        if not self._content:
            raise StopIteration
        content, self._content = self._content, b""
        return content

    def close(self) -> None:
        """Nothing is held."""


class KeyTooLong(CloudError):
    """A key has more than 1024 bytes."""


class Deleted(NotFound):
    """The newest version of the key is a marker."""

    def __init__(self, marker: Version):
        super().__init__("object", marker.key)
        self.marker = marker


class IsMarker(CloudError):
    """The version asked for is a marker: there is nothing in it to read."""

    def __init__(self, marker: Version):
        super().__init__(f"Version {marker.version} of {marker.key} says that it was deleted.")
        self.marker = marker


def put(
    cloud: Cloud,
    bucket: str,
    key: str,
    chunks: Iterable[bytes],
    description: Description = NOTHING_SAID,
    *,
    storage_class: str | None = None,
    lock: Lock = UNLOCKED,
    customer_key: bytes | None = None,
    algorithm: str = DEFAULT_ALGORITHM,
    claims: Claims = no_claims,
    conditions: Conditions = NO_CONDITIONS,
) -> Object:
    """Store an object, replacing what the key held; durable and visible when this returns.

    `algorithm` names the checksum to keep, `customer_key` (32 bytes) wraps the object's key beside the home's own.
    Raises NotFound (bucket), KeyTooLong, ConditionFailed, and what bodies.receive raises; then nothing has changed.
    """
    check_key(key)
    wrapping = descriptions.wrapping(description.encryption, customer_key)
    now = cloud.now()

    def made(bytes_id: str, body: Body, wrapped_key: bytes | None) -> Object:
        return Object(
            bucket=bucket,
            key=key,
            id=bytes_id,
            size=body.size,
            etag=body.md5,
            modified_at=now,
            storage_class=storage_class,
            checksum=Checksum(algorithm, body.checksums[algorithm]),
            lock=lock,
            wrapped_key=wrapped_key,
            description=description,
        )

    bytes_id = new_id()
    small, chunks = take_small(iter(chunks))
    if small is not None:
        body = digest_small(small, [algorithm], claims)
        sealed, wrapped_key = cloud.files.seal_whole(small, bytes_id, wrapping)
        with full_disk_told():
            return _place(cloud, made(bytes_id, body, wrapped_key), conditions, sealed)
    with cloud.database.read() as connection:  # before gigabytes are taken in for nothing
        buckets.require(connection, bucket)
        versions.check_replacing(conditions, versions.newest(connection, bucket, key), key)
    with receive(cloud, chunks, [algorithm], claims, wrapping) as stored:
        return _place(cloud, made(bytes_id, stored, None), conditions, stored)


def head(
    cloud: Cloud,
    bucket: str,
    key: str,
    *,
    version: str | None = None,
    conditions: Conditions = NO_CONDITIONS,
) -> Object:
    """What is known of the object. Raises NotFound, IsMarker, ConditionFailed and NotModified."""
    found, _ = _find(cloud, bucket, key, version, _HEAD_NEWEST, _HEAD_NAMED)
    check_read(conditions, found.etag, found.modified_at)
    return found


def get(
    cloud: Cloud,
    bucket: str,
    key: str,
    *,
    version: str | None = None,
    span: Span | None = None,
    part: int | None = None,
    customer_key: bytes | None = None,
    conditions: Conditions = NO_CONDITIONS,
) -> tuple[Object, Reader | BlobReader]:
    """The object and its bytes, or those of a span or a part; the reader tells where they begin and how many they are.

    The bytes stay readable while the object is replaced or deleted. Raises what head raises, SpanOutside, PartUnknown,
    CustomerKeyNeeded, CustomerKeyRefused, WrongKey, and Tampered here or while reading.
    """
    for attempt in range(READ_ATTEMPTS):
        found, row = _find(cloud, bucket, key, version, _GET_NEWEST, _GET_NAMED)
        check_read(conditions, found.etag, found.modified_at)
        wrapping = descriptions.wrapping(found.description.encryption, customer_key)
        if found.wrapped_key is not None:
            if row[-1] is None:
                raise BlobGone(f"Object {found.id} has no content.")
            first, length = _locate(found, [], span, part)
            content = cloud.files.open_whole(row[-1], found.id, found.wrapped_key, wrapping)
            return found, Reader(first, length, content)
        try:
            return found, _read_pieces(cloud, found, span, part, wrapping)
        except BlobGone:  # replaced between the look-up and the opening: look again
            if attempt == READ_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def locate(cloud: Cloud, found: Object, span: Span | None, part: int | None) -> tuple[int, int]:
    """Where a span or a part begins, and its size in bytes. Raises SpanOutside and PartUnknown."""
    pieces = [] if part is None or found.wrapped_key is not None else pieces_of(cloud, found)
    return _locate(found, pieces, span, part)


def pieces_of(cloud: Cloud, found: Version) -> list[tuple[int, Blob]]:
    """The numbers and blobs that make up an object which does not lie in the database."""
    rows = cloud.database.look(_PIECES, of_owner=found.id)
    return [(number, Blob(blob, size, wrapped_key)) for number, blob, size, wrapped_key in rows]


def delete(
    cloud: Cloud,
    bucket: str,
    key: str,
    *,
    version: str | None = None,
    conditions: Conditions = NO_CONDITIONS,
    may_bypass_governance: bool = False,
) -> Deletion:
    """Remove an object, or hide it behind a marker where the bucket keeps versions; a key that holds none is no error.

    A version that is named is removed for good. Raises NotFound (bucket), ConditionFailed and Locked.
    """
    [done] = delete_many(cloud, bucket, [(key, version, conditions)], may_bypass_governance=may_bypass_governance)
    if isinstance(done, CloudError):
        raise done
    return done


def delete_many(
    cloud: Cloud,
    bucket: str,
    wanted: Sequence[tuple[str, str | None, Conditions]],
    *,
    may_bypass_governance: bool = False,
) -> list[Deletion | CloudError]:
    """Delete (key, version, conditions) in one transaction; what became of each, in their order. Raises NotFound."""
    now = cloud.now()

    def write(connection: sa.Connection) -> tuple[list[Deletion | CloudError], list[list[str]]]:
        found = buckets.require(connection, bucket)
        outcomes: list[Deletion | CloudError] = []
        blobs = []
        for key, version, conditions in wanted:
            try:
                if version is None:
                    done, freed = _hide(connection, found, key, conditions, now)
                else:
                    done, freed = _remove(connection, bucket, key, version, conditions, now, may_bypass_governance)
            except CloudError as error:
                outcomes.append(error)
            else:
                outcomes.append(done)
                blobs.append(freed)
        return outcomes, blobs

    with full_disk_told():
        outcomes, blobs = cloud.database.apply(write)
    for group in blobs:
        cloud.files.delete(group)
    return outcomes


def copy(
    cloud: Cloud,
    source: Source,
    bucket: str,
    key: str,
    *,
    headers: Mapping[str, str] | None = None,
    user_metadata: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    encryption: descriptions.Encryption = descriptions.HOME_ENCRYPTION,
    storage_class: str | None = None,
    lock: Lock = UNLOCKED,
    algorithm: str | None = None,
    source_customer_key: bytes | None = None,
    customer_key: bytes | None = None,
    source_conditions: Conditions = NO_CONDITIONS,
    conditions: Conditions = NO_CONDITIONS,
) -> tuple[Object, Object]:
    """Copy an object: (source, copy). Headers, metadata and tags that are given replace the source's.

    Raises what get and put raise, and Invalid for a copy onto itself that changes nothing.
    """
    check_key(key)
    found, chunks = get(
        cloud,
        source.bucket,
        source.key,
        version=source.version,
        customer_key=source_customer_key,
        conditions=source_conditions,
    )
    said = found.description
    new = Description(
        said.headers if headers is None else headers,
        said.user_metadata if user_metadata is None else user_metadata,
        said.tags if tags is None else tags,
        encryption,
    )
    is_itself = source == Source(bucket, key)
    if is_itself and headers is None and (encryption, storage_class) == (said.encryption, found.storage_class):
        raise Invalid("Copying an object onto itself needs other headers, metadata, storage class or encryption.")
    kept = found.checksum.algorithm if found.checksum else DEFAULT_ALGORITHM
    made = put(
        cloud,
        bucket,
        key,
        chunks,
        new,
        storage_class=storage_class,
        lock=lock,
        customer_key=customer_key,
        algorithm=algorithm or kept,
        conditions=conditions,
    )
    return found, made


def check_key(key: str) -> None:
    """Raises KeyTooLong, and Invalid for an empty key."""
    if not key:
        raise Invalid("A key has at least one character.")
    if len(key) > LONGEST_KEY_BYTES or len(key.encode()) > LONGEST_KEY_BYTES:
        raise KeyTooLong(f"A key has at most {LONGEST_KEY_BYTES} bytes.")


def sweep(cloud: Cloud) -> int:
    """Delete blobs that crashed writers left: how many. Safe while others write, to be run once after a start."""

    def known(ids: Sequence[str]) -> Sequence[str]:
        with cloud.database.read() as connection:
            return connection.execute(sa.select(parts.c.blob).where(parts.c.blob.in_(ids))).scalars().all()

    return cloud.files.sweep(known)


def _place(cloud: Cloud, new: Object, conditions: Conditions, content: bytes | StoredBody) -> Object:
    """Commit an object and its content: a small one's sealed bytes, or the blob that holds them."""
    document = descriptions.seal(cloud, new.id, new.description)

    def write(connection: sa.Connection) -> tuple[Placed, list[str]]:
        placed = versions.place(connection, new, document, conditions)
        if isinstance(content, bytes):
            versions.insert_content(connection, new.id, content)
        else:
            versions.insert_part(connection, new.id, 1, content.blob, etag=new.etag, modified_at=new.modified_at)
        return placed

    placed, replaced = cloud.database.apply(write)
    cloud.files.delete(replaced)
    return replace(new, version=placed.version, position=placed.position)


def _find(
    cloud: Cloud, bucket: str, key: str, version: str | None, of_newest: Prepared, of_named: Prepared
) -> tuple[Object, Row]:
    if version is None:
        rows = cloud.database.look(of_newest, in_bucket=bucket, at_key=key)
    else:
        rows = cloud.database.look(of_named, in_bucket=bucket, at_key=key, named=version)
    if not rows:
        buckets.find(cloud, bucket)
        raise NotFound("object", key) if version is None else NotFound("version", version)
    row = rows[0]
    if row[_IS_MARKER]:
        marker = versions.version_of(row)
        raise Deleted(marker) if version is None else IsMarker(marker)
    return versions.object_of(cloud, row), row


def _read_pieces(cloud: Cloud, found: Object, span: Span | None, part: int | None, wrapping: Wrapping) -> BlobReader:
    pieces = pieces_of(cloud, found)
    if not pieces:
        raise BlobGone(f"Object {found.id} has no bytes.")
    first, length = _locate(found, pieces, span, part)
    return cloud.files.read([blob for _, blob in pieces], first, length, wrapping)


def _locate(found: Object, pieces: Sequence[tuple[int, Blob]], span: Span | None, part: int | None) -> tuple[int, int]:
    if part is None:
        return locate_span(span, found.size)
    if not pieces:  # it lies in the database, whole
        return locate_part(part, [(1, found.size)])
    return locate_part(part, [(number, blob.size) for number, blob in pieces])


def _hide(
    connection: sa.Connection, bucket: buckets.Bucket, key: str, conditions: Conditions, now: float
) -> tuple[Deletion, list[str]]:
    """Remove the one version of a key, or write a marker where the bucket keeps versions."""
    newest = versions.newest(connection, bucket.name, key)
    versions.check_replacing(conditions, newest, key)
    if bucket.versioning is None:
        return Deletion(key, None, False), [] if newest is None else versions.remove(connection, newest)
    marker, freed = versions.place_marker(connection, bucket, key, newest, now)
    return Deletion(key, marker.version, True), freed


def _remove(
    connection: sa.Connection,
    bucket: str,
    key: str,
    version: str,
    conditions: Conditions,
    now: float,
    may_bypass_governance: bool,
) -> tuple[Deletion, list[str]]:
    """Remove a version for good."""
    found = versions.named(connection, bucket, key, version)
    versions.check_replacing(conditions, found, key)
    if found is None:
        return Deletion(key, version, False), []
    versions.check_unlocked(found, now, may_bypass_governance=may_bypass_governance)
    return Deletion(key, version, found.is_marker), versions.remove(connection, found)
