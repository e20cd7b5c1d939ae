"""Scrubbing: reads every row and every byte of the object store, and reports damage. It changes nothing.

Writers may run meanwhile: a suspicious row is read again, and ignored if it has changed or is gone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.storage.multipart import uploads
from lowcloud.core.storage.objects import metadata, versions
from lowcloud.core.storage.objects.checksums import MD5, Digester, combined, composite
from lowcloud.core.storage.objects.metadata import ObjectMetadata
from lowcloud.core.storage.objects.objects import check_parts
from lowcloud.core.storage.objects.versions import NULL, Object, Version
from lowcloud.store.blobs.encryption import TAG_BYTES, KeyWrapping, TamperedError
from lowcloud.store.blobs.files import Blob, BlobMissingError
from lowcloud.store.db.prepared import PreparedStatement, Row
from lowcloud.store.db.tables.storage import buckets, contents, objects, parts
from lowcloud.store.db.tables.storage import uploads as pending

PAGE_ROWS = 200

Throttle = Callable[[int], None]  # called with the number of bytes just read; may sleep, or raise to end the scrub

_POSITION = (objects.c.bucket, objects.c.key, objects.c.position)
_ROWS = sa.select(*versions.OBJECT_COLUMNS)
_UPLOADS = sa.select(pending).order_by(pending.c.id)
_READ_AGAIN = PreparedStatement(_ROWS.where(*(column == sa.bindparam(f"at_{column.name}") for column in _POSITION)))
_CONTENT = PreparedStatement(sa.select(contents.c.sealed).where(contents.c.id == sa.bindparam("of")))
_PARTS = PreparedStatement(
    sa.select(*(parts.c[name] for name in ("number", "blob", "size", "wrapped_key", "etag", "checksum")))
    .where(parts.c.owner == sa.bindparam("of"))
    .order_by(parts.c.number)
)


@dataclass(frozen=True)
class Finding:
    """Damage that was found. Without names, it does not belong to an object."""

    reason: str
    bucket: str = ""
    key: str = ""
    version: str = ""

    def __str__(self) -> str:
        place = f"{self.bucket}/{self.key}" if self.key else self.bucket
        version = f" (version {self.version})" if self.version not in ("", NULL) else ""
        return f"{place}{version}: {self.reason}" if place else self.reason


@dataclass
class ScrubCounts:
    """Counts of what has been checked so far."""

    versions: int = 0
    uploads: int = 0
    bytes: int = 0
    locked: int = 0  # contents encrypted with a customer's key: only their size can be checked
    leftovers: int = 0  # files without a row, which are harmless


class CorruptionError(Exception):
    """Stored bytes do not match their row."""


def scrub(context: Context, counts: ScrubCounts, throttle: Throttle = lambda _: None) -> Iterator[Finding]:
    """Yield all damage of the store."""
    yield from scrub_referenced(context, counts, throttle)
    counts.leftovers = count_leftovers(context)


def scrub_referenced(context: Context, counts: ScrubCounts, throttle: Throttle = lambda _: None) -> Iterator[Finding]:
    """Yield all damage of the rows and the blobs that they refer to."""
    yield from scrub_database(context)
    position: Sequence[Any] | None = None
    while rows := next_versions(context, position):
        for row in rows:
            yield from scrub_version(context, row, counts, throttle)
        position = position_of(rows[-1])
    yield from scrub_uploads(context, counts, throttle)


def scrub_database(context: Context) -> Iterator[Finding]:
    """Yield what the database's own check finds, and rows with dangling references."""
    yield from (Finding(f"The database: {error}") for error in context.database.integrity_errors())
    # Set operations rather than look-ups per row: there is no index from contents to objects.
    owners = sa.select(objects.c.id)
    queries: dict[str, sa.CompoundSelect[Any]] = {
        "The database has bytes of an object that does not exist": sa.except_(sa.select(contents.c.id), owners),
        "The database has parts of an object or upload that does not exist": sa.except_(
            sa.select(parts.c.owner), owners, sa.select(pending.c.id)
        ),
        "The database has objects in a bucket that does not exist": sa.except_(
            sa.select(objects.c.bucket), sa.select(buckets.c.name)
        ),
        "A bucket has an unknown versioning state": sa.except_(
            sa.select(buckets.c.name),
            sa.select(buckets.c.name).where(
                sa.or_(buckets.c.versioning.is_(None), buckets.c.versioning.in_(["enabled", "suspended"]))
            ),
        ),
    }
    for reason, query in queries.items():
        with context.database.read() as connection:
            found = connection.scalars(query).all()
        yield from (Finding(f"{reason}: {name}.") for name in found)


def next_versions(context: Context, after: Sequence[Any] | None, limit: int = PAGE_ROWS) -> Sequence[Row]:
    """Return the rows of the next versions, delete markers included, in order."""
    query = _ROWS.order_by(*_POSITION).limit(limit)
    if after is not None:
        query = query.where(sa.tuple_(*_POSITION) > sa.tuple_(*after))
    with context.database.read() as connection:
        return [tuple(row) for row in connection.execute(query)]


def position_of(row: Row) -> tuple[Any, ...]:
    """Return where `next_versions` continues after this row."""
    return tuple(row[versions.VERSION_COLUMNS.index(column)] for column in _POSITION)


def scrub_version(
    context: Context, row: Row, counts: ScrubCounts, throttle: Throttle = lambda _: None
) -> Iterator[Finding]:
    """Yield the damage of one version: of its row, its metadata and its bytes."""
    position = dict(zip(("bucket", "key", "position"), position_of(row), strict=True))
    try:
        _check_version(context, row, counts, throttle)
    except _DAMAGE as error:
        again = context.database.fetch(_READ_AGAIN, **{f"at_{name}": value for name, value in position.items()})
        if [tuple(one) for one in again] == [row]:
            version = row[versions.VERSION_COLUMNS.index(objects.c.version)]
            yield Finding(_describe(error), str(position["bucket"]), str(position["key"]), str(version))
    counts.versions += 1


def scrub_uploads(context: Context, counts: ScrubCounts, throttle: Throttle = lambda _: None) -> Iterator[Finding]:
    """Yield the damage of uploads in progress."""
    after = ""
    while True:
        with context.database.read() as connection:
            rows = connection.execute(_UPLOADS.where(pending.c.id > after).limit(PAGE_ROWS)).all()
        for row in rows:
            try:
                upload = uploads.to_upload(context, row)
                for part in context.database.fetch(_PARTS, of=row.id):
                    _check_part(context, part, upload.metadata, upload.algorithm, counts, throttle)
            except _DAMAGE as error:
                if _is_unchanged(context, row):
                    yield Finding(f"Upload {row.id}: {_describe(error)}", row.bucket, row.key)
            counts.uploads += 1
        if len(rows) < PAGE_ROWS:
            return
        after = rows[-1].id


def count_leftovers(context: Context) -> int:
    """Count the files without a row: of writers that were killed, or deleted but still in use by a backup or reader.

    They are harmless: they are deleted by their last user, or at the next start of a server.
    """

    def find_referenced(ids: Sequence[str]) -> Sequence[str]:
        with context.database.read() as connection:
            return connection.scalars(sa.select(parts.c.blob).where(parts.c.blob.in_(ids))).all()

    return sum(1 for _ in context.files.orphans(find_referenced))


# What code raises that reads a damaged row, e.g. one with text in place of a number.
_DAMAGE = (
    CorruptionError,
    TamperedError,
    BlobMissingError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)


def _check_version(context: Context, row: Row, counts: ScrubCounts, throttle: Throttle) -> None:
    version = versions.to_version(row)
    if version.is_marker:
        if row[len(versions.VERSION_COLUMNS)] or version.size or version.wrapped_key:
            raise CorruptionError("It is a delete marker, but has content.")
        return
    found = versions.to_object(context, row)
    if found.wrapped_key is not None:
        _check_small(context, found, found.wrapped_key, counts, throttle)
        return
    rows = context.database.fetch(_PARTS, of=found.id)
    algorithm = found.checksum.algorithm if found.checksum else None
    _check_parts(found, rows)
    for part in rows:
        md5, checksum = _check_part(context, part, found.metadata, algorithm, counts, throttle)
        if found.parts is None:
            _check_digests(found, md5, checksum)


def _check_small(context: Context, found: Object, wrapped_key: bytes, counts: ScrubCounts, throttle: Throttle) -> None:
    content = context.database.fetch(_CONTENT, of=found.id)
    if not content:
        raise CorruptionError("Its bytes are missing in the database.")
    sealed: bytes = content[0][0]
    if len(sealed) != found.size + TAG_BYTES:
        raise CorruptionError(f"It has {len(sealed) - TAG_BYTES} bytes instead of {found.size}.")
    throttle(len(sealed))
    counts.bytes += found.size
    wrapping = _wrapping(found.metadata)
    if _has_customer_key(found.metadata):
        context.keys.unwrap(wrapped_key, found.id, wrapping)
        counts.locked += 1
        return
    digester = Digester(*([found.checksum.algorithm] if found.checksum else []))
    digester.update(context.files.decrypt_inline(sealed, found.id, wrapped_key, wrapping))
    checksum = digester.checksum(found.checksum.algorithm) if found.checksum else None
    _check_digests(found, digester.md5(), checksum)


def _check_part(
    context: Context,
    row: Row,
    object_metadata: ObjectMetadata,
    algorithm: str | None,
    counts: ScrubCounts,
    throttle: Throttle,
) -> tuple[str | None, str | None]:
    """Return the MD5 and the checksum of a part's bytes; None if they are encrypted with a customer's key."""
    number, blob_id, size, wrapped_key, etag, stored_checksum = row
    blob = Blob(blob_id, size, wrapped_key)
    if not context.files.path(blob.id).exists():
        raise CorruptionError(f"The file {blob.id} is missing.")
    if not context.files.has_expected_size(blob):
        raise CorruptionError(f"The file {blob.id} has an unexpected size.")
    counts.bytes += size
    if _has_customer_key(object_metadata):
        context.keys.unwrap(wrapped_key, blob.id, _wrapping(object_metadata))
        counts.locked += 1
        return None, None
    digester = Digester(*([algorithm] if algorithm else []))
    for chunk in context.files.read([blob], wrapping=_wrapping(object_metadata)):
        digester.update(chunk)
        throttle(len(chunk))
    checksum = digester.checksum(algorithm) if algorithm else None
    if _has_md5_etag(object_metadata) and digester.md5() != etag:
        raise CorruptionError(f"Part {number} does not match its MD5.")
    if stored_checksum is not None and checksum != stored_checksum:
        raise CorruptionError(f"Part {number} does not match its {algorithm}.")
    return digester.md5(), checksum


def _check_parts(found: Version, rows: Sequence[Row]) -> None:
    """Check that these are all parts of the object, in order. Raises CorruptionError and TamperedError."""
    if not rows:
        raise CorruptionError("Its parts are missing.")
    check_parts(found, [(row[2], row[4]) for row in rows])
    checksum = found.checksum
    if checksum is None or found.parts is None:
        return
    checksums = [(row[5], row[2]) for row in rows]
    whole = composite(checksum.algorithm, [value for value, _ in checksums]) if checksum.is_composite else None
    if (whole or combined(checksum.algorithm, checksums)) != checksum:
        raise CorruptionError(f"Its parts do not match its {checksum.algorithm}.")


def _check_digests(found: Object, md5: str | None, checksum: str | None) -> None:
    if md5 is not None and _has_md5_etag(found.metadata) and md5 != found.etag:
        raise CorruptionError(f"It does not match its {MD5}.")
    if checksum is not None and found.checksum is not None and checksum != found.checksum.value:
        raise CorruptionError(f"It does not match its {found.checksum.algorithm}.")


def _is_unchanged(context: Context, row: sa.Row[Any]) -> bool:
    with context.database.read() as connection:
        return connection.execute(sa.select(pending).where(pending.c.id == row.id)).first() == row


def _has_customer_key(object_metadata: ObjectMetadata) -> bool:
    """Return whether only the customer has the key."""
    return object_metadata.encryption is not None and object_metadata.encryption.customer_key_md5 is not None


def _has_md5_etag(object_metadata: ObjectMetadata) -> bool:
    """Return whether the entity tag is the MD5; it is random if a named or customer key encrypts the object."""
    return object_metadata.encryption is None or object_metadata.encryption is metadata.MASTER_KEY_ENCRYPTION


def _wrapping(object_metadata: ObjectMetadata) -> KeyWrapping:
    return KeyWrapping((object_metadata.encryption.key_id or "") if object_metadata.encryption is not None else "")


def _describe(error: BaseException) -> str:
    has_message = isinstance(error, CorruptionError | TamperedError | BlobMissingError | OSError)
    return str(error) if has_message else f"Its row cannot be read ({type(error).__name__}: {error})."
