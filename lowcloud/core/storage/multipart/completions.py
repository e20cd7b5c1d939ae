"""Completions: the parts of an upload joined into an object, without being moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError, InvalidError
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.failures import disk_full_errors
from lowcloud.core.storage.multipart import uploads
from lowcloud.core.storage.multipart.uploads import Part, Upload
from lowcloud.core.storage.objects import notifications, versions
from lowcloud.core.storage.objects.checksums import Checksum, DigestMismatchError, combined, composite, multipart_etag
from lowcloud.core.storage.objects.preconditions import NO_PRECONDITIONS, Preconditions
from lowcloud.core.storage.objects.versions import Object
from lowcloud.store.db.tables import uploads as upload_rows

MIN_PART_BYTES = 5 * 1024**2


@dataclass(frozen=True)
class RequestedPart:
    """A part as the completing client names it."""

    number: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)  # base64 by algorithm


class PartMissingError(CloudError):
    """A part to join was not uploaded, or is not the one that was."""

    def __init__(self, wanted: RequestedPart):
        super().__init__(f"Part {wanted.number} with the entity tag {wanted.etag} was not uploaded.")
        self.wanted = wanted


class PartsOutOfOrderError(CloudError):
    """The parts to join are not in ascending order."""


class PartTooSmallError(CloudError):
    """Each part but the last has 5 MiB at least."""

    def __init__(self, part: Part):
        super().__init__(f"Part {part.number} has {part.size} bytes, less than {MIN_PART_BYTES}.")
        self.part = part


def complete(
    context: Context,
    bucket: str,
    key: str,
    upload_id: str,
    wanted: Sequence[RequestedPart],
    *,
    expected_checksums: Mapping[str, str] | None = None,
    is_composite: bool | None = None,
    size: int | None = None,
    preconditions: Preconditions = NO_PRECONDITIONS,
) -> Object:
    """Join the wanted parts into the object; completing again answers the same.

    `claimed` is what the client says the checksum of the object is, by algorithm; so are `is_composite` of it and the
    object's `size` in bytes. Raises NotFound (bucket, upload), PartMissingError, PartsOutOfOrderError,
    PartTooSmallError, DigestMismatchError and ConditionFailed; then the upload goes on.
    """
    _check_order(wanted)
    with disk_full_errors(), context.database.transaction() as connection:
        done = versions.find_by_id(context, connection, bucket, key, upload_id)
        if done is not None:  # its answer may not have reached the client
            return done
        upload = uploads.require(context, connection, bucket, key, upload_id)
        present = {part.number: part for part in uploads.all_parts(connection, upload_id)}
        chosen = [_choose(upload, present, part) for part in wanted]
        _check_sizes(chosen)
        new = _joined_object(upload, chosen, context.now())
        _check_claims(new, expected_checksums or {}, is_composite, size)
        discarded = uploads.delete_parts(connection, upload_id, [part.number for part in chosen])
        document = versions.seal(context, new)
        found = buckets.require(connection, bucket)
        placed, replaced = versions.insert_version(connection, found, new, document, preconditions)
        notifications.record(connection, found, notifications.COMPLETED, placed, new.modified_at)
        connection.execute(sa.delete(upload_rows).where(upload_rows.c.id == upload_id))
    context.files.discard(discarded)
    context.files.delete(replaced)
    return placed


def _check_order(wanted: Sequence[RequestedPart]) -> None:
    numbers = [part.number for part in wanted]
    if not numbers:
        raise InvalidError("Name at least one part.")
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise PartsOutOfOrderError("The parts must be named in ascending order of their numbers.")


def _choose(upload: Upload, present: Mapping[int, Part], wanted: RequestedPart) -> Part:
    part = present.get(wanted.number)
    if part is None or part.etag != wanted.etag.strip('"'):
        raise PartMissingError(wanted)
    expected_checksums = wanted.checksums.get(upload.algorithm)
    if expected_checksums is not None and expected_checksums != part.checksum:
        raise PartMissingError(wanted)
    return part


def _check_sizes(chosen: Sequence[Part]) -> None:
    for part in chosen[:-1]:
        if part.size < MIN_PART_BYTES:
            raise PartTooSmallError(part)


def _joined_object(upload: Upload, chosen: Sequence[Part], now: float) -> Object:
    return Object(
        bucket=upload.bucket,
        key=upload.key,
        id=upload.id,
        size=sum(part.size for part in chosen),
        etag=multipart_etag([part.etag for part in chosen]),
        modified_at=now,
        storage_class=upload.storage_class,
        lock=upload.lock,
        metadata=upload.metadata,
        checksum=_joined_checksum(upload, chosen),
        parts=len(chosen),
    )


def _joined_checksum(upload: Upload, chosen: Sequence[Part]) -> Checksum:
    if upload.is_composite:
        return composite(upload.algorithm, [part.checksum or "" for part in chosen])
    return combined(upload.algorithm, [(part.checksum or "", part.size) for part in chosen])


def _check_claims(
    new: Object, expected_checksums: Mapping[str, str], is_composite: bool | None, size: int | None
) -> None:
    assert new.checksum is not None
    if size not in (None, new.size):
        raise InvalidError(f"The parts have {new.size} bytes together, not {size}.")
    if is_composite not in (None, new.checksum.is_composite):
        raise InvalidError("The upload was begun with the other type of checksum.")
    for algorithm, value in expected_checksums.items():
        computed = new.checksum.value
        if algorithm != new.checksum.algorithm:
            raise InvalidError(f"The upload's checksums are {new.checksum.algorithm}, not {algorithm}.")
        # The number of parts is an addition to a composite checksum that clients may leave out.
        if value not in (computed, computed.partition("-")[0]):
            raise DigestMismatchError(algorithm, value, computed)
