"""Lifecycles: which versions and uploads a bucket's rules say are over. Pure; lifecycle_sweep.py carries it out.

Follows https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html: ages are told in whole days,
and what becomes due within a day is due at the midnight after it.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from lowcloud.core.storage.objects.versions import Version

Tags = Callable[[], Mapping[str, str]]  # reads the tags of a version, which costs something


@dataclass(frozen=True)
class LifecycleRule:
    """What is to become of the versions and uploads it is about. Sizes are in bytes, times in seconds."""

    id: str
    is_enabled: bool = True
    prefix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)  # all of them
    larger_than: int | None = None
    smaller_than: int | None = None
    expire_days: int | None = None
    expire_at: float | None = None
    expire_markers: bool = False  # those that nothing is left behind of
    noncurrent_days: int | None = None
    keep_newer: int | None = None  # so many noncurrent versions stay, whatever their age
    abort_days: int | None = None


class LifecycleAction(Enum):
    """What is to be done with a version."""

    HIDE = "hide"  # as a deletion that names no version does
    REMOVE = "remove"  # for good


@dataclass(frozen=True)
class RankedVersion:
    """A version and what those around it say of it."""

    version: Version
    successor_at: float | None = None  # when the next newer one was written; None: it is the newest
    newer: int = 0  # noncurrent versions of its key that are newer
    is_alone: bool = False  # there is no other version of its key


def parse_rules(document: Mapping[str, Any] | None) -> list[LifecycleRule]:
    """The enabled rules of a bucket's document of kind "lifecycle"."""
    rules = [] if document is None else [LifecycleRule(**rule) for rule in document["rules"]]
    return [rule for rule in rules if rule.is_enabled]


def ranked(rows: Iterable[Version], before: RankedVersion | None = None) -> Iterator[RankedVersion]:
    """Each of some versions, which come newest first within their keys, all but the last, which says what it lies on.

    `before` is what came before the first.
    """
    previous = before
    held: Version | None = None
    for following in rows:
        if held is not None:
            previous = _place(held, previous, following)
            yield previous
        held = following


def last_ranked(version: Version, before: RankedVersion | None) -> RankedVersion:
    """The last version of a bucket."""
    return _place(version, before, None)


def action_for(
    rules: Sequence[LifecycleRule], found: RankedVersion, tags: Tags, now: float, day: float
) -> LifecycleAction | None:
    """What is to be done with a version now. `day` is how many seconds a day has."""
    due = [rule for rule in rules if _is_due(rule, found, now, day) and _is_about(rule, found.version, tags)]
    if not due:
        return None
    is_current = found.successor_at is None
    return LifecycleAction.HIDE if is_current and not found.version.is_marker else LifecycleAction.REMOVE


def is_upload_expired(rules: Sequence[LifecycleRule], key: str, created_at: float, now: float, day: float) -> bool:
    """Whether an upload in progress is to be aborted now."""
    return any(
        rule.abort_days is not None and key.startswith(rule.prefix) and now >= due_at(created_at, rule.abort_days, day)
        for rule in rules
    )


def due_at(since: float, days: int, day: float) -> float:
    """The first midnight (UTC) that is so many days away at least."""
    return math.ceil((since + days * day) / day) * day


def _place(version: Version, before: RankedVersion | None, following: Version | None) -> RankedVersion:
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


def _is_about(rule: LifecycleRule, version: Version, tags: Tags) -> bool:
    if not version.key.startswith(rule.prefix):
        return False
    if version.is_marker:
        return not rule.tags and rule.larger_than is None and rule.smaller_than is None
    if rule.larger_than is not None and version.size <= rule.larger_than:
        return False
    if rule.smaller_than is not None and version.size >= rule.smaller_than:
        return False
    return not rule.tags or rule.tags.items() <= tags().items()
