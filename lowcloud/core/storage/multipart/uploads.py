"""Multipart uploads: an object's bytes sent in parts, in any order, and combined without being copied."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.failures import FreedBlobs, apply_deletion, disk_full_errors
from lowcloud.core.storage.objects import metadata, objects, versions
from lowcloud.core.storage.objects.bodies import ExpectedDigests, StoredBody, no_expected_digests, store_body
from lowcloud.core.storage.objects.byte_ranges import ByteRange
from lowcloud.core.storage.objects.checksums import COMBINABLE_ALGORITHMS, DEFAULT_ALGORITHM
from lowcloud.core.storage.objects.copies import CopySource
from lowcloud.core.storage.objects.locks import UNLOCKED, Lock, check_lockable, to_lock
from lowcloud.core.storage.objects.metadata import NO_METADATA, ObjectMetadata
from lowcloud.core.storage.objects.preconditions import NO_PRECONDITIONS, PreconditionFailedError, Preconditions
from lowcloud.core.storage.objects.versions import Object
from lowcloud.store.blobs.files import new_id
from lowcloud.store.db.listing import Folder, list_with_folders
from lowcloud.store.db.tables.storage import parts, uploads

MAX_PARTS = 10_000
_COLUMNS = ("id", "bucket", "key", "created_at", "storage_class", "algorithm", "is_composite")


@dataclass(frozen=True)
class Upload:
    """An upload in progress. Its id becomes the object's when it is completed."""

    id: str
    bucket: str
    key: str
    created_at: float
    metadata: ObjectMetadata = NO_METADATA
    storage_class: str | None = None
    lock: Lock = UNLOCKED
    algorithm: str = DEFAULT_ALGORITHM
    is_composite: bool = False  # the object's checksum is one of the parts' checksums


@dataclass(frozen=True)
class Part:
    """A part as it was received; its checksum is in base64."""

    number: int
    size: int
    etag: str
    modified_at: float
    checksum: str | None  # by the upload's algorithm; None for an object that was not uploaded in parts


def create(
    context: Context,
    bucket: str,
    key: str,
    object_metadata: ObjectMetadata = NO_METADATA,
    *,
    storage_class: str | None = None,
    lock: Lock = UNLOCKED,
    algorithm: str = DEFAULT_ALGORITHM,
    is_composite: bool = False,
) -> Upload:
    """Begin an upload. Raises NotFoundError (bucket), KeyTooLongError, NotLockableError and InvalidError."""
    objects.check_key(key)
    if not is_composite and algorithm not in COMBINABLE_ALGORITHMS:
        raise InvalidError(f"The {algorithm} of an object cannot be computed from its parts: use a composite checksum.")
    found = buckets.find(context, bucket)
    check_lockable(found, lock)
    if object_metadata.encryption is None and found.encryption is not None:
        object_metadata = replace(object_metadata, encryption=metadata.bucket_encryption(context, found.encryption))
    upload_id = new_id()
    upload = Upload(
        upload_id, bucket, key, context.now(), object_metadata, storage_class, lock, algorithm, is_composite
    )
    row = {name: getattr(upload, name) for name in _COLUMNS} | {
        "retention": lock.retention,
        "retain_until": lock.retain_until,
        "legal_hold": lock.legal_hold,
        "document": metadata.seal(context, upload_id, object_metadata),
    }
    with disk_full_errors(), context.database.transaction() as connection:
        buckets.require(connection, bucket)
        connection.execute(sa.insert(uploads).values(row))
    return upload


def find(context: Context, bucket: str, key: str, upload_id: str) -> Upload:
    """Return the upload. Raises NotFoundError (bucket, upload)."""
    with context.database.read() as connection:
        return require(context, connection, bucket, key, upload_id)


def put_part(
    context: Context,
    upload: Upload,
    number: int,
    chunks: Iterable[bytes],
    *,
    algorithms: Sequence[str] = (),
    expected_digests: ExpectedDigests = no_expected_digests,
    customer_key: bytes | None = None,
) -> Part:
    """Store a part, replacing one with the same number; durable when this returns.

    `algorithms` are those of `expected_digests`, in addition to the upload's own. Raises NotFoundError (upload),
    InvalidError (number), and what bodies.store_body and metadata.key_wrapping raise.
    """
    wrapping = metadata.key_wrapping(upload.metadata.encryption, customer_key)
    if not 1 <= number <= MAX_PARTS:
        raise InvalidError(f"A part number must be between 1 and {MAX_PARTS}.")
    with store_body(context, chunks, [upload.algorithm, *algorithms], expected_digests, wrapping) as body:
        etag = metadata.entity_tag(upload.metadata.encryption, body.md5)
        part = Part(number, body.size, etag, context.now(), body.checksums[upload.algorithm])

        def write(connection: sa.Connection) -> Sequence[str]:
            _require_row(connection, upload.bucket, upload.key, upload.id)  # not ended meanwhile
            return _replace_part(connection, upload, part, body)

        replaced = context.database.apply(write)
    context.files.discard(replaced)
    return part


def copy_part(
    context: Context,
    upload: Upload,
    number: int,
    source: CopySource,
    *,
    byte_range: ByteRange | None = None,
    preconditions: Preconditions = NO_PRECONDITIONS,
    source_customer_key: bytes | None = None,
    customer_key: bytes | None = None,
) -> tuple[Object, Part]:
    """Store a part copied from another object, or from a range of it. Returns (source, part)."""
    found, chunks = objects.get(
        context,
        source.bucket,
        source.key,
        version=source.version,
        byte_range=byte_range,
        preconditions=preconditions,
        customer_key=source_customer_key,
    )
    return found, put_part(context, upload, number, chunks, customer_key=customer_key)


def abort(context: Context, bucket: str, key: str, upload_id: str, *, if_created_at: float | None = None) -> None:
    """Abort an upload and delete its parts; with `if_created_at`, only if it was created in that second.

    Raises NotFoundError and PreconditionFailedError.
    """

    def change(connection: sa.Connection) -> tuple[None, FreedBlobs]:
        row = _require_row(connection, bucket, key, upload_id)
        if if_created_at is not None and int(row.created_at) != int(if_created_at):
            raise PreconditionFailedError("If-Match-Initiated-Time")
        deleted = delete_parts(connection, upload_id, [])
        connection.execute(sa.delete(uploads).where(uploads.c.id == upload_id))
        return None, [[blob] for blob in deleted]

    apply_deletion(context, change)


def list_parts(context: Context, owner: str, *, after: int = 0, limit: int = 1000) -> tuple[list[Part], bool]:
    """List at most `limit` parts of an upload or an object after number `after`. Also whether there are more."""
    query = _select_parts(owner).where(parts.c.number > after).order_by(parts.c.number).limit(limit + 1)
    with context.database.read() as connection:
        found = [Part(**row._mapping) for row in connection.execute(query)]
    return found[:limit], 0 < limit < len(found)


def list_uploads(
    context: Context,
    bucket: str,
    *,
    prefix: str = "",
    delimiter: str = "",
    after: Sequence[str] | None = None,
    limit: int = 1000,
) -> tuple[list[Upload | Folder], bool]:
    """List at most `limit` uploads and folders, by key and id, after [key] or [key, id]. Also whether there are more.

    Raises NotFoundError (bucket).
    """
    query = sa.select(uploads).where(uploads.c.bucket == bucket)
    order = [uploads.c.key, uploads.c.id]
    entries: list[Upload | Folder] = []
    with context.database.read() as connection:
        buckets.require(connection, bucket)
        found = list_with_folders(connection, query, order, after=after, prefix=prefix, delimiter=delimiter)
        for entry in found:
            if len(entries) >= limit:
                return entries, limit > 0
            entries.append(entry if isinstance(entry, Folder) else to_upload(context, entry))
    return entries, False


def delete_parts(connection: sa.Connection, upload_id: str, except_numbers: Sequence[int]) -> list[str]:
    """Delete the parts except those with some numbers, within a transaction. Returns their blobs."""
    rows = connection.execute(sa.select(parts.c.number, parts.c.blob).where(parts.c.owner == upload_id)).all()
    kept = set(except_numbers)
    deleted = [row for row in rows if row.number not in kept]
    if deleted:
        numbers = [{"n": row.number} for row in deleted]
        one = sa.delete(parts).where(parts.c.owner == upload_id, parts.c.number == sa.bindparam("n"))
        connection.execute(one, numbers)
    return [row.blob for row in deleted]


def require(context: Context, connection: sa.Connection, bucket: str, key: str, upload_id: str) -> Upload:
    """Return the upload, within a transaction. Raises NotFoundError (bucket, upload)."""
    return to_upload(context, _require_row(connection, bucket, key, upload_id))


def all_parts(connection: sa.Connection, upload_id: str) -> list[Part]:
    """Return every part, within a transaction."""
    return [Part(**row._mapping) for row in connection.execute(_select_parts(upload_id))]


def _require_row(connection: sa.Connection, bucket: str, key: str, upload_id: str) -> sa.Row[Any]:
    row = connection.execute(sa.select(uploads).where(uploads.c.id == upload_id)).first()
    if row is None or (row.bucket, row.key) != (bucket, key):
        buckets.require(connection, bucket)
        raise NotFoundError("upload", upload_id)
    return row


def to_upload(context: Context, row: sa.Row[Any]) -> Upload:
    """Convert a row. Raises TamperedError."""
    values = {name: getattr(row, name) for name in _COLUMNS}
    lock = to_lock(row.retention, row.retain_until, row.legal_hold)
    return Upload(**values, lock=lock, metadata=metadata.unseal(context, row.id, row.document))


def _replace_part(connection: sa.Connection, upload: Upload, part: Part, body: StoredBody) -> Sequence[str]:
    same_part = (parts.c.owner == upload.id, parts.c.number == part.number)
    replaced = connection.execute(sa.select(parts.c.blob).where(*same_part)).scalars().all()
    connection.execute(sa.delete(parts).where(*same_part))
    versions.insert_part(
        connection,
        upload.id,
        part.number,
        body.blob,
        etag=part.etag,
        modified_at=part.modified_at,
        checksum=part.checksum,
    )
    return replaced


def _select_parts(upload_id: str) -> sa.Select[Any]:
    columns = (parts.c.number, parts.c.size, parts.c.etag, parts.c.modified_at, parts.c.checksum)
    return sa.select(*columns).where(parts.c.owner == upload_id)
