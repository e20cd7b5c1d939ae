import os
import time
from pathlib import Path

import pytest

from lowcloud.runtime.supervisor.log_file import END_BYTES, END_SECONDS, LINE_BYTES, Journal


def lines(path: Path) -> list[bytes]:
    return [line.partition(b" ")[2] for line in path.read_bytes().splitlines()]


def test_lines_are_stamped_with_milliseconds_and_wait_for_their_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log", 1 << 30)
    journal.write(b"one\ntw")
    assert lines(tmp_path / "log") == [b"one"]
    journal.write(b"o\nthree")
    journal.close()
    assert lines(tmp_path / "log") == [b"one", b"two", b"three"]
    stamp = int((tmp_path / "log").read_bytes().partition(b" ")[0])
    assert abs(stamp / 1000 - time.time()) < 10


def test_a_line_without_end_is_written_in_parts(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log", 1 << 30)
    for _ in range(10):
        journal.write(b"x" * 100_000)
    journal.close()
    found = lines(tmp_path / "log")
    assert b"".join(found) == b"x" * 1_000_000
    assert max(map(len, found)) == LINE_BYTES


def test_what_a_full_disk_swallowed_is_counted_and_whole_lines_remain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "log", 1 << 30)
    journal.write(b"before\n")
    write = os.write

    def half_then_full(descriptor: int, data: memoryview) -> int:
        if len(data) > 10:
            return write(descriptor, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half_then_full)
    journal.write(b"lost line\n")
    monkeypatch.setattr(os, "write", write)
    journal.write(b"after\n")
    journal.close()
    assert lines(tmp_path / "log") == [
        b"before",
        b"after",
        b"10 bytes of output are missing here: the log could not be written.",
    ]


def test_a_log_over_its_limit_goes_on_with_the_end_of_each_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    journal = Journal(tmp_path / "log", 1000)
    journal.write(b"first\n" * 200)
    beginning = len(lines(tmp_path / "log"))
    for minute in range(3):
        for _ in range(50):
            journal.write(b"noise\n" * 1000)
        assert len(lines(tmp_path / "log")) == beginning
        now[0] += END_SECONDS
        journal.write(b"minute %d\n" % minute)
        *_, last = found = lines(tmp_path / "log")
        assert last == b"minute %d" % minute
        assert sum(map(len, found[beginning:])) <= END_BYTES + 200
        assert sum(b"are left out here" in line for line in found) == minute + 1
        beginning = len(found)
    journal.write(b"the very end")
    journal.close()
    assert lines(tmp_path / "log")[-1] == b"the very end"


def test_a_line_longer_than_what_is_kept_of_the_end_is_cut(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log", 1)
    journal.write(b"first\n")
    journal.write(b"x" * 100_000)
    journal.write(b"y" * 200_000)
    journal.close()
    first, note, cut = lines(tmp_path / "log")
    assert (first, cut) == (b"first", b"y" * (300_000 - LINE_BYTES))
    assert note.startswith(b"%d bytes" % (LINE_BYTES + 1))
