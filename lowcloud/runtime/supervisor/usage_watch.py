"""Watches what a replica uses of disk and memory, where the kernel holds it to no limit.

Every second the file system tells how much room it has lost. Only where the replica could have taken half of what it
had left, and else twice a minute, is its share counted, by du and in at most a twentieth of the time.
"""

import os
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lowcloud import contract

LOOK_SECONDS = 1.0
COUNT_SECONDS = 30.0
REST = 20  # times as long as a count took, until the next
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SHARES = ("Pss_Anon:", "Pss_Shmem:")  # of memory, divided among those who share it


class Watch:
    """The limits of one replica; 0 is none. It looks at the descendants of this process."""

    def __init__(self, folders: list[str], disk_bytes: int, memory_bytes: int):
        self._disk = _Disk(folders, disk_bytes) if disk_bytes else None
        self._memory_bytes = memory_bytes
        self.next_at = time.monotonic() + LOOK_SECONDS if disk_bytes or memory_bytes else float("inf")

    def look(self) -> str:
        """Why the replica must end, or nothing."""
        self.next_at = time.monotonic() + LOOK_SECONDS
        if self._memory_bytes and _memory_is_over(self._memory_bytes):
            return contract.OUT_OF_MEMORY
        return contract.DISK_FULL if self._disk and self._disk.is_over() else ""


class _Disk:
    """What the folders of a replica hold, on the disk that the first of them is on."""

    def __init__(self, folders: list[str], limit_bytes: int):
        self._folders = folders
        self._limit = limit_bytes
        self._room = 0
        self._free_before = 0
        self._began = 0.0
        self._rest_until = 0.0
        self._due = 0.0
        self._count: subprocess.Popen[bytes] | None = None

    def is_over(self) -> bool:
        """Whether they hold too much, as the last count says."""
        now = time.monotonic()
        if self._count is None:
            free = self._free()
            if now >= self._rest_until and (now >= self._due or self._free_before - free > self._room // 2):
                with suppress(OSError):  # where the machine can start no process now, the next look may
                    self._count = _start_du(self._folders)
                    self._free_before, self._began = free, now
        elif self._count.poll() is not None:
            said, _ = self._count.communicate()
            used = sum(int(line.split()[0]) for line in said.splitlines()) * 1024 + self._deleted()
            self._count = None
            self._room = self._limit - used
            self._rest_until = now + REST * (now - self._began)
            self._due = now + COUNT_SECONDS
        return self._room < 0

    def _free(self) -> int:
        facts = os.statvfs(self._folders[0])
        return facts.f_bfree * facts.f_frsize

    def _deleted(self) -> int:
        """Bytes of files that are open and have no name any more."""
        device = Path(self._folders[0]).stat().st_dev
        found = {}
        for pid in descendants(os.getpid()):
            with suppress(OSError):  # it has ended
                for path in Path(f"/proc/{pid}/fd").iterdir():
                    with suppress(OSError):
                        facts = path.stat()
                        if facts.st_dev == device and not facts.st_nlink and stat.S_ISREG(facts.st_mode):
                            found[facts.st_ino] = facts.st_blocks * 512
        return sum(found.values())


def _start_du(folders: list[str]) -> subprocess.Popen[bytes]:
    command = ["du", "-skx", "--", *folders]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def descendants(pid: int) -> Iterator[int]:
    """The processes that a process, any of its threads or a process of those has started; empty where none can tell."""
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended
            for child in map(int, listed.read_text().split()):
                yield child
                yield from descendants(child)


def _memory_is_over(limit_bytes: int) -> bool:
    """Whether the descendants hold more memory: first by a bound, which counts what they share for each of them."""
    pids = list(descendants(os.getpid()))
    return sum(map(_resident, pids)) > limit_bytes and sum(map(_share, pids)) > limit_bytes


def _resident(pid: int) -> int:
    with suppress(OSError):  # it has ended
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    return 0


def _share(pid: int) -> int:
    with suppress(OSError):
        fields = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
        return sum(int(field[1]) * 1024 for field in fields if field[0] in SHARES)
    return 0
