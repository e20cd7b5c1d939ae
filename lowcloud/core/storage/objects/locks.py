"""Object locks: retention and legal holds, which protect a version from deletion."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lowcloud.core.errors import CloudError, ForbiddenError
from lowcloud.core.storage.buckets.buckets import Bucket

GOVERNANCE, COMPLIANCE = "governance", "compliance"  # only the former can be bypassed
DAY_SECONDS = 86400
YEAR_DAYS = 365


@dataclass(frozen=True, slots=True)
class Lock:
    """Protection of a version from deletion. The time is in seconds since the epoch."""

    retention: str | None = None  # GOVERNANCE or COMPLIANCE
    retain_until: float | None = None
    legal_hold: bool | None = None  # None: never set

    def is_retained(self, now: float) -> bool:
        """Return whether the retention period has not ended."""
        return self.retention is not None and (self.retain_until or 0) > now


UNLOCKED = Lock()


def to_lock(retention: str | None, retain_until: float | None, legal_hold: int | None) -> Lock:
    """Convert the columns of a row into a lock."""
    if retention is None and legal_hold is None:
        return UNLOCKED
    return Lock(retention, retain_until, None if legal_hold is None else bool(legal_hold))


class LockedError(ForbiddenError):
    """A version is locked: it may not be deleted, and its lock may not be weakened."""


class NotLockableError(CloudError):
    """Object lock is not enabled for the bucket."""


def check_lockable(bucket: Bucket, lock: Lock) -> None:
    """Raise NotLockableError for a lock in a bucket without object lock."""
    if lock is not UNLOCKED and bucket.object_lock is None:
        raise NotLockableError(f"Object lock is not enabled for bucket {bucket.name}.")


def with_default_retention(bucket: Bucket, lock: Lock, now: float) -> Lock:
    """Return a new version's lock, with the bucket's default retention if it has none. Raises NotLockableError."""
    check_lockable(bucket, lock)
    if not bucket.object_lock or lock.retention is not None:
        return lock
    default: Mapping[str, Any] = bucket.object_lock
    days = default["days"] if "days" in default else default["years"] * YEAR_DAYS
    return replace(lock, retention=default["mode"].lower(), retain_until=now + days * DAY_SECONDS)


def check_unlocked(lock: Lock, now: float, *, may_bypass_governance: bool) -> None:
    """Raise LockedError if a version with this lock may not be deleted."""
    if lock.legal_hold:
        raise LockedError("The version is under legal hold.")
    if lock.is_retained(now) and (lock.retention == COMPLIANCE or not may_bypass_governance):
        raise LockedError(f"The version is retained ({lock.retention} mode).")


def check_retention_change(old: Lock, new: Lock, now: float, *, may_bypass_governance: bool) -> None:
    """Raise LockedError if the retention may not be changed so: it may only be extended, or bypassed."""
    if not old.is_retained(now) or (old.retention == GOVERNANCE and may_bypass_governance):
        return
    if new.retention != old.retention or (new.retain_until or 0) < (old.retain_until or 0):
        raise LockedError(f"The version is retained ({old.retention} mode): the retention may only be extended.")
