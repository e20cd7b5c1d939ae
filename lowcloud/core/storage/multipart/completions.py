"""Completion of multipart uploads: the parts become one object, without being copied."""

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
from lowcloud.store.db.tables.storage import uploads as upload_rows

MIN_PART_BYTES = 5 * 1024**2


@dataclass(frozen=True)
class RequestedPart:
    """A part as the client names it in the completion."""

    number: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)  # base64 by algorithm


class PartMissingError(CloudError):
    """A requested part was not uploaded, or has another entity tag or checksum."""

    def __init__(self, part: RequestedPart):
        super().__init__(f"Part {part.number} with the entity tag {part.etag} was not uploaded.")
        self.part = part


class PartsOutOfOrderError(CloudError):
    """The requested parts are not in ascending order."""


class PartTooSmallError(CloudError):
    """A part other than the last has less than 5 MiB."""

    def __init__(self, part: Part):
        super().__init__(f"Part {part.number} has {part.size} bytes, less than {MIN_PART_BYTES}.")
        self.part = part


def complete(
    context: Context,
    bucket: str,
    key: str,
    upload_id: str,
    requested: Sequence[RequestedPart],
    *,
    expected_checksums: Mapping[str, str] | None = None,
    is_composite: bool | None = None,
    size: int | None = None,
    preconditions: Preconditions = NO_PRECONDITIONS,
) -> Object:
    """Combine the requested parts into the object. Completing again returns the same object.

    `expected_checksums` (by algorithm), `is_composite` and `size` are verified against the object, if given.
    Raises NotFoundError (bucket, upload), PartMissingError, PartsOutOfOrderError, PartTooSmallError,
    DigestMismatchError and PreconditionFailedError; then the upload stays in progress.
    """
    _check_order(requested)
    with disk_full_errors(), context.database.transaction() as connection:
        completed = versions.find_by_id(context, connection, bucket, key, upload_id)
        if completed is not None:  # the client may not have received the response
            return completed
        upload = uploads.require(context, connection, bucket, key, upload_id)
        present = {part.number: part for part in uploads.all_parts(connection, upload_id)}
        chosen = [_choose(upload, present, part) for part in requested]
        _check_sizes(chosen)
        new = _combined_object(upload, chosen, context.now())
        _check_expectations(new, expected_checksums or {}, is_composite, size)
        deleted_blobs = uploads.delete_parts(connection, upload_id, [part.number for part in chosen])
        document = versions.seal(context, new)
        found = buckets.require(connection, bucket)
        completed, replaced_blobs = versions.insert_version(connection, found, new, document, preconditions)
        notifications.record(connection, found, notifications.COMPLETED, completed, new.modified_at)
        connection.execute(sa.delete(upload_rows).where(upload_rows.c.id == upload_id))
    context.files.discard(deleted_blobs)
    context.files.delete(replaced_blobs)
    return completed


def _check_order(requested: Sequence[RequestedPart]) -> None:
    numbers = [part.number for part in requested]
    if not numbers:
        raise InvalidError("A completion needs at least one part.")
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise PartsOutOfOrderError("The parts must be in ascending order of their numbers.")


def _choose(upload: Upload, present: Mapping[int, Part], requested: RequestedPart) -> Part:
    part = present.get(requested.number)
    if part is None or part.etag != requested.etag.strip('"'):
        raise PartMissingError(requested)
    expected_checksums = requested.checksums.get(upload.algorithm)
    if expected_checksums is not None and expected_checksums != part.checksum:
        raise PartMissingError(requested)
    return part


def _check_sizes(chosen: Sequence[Part]) -> None:
    for part in chosen[:-1]:
        if part.size < MIN_PART_BYTES:
            raise PartTooSmallError(part)


def _combined_object(upload: Upload, chosen: Sequence[Part], now: float) -> Object:
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
        checksum=_combined_checksum(upload, chosen),
        parts=len(chosen),
    )


def _combined_checksum(upload: Upload, chosen: Sequence[Part]) -> Checksum:
    if upload.is_composite:
        return composite(upload.algorithm, [part.checksum or "" for part in chosen])
    return combined(upload.algorithm, [(part.checksum or "", part.size) for part in chosen])


def _check_expectations(
    new: Object, expected_checksums: Mapping[str, str], is_composite: bool | None, size: int | None
) -> None:
    assert new.checksum is not None
    if size not in (None, new.size):
        raise InvalidError(f"The parts have {new.size} bytes together, not {size}.")
    if is_composite not in (None, new.checksum.is_composite):
        raise InvalidError("The upload was created with the other checksum type (composite or full object).")
    for algorithm, value in expected_checksums.items():
        computed = new.checksum.value
        if algorithm != new.checksum.algorithm:
            raise InvalidError(f"The upload was created with {new.checksum.algorithm} checksums, not {algorithm}.")
        # Clients may leave out the number of parts at the end of a composite checksum.
        if value not in (computed, computed.partition("-")[0]):
            raise DigestMismatchError(algorithm, value, computed)
