"""The reserve: room on the disk that is held back, so that what frees room can be written even where there is none.

It is one file beside what is stored, for all processes that share it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lowcloud.store.blobs.disk import StorageFault, fault_of

MOST_BYTES = 20 * 1024**2  # more than SQLite's log grows to before it is copied into the database
LARGEST_SHARE = 4  # of a small disk, a quarter
SMALLEST_BYTES = 1024**2  # all that is left is held back below this
SMALLEST_GROWTH_BYTES = 64 * 1024
_ZEROS = bytes(64 * 1024)


class Reserve:
    """Room that one file takes."""

    def __init__(self, path: Path):
        self._path = path
        self.is_short = False  # as far as this process knows: it gave some up, or there was no room for all

    def fill(self) -> None:
        """Hold back what there is room for, and leave as much free, where more than a little is left."""
        with self._locked() as descriptor:
            self._fill(descriptor)

    @contextmanager
    def given_up(self) -> Iterator[None]:
        """Let the room be used within the block, by one thread of all processes at a time; then hold back what is left.

        Whoever had to wait finds what the others have freed, less half.
        """
        with self._locked() as descriptor:
            os.ftruncate(descriptor, 0)
            try:
                yield
            finally:
                self._fill(descriptor)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    def _fill(self, descriptor: int) -> None:
        held = os.fstat(descriptor).st_size
        disk = os.fstatvfs(descriptor)
        wanted = min(MOST_BYTES, disk.f_blocks * disk.f_frsize // LARGEST_SHARE)
        left = held + disk.f_bavail * disk.f_frsize
        room = min(wanted, max(left // 2, min(left, SMALLEST_BYTES)))
        if room >= held + SMALLEST_GROWTH_BYTES:
            try:
                _allocate(descriptor, held, room)
                held = room
            except OSError as error:
                if fault_of(error) is not StorageFault.FULL:  # else somebody has taken the room just now
                    raise
                os.ftruncate(descriptor, held)
        self.is_short = held + SMALLEST_GROWTH_BYTES < wanted


def _allocate(descriptor: int, start: int, end: int) -> None:
    """Have the disk set room aside. Raises OSError."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, start, end - start)
        return
    for offset in range(start, end, len(_ZEROS)):
        os.pwrite(descriptor, _ZEROS[: end - offset], offset)
