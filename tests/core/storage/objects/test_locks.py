"""Object lock: retention and legal holds."""

import pytest

from lowcloud.core.storage.buckets.buckets import Bucket
from lowcloud.core.storage.objects.locks import (
    COMPLIANCE,
    DAY_SECONDS,
    GOVERNANCE,
    UNLOCKED,
    YEAR_DAYS,
    Lock,
    LockedError,
    NotLockableError,
    check_retention_change,
    check_unlocked,
    with_default_retention,
)

NOW = 1_000_000.0


def bucket(object_lock: dict[str, object] | None) -> Bucket:
    return Bucket("shelf", "us-east-1", 0, object_lock=object_lock)


@pytest.mark.parametrize(
    ("lock", "is_free", "is_free_to_who_bypasses"),
    [
        (UNLOCKED, True, True),
        (Lock(GOVERNANCE, NOW + 1), False, True),
        (Lock(COMPLIANCE, NOW + 1), False, False),
        (Lock(COMPLIANCE, NOW), True, True),
        (Lock(legal_hold=True), False, False),
        (Lock(legal_hold=False), True, True),
        (Lock(GOVERNANCE, NOW - 1, legal_hold=True), False, False),
    ],
)
def test_a_lock_prevents_deletion(lock: Lock, is_free: bool, is_free_to_who_bypasses: bool) -> None:
    for expected, bypasses in ((is_free, False), (is_free_to_who_bypasses, True)):
        if expected:
            check_unlocked(lock, NOW, may_bypass_governance=bypasses)
        else:
            with pytest.raises(LockedError):
                check_unlocked(lock, NOW, may_bypass_governance=bypasses)


@pytest.mark.parametrize(
    ("old", "new", "may_change", "may_change_by_bypass"),
    [
        (UNLOCKED, Lock(COMPLIANCE, NOW + 9), True, True),
        (Lock(COMPLIANCE, NOW - 1), UNLOCKED, True, True),
        (Lock(GOVERNANCE, NOW + 5), Lock(GOVERNANCE, NOW + 5), True, True),
        (Lock(GOVERNANCE, NOW + 5), Lock(GOVERNANCE, NOW + 4), False, True),
        (Lock(GOVERNANCE, NOW + 5), Lock(COMPLIANCE, NOW + 9), False, True),
        (Lock(GOVERNANCE, NOW + 5), UNLOCKED, False, True),
        (Lock(COMPLIANCE, NOW + 5), Lock(COMPLIANCE, NOW + 9), True, True),
        (Lock(COMPLIANCE, NOW + 5), Lock(COMPLIANCE, NOW + 4), False, False),
        (Lock(COMPLIANCE, NOW + 5), Lock(GOVERNANCE, NOW + 9), False, False),
    ],
)
def test_a_retention_can_only_be_extended(old: Lock, new: Lock, may_change: bool, may_change_by_bypass: bool) -> None:
    for expected, bypasses in ((may_change, False), (may_change_by_bypass, True)):
        if expected:
            check_retention_change(old, new, NOW, may_bypass_governance=bypasses)
        else:
            with pytest.raises(LockedError):
                check_retention_change(old, new, NOW, may_bypass_governance=bypasses)


def test_a_new_version_has_the_retention_of_its_bucket_unless_it_has_its_own() -> None:
    days, years = bucket({"mode": "GOVERNANCE", "days": 3}), bucket({"mode": "COMPLIANCE", "years": 2})
    assert with_default_retention(days, UNLOCKED, NOW) == Lock(GOVERNANCE, NOW + 3 * DAY_SECONDS)
    assert with_default_retention(years, UNLOCKED, NOW) == Lock(COMPLIANCE, NOW + 2 * YEAR_DAYS * DAY_SECONDS)
    assert with_default_retention(days, Lock(legal_hold=True), NOW) == Lock(
        GOVERNANCE, NOW + 3 * DAY_SECONDS, legal_hold=True
    )
    own = Lock(COMPLIANCE, NOW + 1)
    assert with_default_retention(days, own, NOW) == own
    assert with_default_retention(bucket({}), own, NOW) == own
    assert with_default_retention(bucket(None), UNLOCKED, NOW) == UNLOCKED
    with pytest.raises(NotLockableError):
        with_default_retention(bucket(None), own, NOW)
