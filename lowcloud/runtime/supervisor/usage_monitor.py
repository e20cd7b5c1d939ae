"""Monitors a replica's disk and memory usage where the kernel does not limit it.

Every second it reads the free space of the file system. Counting the replica's own usage takes longer: du runs twice a
minute, or sooner if the replica could have used half of what it had left, and for at most a twentieth of the time.
"""

import os
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lowcloud import contract

CHECK_SECONDS = 1.0
COUNT_SECONDS = 30.0
PAUSE_FACTOR = 20  # pause after a count, as a multiple of its duration
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
PROPORTIONAL_FIELDS = ("Pss_Anon:", "Pss_Shmem:")  # of memory, divided by the number of processes that share it


class UsageMonitor:
    """Checks the descendants of this process against the limits of one replica; 0 means no limit."""

    def __init__(self, folders: list[str], disk_bytes: int, memory_bytes: int):
        self._disk = _DiskUsage(folders, disk_bytes) if disk_bytes else None
        self._memory_bytes = memory_bytes
        self.next_at = time.monotonic() + CHECK_SECONDS if disk_bytes or memory_bytes else float("inf")

    def check(self) -> str:
        """Return the limit that the replica exceeds, as a reason to end it, or ""."""
        self.next_at = time.monotonic() + CHECK_SECONDS
        if self._memory_bytes and _exceeds_memory(self._memory_bytes):
            return contract.OUT_OF_MEMORY
        return contract.DISK_FULL if self._disk and self._disk.exceeds_limit() else ""


class _DiskUsage:
    """The disk usage of a replica's folders, which are all on the disk of the first one."""

    def __init__(self, folders: list[str], limit_bytes: int):
        self._folders = folders
        self._limit = limit_bytes
        self._available = 0
        self._free_before = 0
        self._count_started = 0.0
        self._pause_until = 0.0
        self._count_due = 0.0
        self._count: subprocess.Popen[bytes] | None = None

    def exceeds_limit(self) -> bool:
        """Return whether the folders exceeded the limit at the last count; starts a new count if one is due."""
        now = time.monotonic()
        if self._count is None:
            free = self._free()
            if now >= self._pause_until and (now >= self._count_due or self._free_before - free > self._available // 2):
                with suppress(OSError):  # if no process can be started now, the next check tries again
                    self._count = _start_du(self._folders)
                    self._free_before, self._count_started = free, now
        elif self._count.poll() is not None:
            output, _ = self._count.communicate()
            used = sum(int(line.split()[0]) for line in output.splitlines()) * 1024 + self._count_deleted()
            self._count = None
            self._available = self._limit - used
            self._pause_until = now + PAUSE_FACTOR * (now - self._count_started)
            self._count_due = now + COUNT_SECONDS
        return self._available < 0

    def _free(self) -> int:
        status = os.statvfs(self._folders[0])
        return status.f_bfree * status.f_frsize

    def _count_deleted(self) -> int:
        """Return the size of files that are deleted but still open."""
        device = Path(self._folders[0]).stat().st_dev
        sizes = {}
        for pid in descendants(os.getpid()):
            with suppress(OSError):  # it has ended
                for path in Path(f"/proc/{pid}/fd").iterdir():
                    with suppress(OSError):
                        status = path.stat()
                        if status.st_dev == device and not status.st_nlink and stat.S_ISREG(status.st_mode):
                            sizes[status.st_ino] = status.st_blocks * 512
        return sum(sizes.values())


def _start_du(folders: list[str]) -> subprocess.Popen[bytes]:
    command = ["du", "-skx", "--", *folders]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def descendants(pid: int) -> Iterator[int]:
    """Iterate over the descendants of a process; empty if the system does not provide them."""
    for children_file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended
            for child in map(int, children_file.read_text().split()):
                yield child
                yield from descendants(child)


def _exceeds_memory(limit_bytes: int) -> bool:
    """Return whether the descendants use more memory; a cheap upper bound, with shared memory repeated, comes first."""
    pids = list(descendants(os.getpid()))
    return sum(map(_resident_bytes, pids)) > limit_bytes and sum(map(_proportional_bytes, pids)) > limit_bytes


def _resident_bytes(pid: int) -> int:
    with suppress(OSError):  # it has ended
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    return 0


def _proportional_bytes(pid: int) -> int:
    with suppress(OSError):
        fields = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
        return sum(int(field[1]) * 1024 for field in fields if field[0] in PROPORTIONAL_FIELDS)
    return 0
