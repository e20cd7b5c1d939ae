"""Disk faults for tests: small disks, read-only disks, and system calls that fail."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.waiting import wait_for

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace, which scripts/install adds")


class PowerFailureError(BaseException):
    """The power fails: no handler of an Exception runs."""


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a small disk at `folder`."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make everything below the folder read-only."""
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def failing(pid: int, calls: str, error: str) -> Iterator[None]:
    """Make these system calls of all threads of a process fail with this error."""
    command = ["strace", "-f", "-p", str(pid), "-e", f"trace={calls}", "-e", f"inject={calls}:error={error}"]
    log = Path(f"/proc/{pid}/status")
    with subprocess.Popen([*command, "-o", os.devnull], stderr=subprocess.DEVNULL) as strace:
        try:
            wait_for(lambda: all(_tracer(thread) == strace.pid for thread in log.parent.glob("task/*/status")))
            yield
        finally:
            strace.terminate()


def _tracer(status: Path) -> int:
    try:
        return int(next(line for line in status.read_text().splitlines() if line.startswith("TracerPid")).split()[1])
    except FileNotFoundError:  # the thread has ended
        return 0
