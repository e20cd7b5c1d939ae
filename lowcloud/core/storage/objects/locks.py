"""Locks: what keeps a version of an object from being deleted, for a time or until somebody lifts it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lowcloud.core.errors import CloudError, ForbiddenError
from lowcloud.core.storage.buckets.buckets import Bucket

GOVERNANCE, COMPLIANCE = "governance", "compliance"  # whoever may bypass it can lift the former; nobody the latter
DAY_SECONDS = 86400
YEAR_DAYS = 365


@dataclass(frozen=True, slots=True)
class Lock:
    """What keeps a version from being deleted. The time is in seconds since the epoch."""

    retention: str | None = None  # GOVERNANCE or COMPLIANCE
    retain_until: float | None = None
    legal_hold: bool | None = None  # None: nothing was ever said of it

    def is_retained(self, now: float) -> bool:
        """Whether the retention has not run out."""
        return self.retention is not None and (self.retain_until or 0) > now


UNLOCKED = Lock()


def to_lock(retention: str | None, retain_until: float | None, legal_hold: int | None) -> Lock:
    """The lock in the columns of a row."""
    if retention is None and legal_hold is None:
        return UNLOCKED
    return Lock(retention, retain_until, None if legal_hold is None else bool(legal_hold))


class LockedError(ForbiddenError):
    """A version is retained or held: it may not be deleted, or its lock not be weakened."""


class NotLockableError(CloudError):
    """The bucket has no lock for its objects."""


def check_lockable(bucket: Bucket, lock: Lock) -> None:
    """Raises NotLockableError where the lock asks for what the bucket does not have."""
    if lock is not UNLOCKED and bucket.object_lock is None:
        raise NotLockableError(f"Bucket {bucket.name} has no lock for its objects.")


def with_default_retention(bucket: Bucket, lock: Lock, now: float) -> Lock:
    """The lock asked for, with the bucket's retention where none was. Raises NotLockableError."""
    check_lockable(bucket, lock)
    if not bucket.object_lock or lock.retention is not None:
        return lock
    said: Mapping[str, Any] = bucket.object_lock
    days = said["days"] if "days" in said else said["years"] * YEAR_DAYS
    return replace(lock, retention=said["mode"].lower(), retain_until=now + days * DAY_SECONDS)


def check_unlocked(lock: Lock, now: float, *, may_bypass_governance: bool) -> None:
    """Raises Locked where what has this lock may not be deleted."""
    if lock.legal_hold:
        raise LockedError("It is under legal hold.")
    if lock.is_retained(now) and (lock.retention == COMPLIANCE or not may_bypass_governance):
        raise LockedError(f"It is retained ({lock.retention}).")


def check_retention_change(old: Lock, new: Lock, now: float, *, may_bypass_governance: bool) -> None:
    """Raises Locked where one retention may not give way to another: it may only become longer, or be bypassed."""
    if not old.is_retained(now) or (old.retention == GOVERNANCE and may_bypass_governance):
        return
    if new.retention != old.retention or (new.retain_until or 0) < (old.retain_until or 0):
        raise LockedError(f"It is retained ({old.retention}): the retention may only be made longer.")
