"""The disk and memory usage of a replica is counted correctly, and rarely."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lowcloud.runtime.supervisor import usage_monitor
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not provide the usage of a process")


def check(monitor: usage_monitor.UsageMonitor, seconds: float = 5) -> str:
    """Return its first reason within some seconds of repeated checks."""
    deadline = time.monotonic() + seconds
    while not (reason := monitor.check()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return reason


def test_disk_usage_is_counted_in_all_folders_without_sparse_parts_and_repeated_links(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "file").write_bytes(bytes(1 << 20))
    with (tmp_path / "one" / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    (tmp_path / "two" / "link").hardlink_to(tmp_path / "two" / "deep" / "file")
    folders = [str(tmp_path / "one"), str(tmp_path / "two")]
    assert check(usage_monitor.UsageMonitor(folders, 3 << 20, 0), 1) == ""
    assert check(usage_monitor.UsageMonitor(folders, 2 << 20, 0)) == "disk full"


def test_deleted_files_count_while_they_are_open(tmp_path: Path) -> None:
    program = (
        "import sys, time; f = open(sys.argv[1], 'wb', 0); f.write(bytes(4 << 20)); import os; os.unlink(sys.argv[1]);"
        "print(flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "x")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"\n"
        assert check(usage_monitor.UsageMonitor([str(tmp_path)], 2 << 20, 0)) == "disk full"
        process.kill()
    assert check(usage_monitor.UsageMonitor([str(tmp_path)], 2 << 20, 0), 1) == ""


def test_an_unchanged_disk_is_not_counted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_monitor, "PAUSE_FACTOR", 0)
    monitor = usage_monitor.UsageMonitor([str(tmp_path)], 1 << 40, 0)
    disk = monitor._disk
    assert disk is not None
    assert check(monitor, 0.5) == ""
    count_due = disk._count_due
    assert count_due > time.monotonic()
    assert check(monitor, 0.5) == ""
    assert disk._count_due == count_due


def test_the_memory_of_all_descendants_is_summed_and_shared_memory_counts_once() -> None:
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
            others = sum(
                map(
                    usage_monitor._proportional_bytes,
                    set(usage_monitor.descendants(os.getpid())) - set(family(process.pid)),
                )
            )
            assert check(usage_monitor.UsageMonitor([], 0, others + (150 << 20)), 0.2) == ""
            assert check(usage_monitor.UsageMonitor([], 0, others + (40 << 20)), 0.2) == "out of memory"
        finally:
            os.killpg(process.pid, 9)
    wait_for(lambda: not list(usage_monitor.descendants(process.pid)))


def family(pid: int) -> list[int]:
    return [pid, *usage_monitor.descendants(pid)]


def test_without_a_limit_nothing_is_checked() -> None:
    assert usage_monitor.UsageMonitor([], 0, 0).next_at == float("inf")
