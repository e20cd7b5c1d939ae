"""Deletions of objects, which in a versioned bucket add delete markers."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.failures import apply_deletion
from lowcloud.core.storage.objects import notifications, versions
from lowcloud.core.storage.objects.locks import check_unlocked
from lowcloud.core.storage.objects.preconditions import NO_PRECONDITIONS, PreconditionFailedError, Preconditions


@dataclass(frozen=True)
class Deletion:
    """The result of a deletion. `version` is that of the delete marker written, or of the version removed."""

    key: str
    version: str | None  # None: the bucket was never versioned
    is_marker: bool  # the version is a delete marker


def delete(
    context: Context,
    bucket: str,
    key: str,
    *,
    version: str | None = None,
    preconditions: Preconditions = NO_PRECONDITIONS,
    may_bypass_governance: bool = False,
) -> Deletion:
    """Delete an object, by a delete marker if the bucket is versioned; a missing object is not an error.

    A named version is deleted permanently. Raises NotFoundError (bucket), PreconditionFailedError and LockedError.
    """
    [done] = delete_many(context, bucket, [(key, version, preconditions)], may_bypass_governance=may_bypass_governance)
    if isinstance(done, CloudError):
        raise done
    return done


def delete_many(
    context: Context,
    bucket: str,
    requests: Sequence[tuple[str, str | None, Preconditions]],
    *,
    may_bypass_governance: bool = False,
    cause: str = notifications.REMOVED,
) -> list[Deletion | CloudError]:
    """Delete each (key, version, preconditions), in one transaction. Returns a result or an error for each.

    `cause` is the kind of event to record: notifications.REMOVED or EXPIRED. Raises NotFoundError (bucket).
    """
    now = context.now()

    def write(connection: sa.Connection) -> tuple[list[Deletion | CloudError], list[list[str]]]:
        found = buckets.require(connection, bucket)
        outcomes: list[Deletion | CloudError] = []
        blobs = []
        for key, version, preconditions in requests:
            try:
                if version is None:
                    done, freed = _hide(connection, found, key, preconditions, now, cause)
                else:
                    done, freed = _remove(
                        connection, found, key, version, preconditions, now, may_bypass_governance, cause
                    )
            except CloudError as error:
                outcomes.append(error)
            else:
                outcomes.append(done)
                blobs.append(freed)
        return outcomes, blobs

    return apply_deletion(context, write)


def _hide(
    connection: sa.Connection, bucket: buckets.Bucket, key: str, preconditions: Preconditions, now: float, cause: str
) -> tuple[Deletion, list[str]]:
    """Delete the only version of a key, or write a delete marker if the bucket is versioned."""
    newest = versions.newest(connection, bucket.name, key)
    _check(preconditions, newest, key)
    if bucket.versioning is None:
        if newest is None:
            return Deletion(key, None, False), []
        notifications.record(connection, bucket, f"{cause}:{notifications.DELETE}", newest, now)
        return Deletion(key, None, False), versions.delete(connection, newest)
    marker, freed = versions.insert_marker(connection, bucket, key, newest, now)
    notifications.record(connection, bucket, f"{cause}:{notifications.MARKER}", marker, now)
    return Deletion(key, marker.version, True), freed


def _remove(
    connection: sa.Connection,
    bucket: buckets.Bucket,
    key: str,
    version: str,
    preconditions: Preconditions,
    now: float,
    may_bypass_governance: bool,
    cause: str,
) -> tuple[Deletion, list[str]]:
    """Delete a version permanently."""
    found = versions.named(connection, bucket.name, key, version)
    _check(preconditions, found, key)
    if found is None:
        return Deletion(key, version, False), []
    check_unlocked(found.lock, now, may_bypass_governance=may_bypass_governance)
    notifications.record(connection, bucket, f"{cause}:{notifications.DELETE}", found, now)
    return Deletion(key, version, found.is_marker), versions.delete(connection, found)


def _check(preconditions: Preconditions, found: versions.Version | None, key: str) -> None:
    if found is not None and found.is_marker and preconditions.if_match is not None:
        raise PreconditionFailedError("If-Match")  # the object existed once: not NotFoundError
    versions.check_overwrite(preconditions, found, key)
