import os
import time
from pathlib import Path

import pytest

from lowcloud.runtime.journal import LINE_BYTES, Journal


def lines(path: Path) -> list[bytes]:
    return [line.partition(b" ")[2] for line in path.read_bytes().splitlines()]


def test_lines_are_stamped_with_milliseconds_and_wait_for_their_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log")
    journal.write(b"one\ntw")
    assert lines(tmp_path / "log") == [b"one"]
    journal.write(b"o\nthree")
    journal.close()
    assert lines(tmp_path / "log") == [b"one", b"two", b"three"]
    stamp = int((tmp_path / "log").read_bytes().partition(b" ")[0])
    assert abs(stamp / 1000 - time.time()) < 10


def test_a_line_without_end_is_written_in_parts(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log")
    for _ in range(10):
        journal.write(b"x" * 100_000)
    journal.close()
    found = lines(tmp_path / "log")
    assert b"".join(found) == b"x" * 1_000_000
    assert max(map(len, found)) == LINE_BYTES


def test_what_a_full_disk_swallowed_is_counted_and_whole_lines_remain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "log")
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
