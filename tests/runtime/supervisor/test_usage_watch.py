"""What a replica uses is counted rightly, and rarely."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lowcloud.runtime.supervisor import usage_watch
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no other system tells what a process uses")


def looked(watched: usage_watch.Watch, seconds: float = 5) -> str:
    """What it says within some seconds of looking as often as possible."""
    deadline = time.monotonic() + seconds
    while not (reason := watched.look()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return reason


def test_disk_is_counted_in_all_folders_without_what_is_sparse_or_linked_twice(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "file").write_bytes(bytes(1 << 20))
    with (tmp_path / "one" / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    (tmp_path / "two" / "link").hardlink_to(tmp_path / "two" / "deep" / "file")
    folders = [str(tmp_path / "one"), str(tmp_path / "two")]
    assert looked(usage_watch.Watch(folders, 3 << 20, 0), 1) == ""
    assert looked(usage_watch.Watch(folders, 2 << 20, 0)) == "disk full"


def test_files_without_a_name_count_while_they_are_open(tmp_path: Path) -> None:
    program = (
        "import sys, time; f = open(sys.argv[1], 'wb', 0); f.write(bytes(4 << 20)); import os; os.unlink(sys.argv[1]);"
        "print(flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "x")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"\n"
        assert looked(usage_watch.Watch([str(tmp_path)], 2 << 20, 0)) == "disk full"
        process.kill()
    assert looked(usage_watch.Watch([str(tmp_path)], 2 << 20, 0), 1) == ""


def test_a_disk_that_nothing_is_taken_from_is_not_counted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_watch, "REST", 0)
    watched = usage_watch.Watch([str(tmp_path)], 1 << 40, 0)
    disk = watched._disk
    assert disk is not None
    assert looked(watched, 0.5) == ""
    due = disk._due
    assert due > time.monotonic()
    assert looked(watched, 0.5) == ""
    assert disk._due == due


def test_memory_is_that_of_all_descendants_and_what_they_share_counts_once() -> None:
    program = (
        "import os, sys, time; x = bytearray(os.urandom(1 << 20) * 48)\n"
        "for _ in range(4):\n    if not os.fork(): break\n"
        "print(flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        for _ in range(5):
            process.stdout.readline()
        try:
            others = sum(map(usage_watch._share, set(usage_watch.descendants(os.getpid())) - set(family(process.pid))))
            assert looked(usage_watch.Watch([], 0, others + (150 << 20)), 0.2) == ""
            assert looked(usage_watch.Watch([], 0, others + (40 << 20)), 0.2) == "out of memory"
        finally:
            os.killpg(process.pid, 9)
    wait_for(lambda: not list(usage_watch.descendants(process.pid)))


def family(pid: int) -> list[int]:
    return [pid, *usage_watch.descendants(pid)]


def test_who_has_no_limit_is_not_looked_at() -> None:
    assert usage_watch.Watch([], 0, 0).next_at == float("inf")
