"""Log files of replicas and their size limit."""

import os
import time
from pathlib import Path

import pytest

from lowcloud.runtime.supervisor.log_file import LINE_BYTES, TAIL_BYTES, TAIL_SECONDS, LogWriter


def lines(path: Path) -> list[bytes]:
    return [line.partition(b" ")[2] for line in path.read_bytes().splitlines()]


def test_lines_are_timestamped_in_milliseconds_and_written_when_complete(tmp_path: Path) -> None:
    log = LogWriter(tmp_path / "log", 1 << 30)
    log.write(b"one\ntw")
    assert lines(tmp_path / "log") == [b"one"]
    log.write(b"o\nthree")
    log.close()
    assert lines(tmp_path / "log") == [b"one", b"two", b"three"]
    timestamp = int((tmp_path / "log").read_bytes().partition(b" ")[0])
    assert abs(timestamp / 1000 - time.time()) < 10


def test_an_endless_line_is_written_in_parts(tmp_path: Path) -> None:
    log = LogWriter(tmp_path / "log", 1 << 30)
    for _ in range(10):
        log.write(b"x" * 100_000)
    log.close()
    found = lines(tmp_path / "log")
    assert b"".join(found) == b"x" * 1_000_000
    assert max(map(len, found)) == LINE_BYTES


def test_output_lost_to_a_full_disk_is_counted_and_complete_lines_remain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogWriter(tmp_path / "log", 1 << 30)
    log.write(b"before\n")
    write = os.write

    def half_then_full(descriptor: int, data: memoryview) -> int:
        if len(data) > 10:
            return write(descriptor, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half_then_full)
    log.write(b"lost line\n")
    monkeypatch.setattr(os, "write", write)
    log.write(b"after\n")
    log.close()
    assert lines(tmp_path / "log") == [
        b"before",
        b"after",
        b"10 bytes of output are missing here: the log could not be written.",
    ]


def test_a_log_over_its_limit_continues_with_the_end_of_each_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    log = LogWriter(tmp_path / "log", 1000)
    log.write(b"first\n" * 200)
    beginning = len(lines(tmp_path / "log"))
    for minute in range(3):
        for _ in range(50):
            log.write(b"noise\n" * 1000)
        assert len(lines(tmp_path / "log")) == beginning
        now[0] += TAIL_SECONDS
        log.write(b"minute %d\n" % minute)
        *_, last = found = lines(tmp_path / "log")
        assert last == b"minute %d" % minute
        assert sum(map(len, found[beginning:])) <= TAIL_BYTES + 200
        assert sum(b"are omitted here" in line for line in found) == minute + 1
        beginning = len(found)
    log.write(b"the very end")
    log.close()
    assert lines(tmp_path / "log")[-1] == b"the very end"


def test_a_line_longer_than_the_kept_tail_is_cut(tmp_path: Path) -> None:
    log = LogWriter(tmp_path / "log", 1)
    log.write(b"first\n")
    log.write(b"x" * 100_000)
    log.write(b"y" * 200_000)
    log.close()
    first, note, cut = lines(tmp_path / "log")
    assert (first, cut) == (b"first", b"y" * (300_000 - LINE_BYTES))
    assert note.startswith(b"%d bytes" % (LINE_BYTES + 1))
