"""What was read a moment ago is remembered, and never past a change."""

import pytest

from lowcloud.core.context import ReadCache, WakeSignal


def test_a_value_is_read_once_until_the_bell_rings():
    bell, recent, reads = WakeSignal(), ReadCache(), []
    bell.listen(recent.forget)

    def read() -> int:
        reads.append(1)
        return len(reads)

    assert [recent.get("a", read), recent.get("a", read)] == [1, 1]
    bell.ring()
    assert recent.get("a", read) == 2


def test_a_value_read_while_the_bell_rang_is_not_kept():
    recent = ReadCache()

    def read_old() -> str:
        recent.forget()  # the change comes after the old value was read
        return "old"

    assert recent.get("a", read_old) == "old"
    assert recent.get("a", lambda: "new") == "new"


def test_a_failed_read_is_not_remembered():
    recent = ReadCache()

    def fail() -> str:
        raise KeyError

    with pytest.raises(KeyError):
        recent.get("a", fail)
    assert recent.get("a", lambda: "there") == "there"
