"""Objects: written and read as a whole; a write is durable and visible to all readers once it is acknowledged."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError, InvalidError
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.failures import disk_full_errors
from lowcloud.core.storage.objects import metadata, notifications, versions
from lowcloud.core.storage.objects.bodies import (
    Body,
    ExpectedDigests,
    StoredBody,
    digest_small,
    no_expected_digests,
    read_small,
    store_body,
)
from lowcloud.core.storage.objects.byte_ranges import ByteRange, locate_part, locate_range
from lowcloud.core.storage.objects.checksums import DEFAULT_ALGORITHM, Checksum, multipart_etag
from lowcloud.core.storage.objects.locks import UNLOCKED, Lock, check_lockable
from lowcloud.core.storage.objects.metadata import NO_METADATA, Encryption, ObjectMetadata
from lowcloud.core.storage.objects.preconditions import NO_PRECONDITIONS, Preconditions, check_read
from lowcloud.core.storage.objects.versions import Object, Version
from lowcloud.store.blobs.encryption import KeyWrapping, TamperedError
from lowcloud.store.blobs.files import Blob, BlobMissingError, BlobReader, new_id
from lowcloud.store.db.prepared import PreparedStatement, Row
from lowcloud.store.db.tables.storage import contents, objects, parts

MAX_KEY_BYTES = 1024
READ_ATTEMPTS = 10

_HAS_KEY = (objects.c.bucket == sa.bindparam("in_bucket"), objects.c.key == sa.bindparam("at_key"))
_HAS_VERSION = objects.c.version == sa.bindparam("named")
_OBJECT = sa.select(*versions.OBJECT_COLUMNS)
_OBJECT_WITH_CONTENT = _OBJECT.add_columns(contents.c.sealed).select_from(
    objects.outerjoin(contents, contents.c.id == objects.c.id)
)
_HEAD_NEWEST = PreparedStatement(_OBJECT.where(*_HAS_KEY).order_by(objects.c.position).limit(1))
_HEAD_NAMED = PreparedStatement(_OBJECT.where(*_HAS_KEY, _HAS_VERSION))
_GET_NEWEST = PreparedStatement(_OBJECT_WITH_CONTENT.where(*_HAS_KEY).order_by(objects.c.position).limit(1))
_GET_NAMED = PreparedStatement(_OBJECT_WITH_CONTENT.where(*_HAS_KEY, _HAS_VERSION))
_BLOBS = PreparedStatement(
    sa.select(parts.c.number, parts.c.blob, parts.c.size, parts.c.wrapped_key, parts.c.etag)
    .where(parts.c.owner == sa.bindparam("of_owner"))
    .order_by(parts.c.number)
)


class InlineReader(Iterator[bytes]):
    """The bytes of a small object, with the interface of BlobReader."""

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
        """Do nothing: there is nothing to release."""


class KeyTooLongError(CloudError):
    """The key has more than 1024 bytes."""


class _DefaultEncryptionError(Exception):
    """The bucket has a default encryption, which was not used."""

    def __init__(self, encryption: Encryption):
        super().__init__(encryption)
        self.encryption = encryption


def put(
    context: Context,
    bucket: str,
    key: str,
    chunks: Iterable[bytes],
    object_metadata: ObjectMetadata = NO_METADATA,
    *,
    storage_class: str | None = None,
    lock: Lock = UNLOCKED,
    customer_key: bytes | None = None,
    algorithm: str = DEFAULT_ALGORITHM,
    expected_digests: ExpectedDigests = no_expected_digests,
    preconditions: Preconditions = NO_PRECONDITIONS,
    event: str = notifications.PUT,
) -> Object:
    """Store an object under a key; it is durable and visible when this returns.

    `algorithm` is that of the checksum to store, `customer_key` (32 bytes) wraps the data key in addition to the master
    key, `event` is the kind of event to record. Raises NotFoundError (bucket, object), KeyTooLongError,
    PreconditionFailedError, NotLockableError, and what bodies.store_body raises; then nothing has changed.
    """
    check_key(key)
    metadata.key_wrapping(object_metadata.encryption, customer_key)
    object_id, now = new_id(), context.now()

    def new_object(body: Body, object_metadata: ObjectMetadata, wrapped_key: bytes | None = None) -> Object:
        return Object(
            bucket=bucket,
            key=key,
            id=object_id,
            size=body.size,
            etag=metadata.entity_tag(object_metadata.encryption, body.md5),
            modified_at=now,
            storage_class=storage_class,
            checksum=Checksum(algorithm, body.checksums[algorithm]),
            lock=lock,
            wrapped_key=wrapped_key,
            metadata=object_metadata,
        )

    def put_small(content: bytes, body: Body, object_metadata: ObjectMetadata) -> Object:
        wrapping = metadata.key_wrapping(object_metadata.encryption, customer_key)
        sealed, wrapped_key = context.files.encrypt_inline(content, object_id, wrapping)
        with disk_full_errors():
            return _commit(context, new_object(body, object_metadata, wrapped_key), preconditions, sealed, event)

    small, chunks = read_small(iter(chunks))
    if small is not None:
        body = digest_small(small, [algorithm], expected_digests)
        try:
            return put_small(small, body, object_metadata)
        except _DefaultEncryptionError as other:  # detected by the write itself, which saves other writes a look-up
            return put_small(small, body, replace(object_metadata, encryption=other.encryption))
    found = check_put(context, bucket, key, lock, preconditions)  # before a body of perhaps gigabytes is received
    if object_metadata.encryption is None and found.encryption is not None:
        object_metadata = replace(object_metadata, encryption=metadata.bucket_encryption(context, found.encryption))
    wrapping = metadata.key_wrapping(object_metadata.encryption, customer_key)
    with store_body(context, chunks, [algorithm], expected_digests, wrapping) as stored:
        return _commit(context, new_object(stored, object_metadata), preconditions, stored, event)


def check_put(
    context: Context, bucket: str, key: str, lock: Lock = UNLOCKED, preconditions: Preconditions = NO_PRECONDITIONS
) -> buckets.Bucket:
    """Check whether an object could be stored, before its body is received. Returns its bucket.

    Raises what `put` raises.
    """
    check_key(key)
    with context.database.read() as connection:
        found = buckets.require(connection, bucket)
        check_lockable(found, lock)
        versions.check_overwrite(preconditions, versions.newest(connection, bucket, key), key)
    return found


def head(
    context: Context,
    bucket: str,
    key: str,
    *,
    version: str | None = None,
    preconditions: Preconditions = NO_PRECONDITIONS,
) -> Object:
    """Return the object without its bytes.

    Raises NotFoundError, DeleteMarkerError, PreconditionFailedError and NotModifiedError.
    """
    found, _ = _find(context, bucket, key, version, _HEAD_NEWEST, _HEAD_NAMED)
    check_read(preconditions, found.etag, found.modified_at)
    return found


def get(
    context: Context,
    bucket: str,
    key: str,
    *,
    version: str | None = None,
    byte_range: ByteRange | None = None,
    part: int | None = None,
    customer_key: bytes | None = None,
    preconditions: Preconditions = NO_PRECONDITIONS,
) -> tuple[Object, InlineReader | BlobReader]:
    """Return the object and a reader of its bytes, or of a range or part, with their offset and length.

    The bytes stay readable while the object is overwritten or deleted. Raises what `head` raises,
    RangeNotSatisfiableError, UnknownPartError, what metadata.key_wrapping raises, and TamperedError here or while
    reading.
    """
    for attempt in range(READ_ATTEMPTS):
        found, row = _find(context, bucket, key, version, _GET_NEWEST, _GET_NAMED)
        check_read(preconditions, found.etag, found.modified_at)
        wrapping = metadata.key_wrapping(found.metadata.encryption, customer_key)
        if found.wrapped_key is not None:
            if row[-1] is None:
                raise BlobMissingError(f"Object {found.id} has no bytes in the database.")
            first, length = _locate(found, [], byte_range, part)
            content = context.files.decrypt_inline(row[-1], found.id, found.wrapped_key, wrapping)
            return found, InlineReader(first, length, content)
        try:
            return found, _read_blobs(context, found, byte_range, part, wrapping)
        except BlobMissingError:  # overwritten between the look-up and opening the blobs
            if attempt == READ_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def locate(context: Context, found: Object, byte_range: ByteRange | None, part: int | None) -> tuple[int, int]:
    """Return offset and length of a range or a part. Raises RangeNotSatisfiableError and UnknownPartError."""
    blobs = [] if part is None or found.wrapped_key is not None else blobs_of(context, found)
    return _locate(found, blobs, byte_range, part)


def blobs_of(context: Context, found: Version) -> list[tuple[int, Blob]]:
    """Return part numbers and blobs of an object that is not stored in the database; none if it was deleted.

    Raises TamperedError.
    """
    rows = context.database.fetch(_BLOBS, of_owner=found.id)
    if rows:
        check_parts(found, [(size, tag) for _, _, size, _, tag in rows])
    return [(number, Blob(blob, size, wrapped_key)) for number, blob, size, wrapped_key, _ in rows]


def check_parts(found: Version, stored: Sequence[tuple[int, str]]) -> None:
    """Check the stored parts, given by size and entity tag, against the object. Raises TamperedError."""
    tags = [tag for _, tag in stored]
    tag = tags[0] if found.parts is None else multipart_etag(tags)
    if (found.etag, found.size, found.parts or 1) != (tag, sum(size for size, _ in stored), len(stored)):
        raise TamperedError(f"Object {found.id} is corrupt: its stored parts do not match its size and ETag.")


def check_key(key: str) -> None:
    """Raise KeyTooLongError, and InvalidError for an empty key."""
    if not key:
        raise InvalidError("A key must have at least one character.")
    if len(key) > MAX_KEY_BYTES or len(key.encode()) > MAX_KEY_BYTES:
        raise KeyTooLongError(f"A key must have at most {MAX_KEY_BYTES} bytes.")


def sweep(context: Context) -> int:
    """Delete the blobs of writers that crashed. Returns their number. Safe next to running writers."""

    def find_referenced(ids: Sequence[str]) -> Sequence[str]:
        with context.database.read() as connection:
            return connection.execute(sa.select(parts.c.blob).where(parts.c.blob.in_(ids))).scalars().all()

    return context.files.sweep(find_referenced)


def _commit(
    context: Context, new: Object, preconditions: Preconditions, content: bytes | StoredBody, event: str
) -> Object:
    """Commit an object and its content: the encrypted bytes of a small one, or a blob."""
    document = versions.seal(context, new)

    def write(connection: sa.Connection) -> tuple[Object, list[str]]:
        bucket = buckets.require(connection, new.bucket)
        if new.metadata.encryption is None and bucket.encryption is not None and isinstance(content, bytes):
            raise _DefaultEncryptionError(metadata.bucket_encryption(context, bucket.encryption))
        inserted = versions.insert_version(connection, bucket, new, document, preconditions)
        if isinstance(content, bytes):
            versions.insert_content(connection, new.id, content)
        else:
            versions.insert_part(connection, new.id, 1, content.blob, etag=new.etag, modified_at=new.modified_at)
        notifications.record(connection, bucket, event, inserted[0], new.modified_at)
        return inserted

    inserted, replaced_blobs = context.database.apply(write)
    context.files.delete(replaced_blobs)
    return inserted


def _find(
    context: Context,
    bucket: str,
    key: str,
    version: str | None,
    newest: PreparedStatement,
    named: PreparedStatement,
) -> tuple[Object, Row]:
    if version is None:
        rows = context.database.fetch(newest, in_bucket=bucket, at_key=key)
    else:
        rows = context.database.fetch(named, in_bucket=bucket, at_key=key, named=version)
    if not rows:
        buckets.find(context, bucket)
        raise versions.not_found(key, version)
    return versions.require_object(context, rows[0], version), rows[0]


def _read_blobs(
    context: Context, found: Object, byte_range: ByteRange | None, part: int | None, wrapping: KeyWrapping
) -> BlobReader:
    blobs = blobs_of(context, found)
    if not blobs:
        raise BlobMissingError(f"Object {found.id} has no bytes.")
    first, length = _locate(found, blobs, byte_range, part)
    return context.files.read([blob for _, blob in blobs], first, length, wrapping)


def _locate(
    found: Object, blobs: Sequence[tuple[int, Blob]], byte_range: ByteRange | None, part: int | None
) -> tuple[int, int]:
    if part is None:
        return locate_range(byte_range, found.size)
    if not blobs:  # it is stored in the database, in one part
        return locate_part(part, [(1, found.size)])
    return locate_part(part, [(number, blob.size) for number, blob in blobs])
