"""Looking for damage: every row that says something of objects, and every byte they consist of. It only reads.

Others may write meanwhile. What looks wrong is looked at again: if its row has changed or gone, nothing was wrong.
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
from lowcloud.store.db.tables import buckets, contents, objects, parts
from lowcloud.store.db.tables import uploads as pending

PAGE_ROWS = 200

Throttle = Callable[[int], None]  # called with the bytes just read; it may sleep, or raise to end the scrub

_PLACE = (objects.c.bucket, objects.c.key, objects.c.position)
_ROWS = sa.select(*versions.OBJECT_COLUMNS)
_UPLOADS = sa.select(pending).order_by(pending.c.id)
_AGAIN = PreparedStatement(_ROWS.where(*(column == sa.bindparam(f"at_{column.name}") for column in _PLACE)))
_CONTENT = PreparedStatement(sa.select(contents.c.sealed).where(contents.c.id == sa.bindparam("of")))
_PARTS = PreparedStatement(
    sa.select(*(parts.c[name] for name in ("number", "blob", "size", "wrapped_key", "etag", "checksum")))
    .where(parts.c.owner == sa.bindparam("of"))
    .order_by(parts.c.number)
)
_FIND_BLOB = PreparedStatement(sa.select(parts.c.owner).where(parts.c.blob == sa.bindparam("named")))


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was written, and why. Empty names: it belongs to no object."""

    why: str
    bucket: str = ""
    key: str = ""
    version: str = ""

    def __str__(self) -> str:
        place = f"{self.bucket}/{self.key}" if self.key else self.bucket
        version = f" (version {self.version})" if self.version not in ("", NULL) else ""
        return f"{place}{version}: {self.why}" if place else self.why


@dataclass
class ScrubCounts:
    """What was looked at so far."""

    versions: int = 0
    uploads: int = 0
    bytes: int = 0
    locked: int = 0  # contents encrypted with a customer's key: only their length can be compared
    leftovers: int = 0  # files that no row names; they do no harm


class CorruptionError(Exception):
    """What was read is not what the row says."""


def scrub(context: Context, counts: ScrubCounts, throttle: Throttle = lambda _: None) -> Iterator[Finding]:
    """Everything that is wrong with the store."""
    yield from scrub_referenced(context, counts, throttle)
    counts.leftovers = count_leftovers(context)


def scrub_referenced(context: Context, counts: ScrubCounts, throttle: Throttle = lambda _: None) -> Iterator[Finding]:
    """Everything that is wrong with what the database names."""
    yield from scrub_database(context)
    place: Sequence[Any] | None = None
    while rows := next_versions(context, place):
        for row in rows:
            yield from scrub_version(context, row, counts, throttle)
        place = position_of(rows[-1])
    yield from scrub_uploads(context, counts, throttle)


def scrub_database(context: Context) -> Iterator[Finding]:
    """What the database itself finds wrong with its files, and rows that lack what they refer to."""
    yield from (Finding(f"The database: {why}") for why in context.database.integrity_errors())
    # Sets, not look-ups row by row: bytes are found by their object, and no index leads back.
    owners = sa.select(objects.c.id)
    queries: dict[str, sa.CompoundSelect[Any]] = {
        "Bytes of no object lie in the database": sa.except_(sa.select(contents.c.id), owners),
        "Parts belong to no object and no upload": sa.except_(
            sa.select(parts.c.owner), owners, sa.select(pending.c.id)
        ),
        "Objects lie in a bucket that does not exist": sa.except_(
            sa.select(objects.c.bucket), sa.select(buckets.c.name)
        ),
        "A bucket's versioning is none that there is": sa.except_(
            sa.select(buckets.c.name),
            sa.select(buckets.c.name).where(
                sa.or_(buckets.c.versioning.is_(None), buckets.c.versioning.in_(["enabled", "suspended"]))
            ),
        ),
    }
    for why, query in queries.items():
        with context.database.read() as connection:
            found = connection.scalars(query).all()
        yield from (Finding(f"{why}: {name}.") for name in found)


def next_versions(context: Context, after: Sequence[Any] | None, limit: int = PAGE_ROWS) -> Sequence[Row]:
    """The rows of the next versions, those of markers too, in the order of their places."""
    query = _ROWS.order_by(*_PLACE).limit(limit)
    if after is not None:
        query = query.where(sa.tuple_(*_PLACE) > sa.tuple_(*after))
    with context.database.read() as connection:
        return [tuple(row) for row in connection.execute(query)]


def position_of(row: Row) -> tuple[Any, ...]:
    """Where `next_versions` goes on after this row."""
    return tuple(row[versions.VERSION_COLUMNS.index(column)] for column in _PLACE)


def scrub_version(
    context: Context, row: Row, counts: ScrubCounts, throttle: Throttle = lambda _: None
) -> Iterator[Finding]:
    """What is wrong with one version: its row, what is said of it, and its bytes."""
    place = dict(zip(("bucket", "key", "position"), position_of(row), strict=True))
    try:
        _check_version(context, row, counts, throttle)
    except _WRONG as error:
        again = context.database.fetch(_AGAIN, **{f"at_{name}": value for name, value in place.items()})
        if [tuple(one) for one in again] == [row]:
            version = row[versions.VERSION_COLUMNS.index(objects.c.version)]
            yield Finding(_sentence(error), str(place["bucket"]), str(place["key"]), str(version))
    counts.versions += 1


def scrub_uploads(context: Context, counts: ScrubCounts, throttle: Throttle = lambda _: None) -> Iterator[Finding]:
    """What is wrong with uploads in progress."""
    after = ""
    while True:
        with context.database.read() as connection:
            rows = connection.execute(_UPLOADS.where(pending.c.id > after).limit(PAGE_ROWS)).all()
        for row in rows:
            try:
                upload = uploads.to_upload(context, row)
                for part in context.database.fetch(_PARTS, of=row.id):
                    _check_part(context, part, upload.metadata, upload.algorithm, counts, throttle)
            except _WRONG as error:
                if _is_there(context, row):
                    yield Finding(f"Upload {row.id}: {_sentence(error)}", row.bucket, row.key)
            counts.uploads += 1
        if len(rows) < PAGE_ROWS:
            return
        after = rows[-1].id


def count_leftovers(context: Context) -> int:
    """How many files no row names: of writers that were killed, or deleted and still kept by a backup or a reader.

    They do no harm: who has deleted them removes them, or the next start of a server does.
    """

    def known(ids: Sequence[str]) -> Sequence[str]:
        with context.database.read() as connection:
            return connection.scalars(sa.select(parts.c.blob).where(parts.c.blob.in_(ids))).all()

    return sum(1 for _ in context.files.orphans(known))


# Whatever a damaged row makes of the code that reads it: text where a number was, bytes that are no text.
_WRONG = (CorruptionError, TamperedError, BlobMissingError, OSError, ValueError, TypeError, LookupError, AttributeError)


def _check_version(context: Context, row: Row, counts: ScrubCounts, throttle: Throttle) -> None:
    version = versions.to_version(row)
    if version.is_marker:
        if row[len(versions.VERSION_COLUMNS)] or version.size or version.wrapped_key:
            raise CorruptionError("It is called a marker, and has content.")
        return
    found = versions.to_object(context, row)
    if found.wrapped_key is not None:
        _check_small(context, found, found.wrapped_key, counts, throttle)
        return
    rows = context.database.fetch(_PARTS, of=found.id)
    algorithm = found.checksum.algorithm if found.checksum else None
    _check_together(found, rows)
    for part in rows:
        md5, checksum = _check_part(context, part, found.metadata, algorithm, counts, throttle)
        if found.parts is None:
            _check_digests(found, md5, checksum)


def _check_small(context: Context, found: Object, wrapped_key: bytes, counts: ScrubCounts, throttle: Throttle) -> None:
    content = context.database.fetch(_CONTENT, of=found.id)
    if not content:
        raise CorruptionError("Its bytes are not in the database.")
    sealed: bytes = content[0][0]
    if len(sealed) != found.size + TAG_BYTES:
        raise CorruptionError(f"{len(sealed) - TAG_BYTES} bytes are there instead of {found.size}.")
    throttle(len(sealed))
    counts.bytes += found.size
    wrapping = _wrapping(found.metadata)
    if _is_locked(found.metadata):
        context.keys.unwrap(wrapped_key, found.id, wrapping)
        counts.locked += 1
        return
    digester = Digester(*([found.checksum.algorithm] if found.checksum else []))
    digester.update(context.files.decrypt_inline(sealed, found.id, wrapped_key, wrapping))
    checksum = digester.checksum(found.checksum.algorithm) if found.checksum else None
    _check_digests(found, digester.md5(), checksum)


def _check_part(
    context: Context, row: Row, said: ObjectMetadata, algorithm: str | None, counts: ScrubCounts, throttle: Throttle
) -> tuple[str | None, str | None]:
    """The MD5 and the checksum of a part's bytes; None where nobody can know them."""
    number, blob_id, size, wrapped_key, etag, kept = row
    blob = Blob(blob_id, size, wrapped_key)
    if not context.files.path(blob.id).exists():
        raise CorruptionError(f"The file {blob.id} is gone.")
    if not context.files.has_expected_size(blob):
        raise CorruptionError(f"The file {blob.id} has not the length that was written.")
    counts.bytes += size
    if _is_locked(said):
        context.keys.unwrap(wrapped_key, blob.id, _wrapping(said))
        counts.locked += 1
        return None, None
    digester = Digester(*([algorithm] if algorithm else []))
    for chunk in context.files.read([blob], wrapping=_wrapping(said)):
        digester.update(chunk)
        throttle(len(chunk))
    checksum = digester.checksum(algorithm) if algorithm else None
    if _tells_md5(said) and digester.md5() != etag:
        raise CorruptionError(f"Part {number} has not the MD5 that was kept.")
    if kept is not None and checksum != kept:
        raise CorruptionError(f"Part {number} has not the {algorithm} that was kept.")
    return digester.md5(), checksum


def _check_together(found: Version, rows: Sequence[Row]) -> None:
    """Whether these are the parts of the object, all of them and in their order."""
    if not rows:
        raise CorruptionError("Its bytes are gone.")
    check_parts(found, [(row[2], row[4]) for row in rows])
    checksum = found.checksum
    if checksum is None or found.parts is None:
        return
    kept = [(row[5], row[2]) for row in rows]
    whole = composite(checksum.algorithm, [value for value, _ in kept]) if checksum.is_composite else None
    if (whole or combined(checksum.algorithm, kept)) != checksum:
        raise CorruptionError(f"Its parts are not those of its {checksum.algorithm}.")


def _check_digests(found: Object, md5: str | None, checksum: str | None) -> None:
    if md5 is not None and _tells_md5(found.metadata) and md5 != found.etag:
        raise CorruptionError(f"It has not the {MD5} that was kept.")
    if checksum is not None and found.checksum is not None and checksum != found.checksum.value:
        raise CorruptionError(f"It has not the {found.checksum.algorithm} that was kept.")


def _is_there(context: Context, row: sa.Row[Any]) -> bool:
    with context.database.read() as connection:
        return connection.execute(sa.select(pending).where(pending.c.id == row.id)).first() == row


def _is_locked(said: ObjectMetadata) -> bool:
    """Whether a customer has the key, and nobody else."""
    return said.encryption is not None and said.encryption.customer_key_md5 is not None


def _tells_md5(said: ObjectMetadata) -> bool:
    """Whether the entity tag is the MD5, which it is not where it would tell of what a key keeps secret."""
    return said.encryption is None or said.encryption is metadata.MASTER_KEY_ENCRYPTION


def _wrapping(said: ObjectMetadata) -> KeyWrapping:
    return KeyWrapping((said.encryption.key_id or "") if said.encryption is not None else "")


def _sentence(error: BaseException) -> str:
    is_told = isinstance(error, CorruptionError | TamperedError | BlobMissingError | OSError)
    return str(error) if is_told else f"Its row cannot be understood ({type(error).__name__}: {error})."
