"""Multipart uploads: an object's bytes sent in parts, in any order, and joined without being moved."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from lowcloud.core import buckets, descriptions, objects, versions
from lowcloud.core.bodies import Claims, StoredBody, no_claims, receive
from lowcloud.core.checksums import CAN_SPAN_PARTS, DEFAULT_ALGORITHM, Checksum, DigestMismatch, composite, joined
from lowcloud.core.cloud import Cloud
from lowcloud.core.conditions import NO_CONDITIONS, Conditions
from lowcloud.core.descriptions import NOTHING_SAID, Description
from lowcloud.core.disk import full_disk_told
from lowcloud.core.errors import CloudError, Invalid, NotFound
from lowcloud.core.objects import Source
from lowcloud.core.spans import Span
from lowcloud.core.versions import UNLOCKED, Lock, Object
from lowcloud.store.files import new_id
from lowcloud.store.listing import Folder, folded
from lowcloud.store.tables import parts, uploads

SMALLEST_PART_BYTES = 5 * 1024**2
MOST_PARTS = 10_000
_PLAIN = ("id", "bucket", "key", "created_at", "storage_class", "algorithm", "is_composite")


@dataclass(frozen=True)
class Upload:
    """An upload in progress. Its id becomes the object's when it is completed."""

    id: str
    bucket: str
    key: str
    created_at: float
    description: Description = NOTHING_SAID
    storage_class: str | None = None
    lock: Lock = UNLOCKED
    algorithm: str = DEFAULT_ALGORITHM
    is_composite: bool = False  # of the checksum: over the parts' checksums, not over the whole


@dataclass(frozen=True)
class Part:
    """A part as it was received; its checksum is in base64."""

    number: int
    size: int
    etag: str
    modified_at: float
    checksum: str


@dataclass(frozen=True)
class Wanted:
    """A part as the completing client names it."""

    number: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)  # base64 by algorithm


class PartMissing(CloudError):
    """A part to join was not uploaded, or is not the one that was."""


class PartsOutOfOrder(CloudError):
    """The parts to join are not in ascending order."""


class PartTooSmall(CloudError):
    """Each part but the last has 5 MiB at least."""


def create(
    cloud: Cloud,
    bucket: str,
    key: str,
    description: Description = NOTHING_SAID,
    *,
    storage_class: str | None = None,
    lock: Lock = UNLOCKED,
    algorithm: str = DEFAULT_ALGORITHM,
    is_composite: bool = False,
) -> Upload:
    """Begin an upload. Raises NotFound (bucket), KeyTooLong and Invalid."""
    objects.check_key(key)
    if not is_composite and algorithm not in CAN_SPAN_PARTS:
        raise Invalid(f"The {algorithm} of a whole object does not follow from its parts: use a composite checksum.")
    upload_id = new_id()
    upload = Upload(upload_id, bucket, key, cloud.now(), description, storage_class, lock, algorithm, is_composite)
    row = {name: getattr(upload, name) for name in _PLAIN} | {
        "retention": lock.retention,
        "retain_until": lock.retain_until,
        "legal_hold": lock.legal_hold,
        "document": descriptions.seal(cloud, upload_id, description),
    }
    with full_disk_told(), cloud.database.transaction() as connection:
        buckets.require(connection, bucket)
        connection.execute(sa.insert(uploads).values(row))
    return upload


def find(cloud: Cloud, bucket: str, key: str, upload_id: str) -> Upload:
    """The upload. Raises NotFound (bucket, upload)."""
    with cloud.database.read() as connection:
        return _require(cloud, connection, bucket, key, upload_id)


def put_part(
    cloud: Cloud,
    upload: Upload,
    number: int,
    chunks: Iterable[bytes],
    *,
    algorithms: Sequence[str] = (),
    claims: Claims = no_claims,
    customer_key: bytes | None = None,
) -> Part:
    """Store a part, replacing one of the same number; durable when this returns.

    `algorithms` are those of the claims beside the upload's own. Raises NotFound (upload), Invalid (number), and what
    bodies.receive raises, CustomerKeyNeeded and CustomerKeyRefused.
    """
    wrapping = descriptions.wrapping(upload.description.encryption, customer_key)
    if not 1 <= number <= MOST_PARTS:
        raise Invalid(f"A part's number is between 1 and {MOST_PARTS}.")
    with receive(cloud, chunks, [upload.algorithm, *algorithms], claims, wrapping) as body:
        part = Part(number, body.size, body.md5, cloud.now(), body.checksums[upload.algorithm])

        def write(connection: sa.Connection) -> Sequence[str]:
            _require_row(connection, upload.bucket, upload.key, upload.id)  # it may have ended while the body came
            return _replace_part(connection, upload, part, body)

        replaced = cloud.database.apply(write)
    cloud.files.discard(replaced)
    return part


def copy_part(
    cloud: Cloud,
    upload: Upload,
    number: int,
    source: Source,
    *,
    span: Span | None = None,
    conditions: Conditions = NO_CONDITIONS,
    source_customer_key: bytes | None = None,
    customer_key: bytes | None = None,
) -> tuple[Object, Part]:
    """Store a part whose bytes are those of another object, or a span of them: (source, part)."""
    found, chunks = objects.get(
        cloud,
        source.bucket,
        source.key,
        version=source.version,
        span=span,
        conditions=conditions,
        customer_key=source_customer_key,
    )
    return found, put_part(cloud, upload, number, chunks, customer_key=customer_key)


def complete(
    cloud: Cloud,
    bucket: str,
    key: str,
    upload_id: str,
    wanted: Sequence[Wanted],
    *,
    claimed: Mapping[str, str] | None = None,
    is_composite: bool | None = None,
    size: int | None = None,
    conditions: Conditions = NO_CONDITIONS,
) -> Object:
    """Join the wanted parts into the object; completing again answers the same.

    `claimed` is what the client says the checksum of the object is, by algorithm; so are `is_composite` of it and the
    object's `size` in bytes. Raises NotFound (bucket, upload),
    PartMissing, PartsOutOfOrder, PartTooSmall, DigestMismatch and ConditionFailed; then the upload goes on.
    """
    _check_order(wanted)
    with full_disk_told(), cloud.database.transaction() as connection:
        done = versions.with_bytes(cloud, connection, bucket, key, upload_id)
        if done is not None:  # its answer may not have reached the client
            return done
        upload = _require(cloud, connection, bucket, key, upload_id)
        present = {part.number: part for part in _parts(connection, upload_id)}
        chosen = [_choose(upload, present, part) for part in wanted]
        _check_sizes(chosen)
        new = _joined_object(upload, chosen, cloud.now())
        _check_claims(new, claimed or {}, is_composite, size)
        discarded = _discard(connection, upload_id, [part.number for part in chosen])
        document = descriptions.seal(cloud, new.id, new.description)
        placed, replaced = versions.place(connection, new, document, conditions)
        connection.execute(sa.delete(uploads).where(uploads.c.id == upload_id))
    cloud.files.discard(discarded)
    cloud.files.delete(replaced)
    return replace(new, version=placed.version, position=placed.position)


def abort(cloud: Cloud, bucket: str, key: str, upload_id: str) -> None:
    """End an upload and remove its parts. Raises NotFound (bucket, upload)."""
    with full_disk_told(), cloud.database.transaction() as connection:
        _require_row(connection, bucket, key, upload_id)
        discarded = _discard(connection, upload_id, [])
        connection.execute(sa.delete(uploads).where(uploads.c.id == upload_id))
    cloud.files.discard(discarded)


def list_parts(cloud: Cloud, upload: Upload, *, after: int = 0, limit: int = 1000) -> tuple[list[Part], bool]:
    """At most `limit` parts with numbers above `after`, and whether there are more."""
    query = _select_parts(upload.id).where(parts.c.number > after).order_by(parts.c.number).limit(limit + 1)
    with cloud.database.read() as connection:
        found = [Part(**row._mapping) for row in connection.execute(query)]
    return found[:limit], 0 < limit < len(found)


def list_uploads(
    cloud: Cloud,
    bucket: str,
    *,
    prefix: str = "",
    delimiter: str = "",
    after: Sequence[str] | None = None,
    limit: int = 1000,
) -> tuple[list[Upload | Folder], bool]:
    """At most `limit` uploads and folders, by key and id, after a [key] or a [key, id], and whether there are more.

    Raises NotFound (bucket).
    """
    query = sa.select(uploads).where(uploads.c.bucket == bucket)
    order = [uploads.c.key, uploads.c.id]
    entries: list[Upload | Folder] = []
    with cloud.database.read() as connection:
        buckets.require(connection, bucket)
        found = folded(connection, query, order, after=after, prefix=prefix, delimiter=delimiter)
        for entry in found:
            if len(entries) >= limit:
                return entries, limit > 0
            entries.append(entry if isinstance(entry, Folder) else _upload(cloud, entry))
    return entries, False


def _require(cloud: Cloud, connection: sa.Connection, bucket: str, key: str, upload_id: str) -> Upload:
    return _upload(cloud, _require_row(connection, bucket, key, upload_id))


def _require_row(connection: sa.Connection, bucket: str, key: str, upload_id: str) -> sa.Row[Any]:
    row = connection.execute(sa.select(uploads).where(uploads.c.id == upload_id)).first()
    if row is None or (row.bucket, row.key) != (bucket, key):
        buckets.require(connection, bucket)
        raise NotFound("upload", upload_id)
    return row


def _upload(cloud: Cloud, row: sa.Row[Any]) -> Upload:
    values = {name: getattr(row, name) for name in _PLAIN}
    lock = Lock(row.retention, row.retain_until, row.legal_hold)
    return Upload(**values, lock=lock, description=descriptions.unseal(cloud, row.id, row.document))


def _replace_part(connection: sa.Connection, upload: Upload, part: Part, body: StoredBody) -> Sequence[str]:
    there = (parts.c.owner == upload.id, parts.c.number == part.number)
    replaced = connection.execute(sa.select(parts.c.blob).where(*there)).scalars().all()
    connection.execute(sa.delete(parts).where(*there))
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


def _check_order(wanted: Sequence[Wanted]) -> None:
    numbers = [part.number for part in wanted]
    if not numbers:
        raise Invalid("Name at least one part.")
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise PartsOutOfOrder("The parts must be named in ascending order of their numbers.")


def _choose(upload: Upload, present: Mapping[int, Part], wanted: Wanted) -> Part:
    part = present.get(wanted.number)
    if part is None or part.etag != wanted.etag.strip('"'):
        raise PartMissing(f"Part {wanted.number} with the entity tag {wanted.etag} was not uploaded.")
    claimed = wanted.checksums.get(upload.algorithm)
    if claimed is not None and claimed != part.checksum:
        raise PartMissing(f"Part {wanted.number} has another {upload.algorithm} than {claimed}.")
    return part


def _check_sizes(chosen: Sequence[Part]) -> None:
    for part in chosen[:-1]:
        if part.size < SMALLEST_PART_BYTES:
            raise PartTooSmall(f"Part {part.number} has {part.size} bytes, less than {SMALLEST_PART_BYTES}.")


def _joined_object(upload: Upload, chosen: Sequence[Part], now: float) -> Object:
    md5 = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in chosen), usedforsecurity=False)
    return Object(
        bucket=upload.bucket,
        key=upload.key,
        id=upload.id,
        size=sum(part.size for part in chosen),
        etag=f"{md5.hexdigest()}-{len(chosen)}",
        modified_at=now,
        storage_class=upload.storage_class,
        lock=upload.lock,
        description=upload.description,
        checksum=_joined_checksum(upload, chosen),
        parts=len(chosen),
    )


def _joined_checksum(upload: Upload, chosen: Sequence[Part]) -> Checksum:
    if upload.is_composite:
        return composite(upload.algorithm, [part.checksum for part in chosen])
    return joined(upload.algorithm, [(part.checksum, part.size) for part in chosen])


def _check_claims(new: Object, claimed: Mapping[str, str], is_composite: bool | None, size: int | None) -> None:
    assert new.checksum is not None
    if size not in (None, new.size):
        raise Invalid(f"The parts have {new.size} bytes together, not {size}.")
    if is_composite not in (None, new.checksum.is_composite):
        raise Invalid("The upload was begun with the other type of checksum.")
    for algorithm, value in claimed.items():
        computed = new.checksum.value
        if algorithm != new.checksum.algorithm:
            raise Invalid(f"The upload's checksums are {new.checksum.algorithm}, not {algorithm}.")
        # The number of parts is an addition to a composite checksum that clients may leave out.
        if value not in (computed, computed.partition("-")[0]):
            raise DigestMismatch(algorithm, value, computed)


def _discard(connection: sa.Connection, upload_id: str, kept: Sequence[int]) -> list[str]:
    """Remove the parts that are not to be kept; returns their blobs."""
    rows = connection.execute(sa.select(parts.c.number, parts.c.blob).where(parts.c.owner == upload_id)).all()
    wanted = set(kept)
    discarded = [row for row in rows if row.number not in wanted]
    if discarded:
        numbers = [{"n": row.number} for row in discarded]
        one = sa.delete(parts).where(parts.c.owner == upload_id, parts.c.number == sa.bindparam("n"))
        connection.execute(one, numbers)
    return [row.blob for row in discarded]


def _select_parts(upload_id: str) -> sa.Select[Any]:
    columns = (parts.c.number, parts.c.size, parts.c.etag, parts.c.modified_at, parts.c.checksum)
    return sa.select(*columns).where(parts.c.owner == upload_id)


def _parts(connection: sa.Connection, upload_id: str) -> list[Part]:
    return [Part(**row._mapping) for row in connection.execute(_select_parts(upload_id))]
