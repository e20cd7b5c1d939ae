"""What was read a moment ago is cached, and never past a change."""

from pathlib import Path

import pytest

from lowcloud.core.context import CACHED_VALUES, AccessCache, NotCachedError, ReadCache, WakeSignal
from lowcloud.store.generation import Generation


def test_a_value_is_read_once_until_the_wake_signal():
    wake, cache, reads = WakeSignal(), ReadCache(), []
    wake.subscribe(cache.clear)

    def read() -> int:
        reads.append(1)
        return len(reads)

    assert [cache.get("a", read), cache.get("a", read)] == [1, 1]
    wake.notify()
    assert cache.get("a", read) == 2


def test_a_value_read_during_a_wake_signal_is_not_cached():
    cache = ReadCache()

    def read_old() -> str:
        cache.clear()  # the change comes after the old value was read
        return "old"

    assert cache.get("a", read_old) == "old"
    assert cache.get("a", lambda: "new") == "new"


def test_a_failed_read_is_not_cached():
    cache = ReadCache()

    def fail() -> str:
        raise KeyError

    with pytest.raises(KeyError):
        cache.get("a", fail)
    assert cache.get("a", lambda: "there") == "there"


def test_a_cache_does_not_grow_with_what_is_asked_for():
    cache = ReadCache()
    for number in range(CACHED_VALUES + 10):
        cache.get(("access key", number), lambda: None)
    assert len(cache._cached) <= CACHED_VALUES
    assert cache.get(("access key", 0), lambda: "read again") == "read again"


def test_what_is_known_is_not_read(tmp_path: Path) -> None:
    cache = AccessCache(Generation(tmp_path / "generation"))
    with pytest.raises(NotCachedError):
        cache.known("key", lambda: "value")
    cache.get("key", lambda: "value")
    assert cache.known("key", lambda: "another") == "value"
    cache.invalidate()
    with pytest.raises(NotCachedError):
        cache.known("key", lambda: "value")


def test_a_change_in_another_process_is_seen_at_once(tmp_path: Path) -> None:
    here, there = (AccessCache(Generation(tmp_path / "generation")) for _ in range(2))
    assert here.get("key", lambda: "before") == "before"
    there.invalidate()
    assert here.get("key", lambda: "after") == "after"


def test_what_was_read_before_a_change_is_not_kept(tmp_path: Path) -> None:
    cache = AccessCache(Generation(tmp_path / "generation"))

    def read_during_a_change() -> str:
        cache.invalidate()
        return "before"

    assert cache.get("key", read_during_a_change) == "before"
    assert cache.get("key", lambda: "after") == "after"
