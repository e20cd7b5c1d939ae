"""Objects: bytes under a key of a bucket, replaced whole, readable by everyone as soon as a write is acknowledged."""

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
from lowcloud.store.db.tables import contents, objects, parts

MAX_KEY_BYTES = 1024
READ_ATTEMPTS = 10

_OF_KEY = (objects.c.bucket == sa.bindparam("in_bucket"), objects.c.key == sa.bindparam("at_key"))
_IS_NAMED = objects.c.version == sa.bindparam("named")
_DESCRIBED = sa.select(*versions.OBJECT_COLUMNS)
_WHOLE = _DESCRIBED.add_columns(contents.c.sealed).select_from(
    objects.outerjoin(contents, contents.c.id == objects.c.id)
)
_HEAD_NEWEST = PreparedStatement(_DESCRIBED.where(*_OF_KEY).order_by(objects.c.position).limit(1))
_HEAD_NAMED = PreparedStatement(_DESCRIBED.where(*_OF_KEY, _IS_NAMED))
_GET_NEWEST = PreparedStatement(_WHOLE.where(*_OF_KEY).order_by(objects.c.position).limit(1))
_GET_NAMED = PreparedStatement(_WHOLE.where(*_OF_KEY, _IS_NAMED))
_PIECES = PreparedStatement(
    sa.select(parts.c.number, parts.c.blob, parts.c.size, parts.c.wrapped_key, parts.c.etag)
    .where(parts.c.owner == sa.bindparam("of_owner"))
    .order_by(parts.c.number)
)


class InlineReader(Iterator[bytes]):
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


class KeyTooLongError(CloudError):
    """A key has more than 1024 bytes."""


class _OtherEncryptionError(Exception):
    """The bucket says how to encrypt, and it is not how it was done."""

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
    """Store an object, replacing what the key held; durable and visible when this returns.

    `algorithm` names the checksum to keep, `customer_key` (32 bytes) wraps the object's key beside the home's own,
    `event` is what to record of it. Raises NotFound (bucket, object), KeyTooLongError, ConditionFailed, NotLockable,
    and what bodies.receive raises; then nothing has changed.
    """
    check_key(key)
    metadata.key_wrapping(object_metadata.encryption, customer_key)
    object_id, now = new_id(), context.now()

    def made(body: Body, said: ObjectMetadata, wrapped_key: bytes | None = None) -> Object:
        return Object(
            bucket=bucket,
            key=key,
            id=object_id,
            size=body.size,
            etag=metadata.entity_tag(said.encryption, body.md5),
            modified_at=now,
            storage_class=storage_class,
            checksum=Checksum(algorithm, body.checksums[algorithm]),
            lock=lock,
            wrapped_key=wrapped_key,
            metadata=said,
        )

    def put_small(content: bytes, body: Body, said: ObjectMetadata) -> Object:
        wrapping = metadata.key_wrapping(said.encryption, customer_key)
        sealed, wrapped_key = context.files.encrypt_inline(content, object_id, wrapping)
        with disk_full_errors():
            return _place(context, made(body, said, wrapped_key), preconditions, sealed, event)

    small, chunks = read_small(iter(chunks))
    if small is not None:
        body = digest_small(small, [algorithm], expected_digests)
        try:
            return put_small(small, body, object_metadata)
        except _OtherEncryptionError as other:  # found out by the write itself, so that others are spared a look-up
            return put_small(small, body, replace(object_metadata, encryption=other.encryption))
    found = check_put(context, bucket, key, lock, preconditions)  # before gigabytes are taken in for nothing
    if object_metadata.encryption is None and found.encryption is not None:
        object_metadata = replace(object_metadata, encryption=metadata.bucket_encryption(context, found.encryption))
    wrapping = metadata.key_wrapping(object_metadata.encryption, customer_key)
    with store_body(context, chunks, [algorithm], expected_digests, wrapping) as stored:
        return _place(context, made(stored, object_metadata), preconditions, stored, event)


def check_put(
    context: Context, bucket: str, key: str, lock: Lock = UNLOCKED, preconditions: Preconditions = NO_PRECONDITIONS
) -> buckets.Bucket:
    """Whether an object could be put as things are, for a sender who waits to hear it: its bucket.

    Raises what put raises.
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
    """What is known of the object. Raises NotFound, IsMarker, ConditionFailed and NotModified."""
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
    """The object and its bytes, or those of a span or a part; the reader tells where they begin and how many they are.

    The bytes stay readable while the object is replaced or deleted. Raises what head raises, SpanOutside, PartUnknown,
    CustomerKeyNeeded, CustomerKeyRefused, CustomerKeyWrong, and TamperedError here or while reading.
    """
    for attempt in range(READ_ATTEMPTS):
        found, row = _find(context, bucket, key, version, _GET_NEWEST, _GET_NAMED)
        check_read(preconditions, found.etag, found.modified_at)
        wrapping = metadata.key_wrapping(found.metadata.encryption, customer_key)
        if found.wrapped_key is not None:
            if row[-1] is None:
                raise BlobMissingError(f"Object {found.id} has no content.")
            first, length = _locate(found, [], byte_range, part)
            content = context.files.decrypt_inline(row[-1], found.id, found.wrapped_key, wrapping)
            return found, InlineReader(first, length, content)
        try:
            return found, _read_pieces(context, found, byte_range, part, wrapping)
        except BlobMissingError:  # replaced between the look-up and the opening: look again
            if attempt == READ_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def locate(context: Context, found: Object, byte_range: ByteRange | None, part: int | None) -> tuple[int, int]:
    """Where a span or a part begins, and its size in bytes. Raises SpanOutside and PartUnknown."""
    pieces = [] if part is None or found.wrapped_key is not None else blobs_of(context, found)
    return _locate(found, pieces, byte_range, part)


def blobs_of(context: Context, found: Version) -> list[tuple[int, Blob]]:
    """The numbers and blobs of an object that does not lie in the database; none where it is gone.

    Raises TamperedError.
    """
    rows = context.database.fetch(_PIECES, of_owner=found.id)
    if rows:
        check_parts(found, [(size, tag) for _, _, size, _, tag in rows])
    return [(number, Blob(blob, size, wrapped_key)) for number, blob, size, wrapped_key, _ in rows]


def check_parts(found: Version, pieces: Sequence[tuple[int, str]]) -> None:
    """Whether pieces of these sizes and tags are those of the object, all and in their order. Raises TamperedError."""
    tags = [tag for _, tag in pieces]
    tag = tags[0] if found.parts is None else multipart_etag(tags)
    if (found.etag, found.size, found.parts or 1) != (tag, sum(size for size, _ in pieces), len(pieces)):
        raise TamperedError(f"What is kept of object {found.id} is not what it consisted of.")


def check_key(key: str) -> None:
    """Raises KeyTooLongError, and InvalidError for an empty key."""
    if not key:
        raise InvalidError("A key has at least one character.")
    if len(key) > MAX_KEY_BYTES or len(key.encode()) > MAX_KEY_BYTES:
        raise KeyTooLongError(f"A key has at most {MAX_KEY_BYTES} bytes.")


def sweep(context: Context) -> int:
    """Delete blobs that crashed writers left: how many. Safe while others write, to be run once after a start."""

    def known(ids: Sequence[str]) -> Sequence[str]:
        with context.database.read() as connection:
            return connection.execute(sa.select(parts.c.blob).where(parts.c.blob.in_(ids))).scalars().all()

    return context.files.sweep(known)


def _place(
    context: Context, new: Object, preconditions: Preconditions, content: bytes | StoredBody, event: str
) -> Object:
    """Commit an object and its content: a small one's sealed bytes, or the blob that holds them."""
    document = versions.seal(context, new)

    def write(connection: sa.Connection) -> tuple[Object, list[str]]:
        bucket = buckets.require(connection, new.bucket)
        if new.metadata.encryption is None and bucket.encryption is not None and isinstance(content, bytes):
            raise _OtherEncryptionError(metadata.bucket_encryption(context, bucket.encryption))
        placed = versions.insert_version(connection, bucket, new, document, preconditions)
        if isinstance(content, bytes):
            versions.insert_content(connection, new.id, content)
        else:
            versions.insert_part(connection, new.id, 1, content.blob, etag=new.etag, modified_at=new.modified_at)
        notifications.record(connection, bucket, event, placed[0], new.modified_at)
        return placed

    placed, replaced = context.database.apply(write)
    context.files.delete(replaced)
    return placed


def _find(
    context: Context,
    bucket: str,
    key: str,
    version: str | None,
    of_newest: PreparedStatement,
    of_named: PreparedStatement,
) -> tuple[Object, Row]:
    if version is None:
        rows = context.database.fetch(of_newest, in_bucket=bucket, at_key=key)
    else:
        rows = context.database.fetch(of_named, in_bucket=bucket, at_key=key, named=version)
    if not rows:
        buckets.find(context, bucket)
        raise versions.not_found(key, version)
    return versions.require_object(context, rows[0], version), rows[0]


def _read_pieces(
    context: Context, found: Object, byte_range: ByteRange | None, part: int | None, wrapping: KeyWrapping
) -> BlobReader:
    pieces = blobs_of(context, found)
    if not pieces:
        raise BlobMissingError(f"Object {found.id} has no bytes.")
    first, length = _locate(found, pieces, byte_range, part)
    return context.files.read([blob for _, blob in pieces], first, length, wrapping)


def _locate(
    found: Object, pieces: Sequence[tuple[int, Blob]], byte_range: ByteRange | None, part: int | None
) -> tuple[int, int]:
    if part is None:
        return locate_range(byte_range, found.size)
    if not pieces:  # it lies in the database, whole
        return locate_part(part, [(1, found.size)])
    return locate_part(part, [(number, blob.size) for number, blob in pieces])
