"""Lifecycle rules: which versions and uploads of a bucket have expired. Pure functions; sweep.py applies them.

Follows https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html: ages are in whole days, and
times are rounded up to the next midnight.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from lowcloud.core.storage.objects.versions import Version

# Reads the tags of a version, which are encrypted: called only if a rule needs them.
Tags = Callable[[], Mapping[str, str]]


@dataclass(frozen=True)
class LifecycleRule:
    """Actions, and the versions and uploads that they apply to. Sizes are in bytes, times in seconds."""

    id: str
    is_enabled: bool = True
    prefix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)  # all of which a version must have
    larger_than: int | None = None
    smaller_than: int | None = None
    expire_days: int | None = None
    expire_at: float | None = None
    expire_markers: bool = False  # delete markers that are the only version of their key
    noncurrent_days: int | None = None
    keep_newer: int | None = None  # how many noncurrent versions stay, whatever their age
    abort_days: int | None = None


class LifecycleAction(Enum):
    """The action to perform on an expired version."""

    HIDE = "hide"  # delete without naming a version, which may add a delete marker
    REMOVE = "remove"  # delete permanently


@dataclass(frozen=True)
class RankedVersion:
    """A version and its rank among the versions of its key."""

    version: Version
    successor_at: float | None = None  # when the next newer version was written; None: it is the newest
    newer: int = 0  # how many newer noncurrent versions the key has
    is_alone: bool = False  # it is the only version of its key


def parse_rules(document: Mapping[str, Any] | None) -> list[LifecycleRule]:
    """Return the enabled rules of a bucket's document of kind "lifecycle"."""
    rules = [] if document is None else [LifecycleRule(**rule) for rule in document["rules"]]
    return [rule for rule in rules if rule.is_enabled]


def ranked(rows: Iterable[Version], before: RankedVersion | None = None) -> Iterator[RankedVersion]:
    """Rank versions, which are sorted by key, newest first; the last one is left out, since it needs its successor.

    `before` is the version before the first of them.
    """
    previous = before
    current: Version | None = None
    for following in rows:
        if current is not None:
            previous = _rank(current, previous, following)
            yield previous
        current = following


def last_ranked(version: Version, before: RankedVersion | None) -> RankedVersion:
    """Rank the last version of a bucket."""
    return _rank(version, before, None)


def action_for(
    rules: Sequence[LifecycleRule], found: RankedVersion, tags: Tags, now: float, day: float
) -> LifecycleAction | None:
    """Return what to do with a version now, or None. `day` is the length of a day in seconds."""
    due = [rule for rule in rules if _is_due(rule, found, now, day) and _applies(rule, found.version, tags)]
    if not due:
        return None
    is_current = found.successor_at is None
    return LifecycleAction.HIDE if is_current and not found.version.is_marker else LifecycleAction.REMOVE


def is_upload_expired(rules: Sequence[LifecycleRule], key: str, created_at: float, now: float, day: float) -> bool:
    """Return whether an upload in progress is to be aborted now."""
    return any(
        rule.abort_days is not None and key.startswith(rule.prefix) and now >= due_at(created_at, rule.abort_days, day)
        for rule in rules
    )


def due_at(since: float, days: int, day: float) -> float:
    """Return the first midnight (UTC) at least `days` after a time."""
    return math.ceil((since + days * day) / day) * day


def _rank(version: Version, before: RankedVersion | None, following: Version | None) -> RankedVersion:
    is_newest = before is None or before.version.key != version.key
    is_oldest = following is None or following.key != version.key
    if is_newest or before is None:
        return RankedVersion(version, is_alone=is_oldest)
    newer = 0 if before.successor_at is None else before.newer + 1
    return RankedVersion(version, before.version.modified_at, newer)


def _is_due(rule: LifecycleRule, found: RankedVersion, now: float, day: float) -> bool:
    version = found.version
    if found.successor_at is not None:
        is_old = rule.noncurrent_days is not None and now >= due_at(found.successor_at, rule.noncurrent_days, day)
        return is_old and found.newer >= (rule.keep_newer or 0)
    if version.is_marker and not found.is_alone:
        return False
    if version.is_marker and rule.expire_markers:
        return True
    if rule.expire_at is not None:
        return now >= rule.expire_at
    return rule.expire_days is not None and now >= due_at(version.modified_at, rule.expire_days, day)


def _applies(rule: LifecycleRule, version: Version, tags: Tags) -> bool:
    if not version.key.startswith(rule.prefix):
        return False
    if version.is_marker:
        return not rule.tags and rule.larger_than is None and rule.smaller_than is None
    if rule.larger_than is not None and version.size <= rule.larger_than:
        return False
    if rule.smaller_than is not None and version.size >= rule.smaller_than:
        return False
    return not rule.tags or rule.tags.items() <= tags().items()
