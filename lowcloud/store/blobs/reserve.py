"""Disk space that is kept in reserve, so that deletions, which must be written first, work on a full disk.

The reserve is one file next to the store, shared by all processes.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lowcloud.store.blobs.disk import StorageFault, fault_of

MAX_BYTES = 20 * 1024**2  # more than SQLite's write-ahead log grows to before a checkpoint
SMALL_DISK_DIVISOR = 4  # of a small disk a quarter is reserved
MIN_BYTES = 1024**2  # below this, all free space is reserved
MIN_GROWTH_BYTES = 64 * 1024
_ZEROS = bytes(64 * 1024)


class DiskReserve:
    """The file whose size is the reserved space."""

    def __init__(self, path: Path):
        self._path = path
        self.is_short = False  # smaller than it should be, as far as this process knows

    def fill(self) -> None:
        """Reserve what is missing, but at most half of the free space, unless very little is free."""
        with self._locked() as descriptor:
            self._fill(descriptor)

    @contextmanager
    def released(self) -> Iterator[None]:
        """Release the reserved space within the block, for one thread of all processes at a time, then refill it."""
        with self._locked() as descriptor:
            os.ftruncate(descriptor, 0)
            try:
                yield
            finally:
                self._fill(descriptor)

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Release the reserved space within the block, then reserve again all of it that was not used."""
        with self._locked() as descriptor:
            size = os.fstat(descriptor).st_size
            os.ftruncate(descriptor, 0)
            try:
                yield
            finally:
                disk = os.fstatvfs(descriptor)
                with suppress(OSError):  # another process has used the space meanwhile
                    _allocate(descriptor, 0, max(1, min(size, disk.f_bavail * disk.f_frsize)))
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
        size = os.fstat(descriptor).st_size
        disk = os.fstatvfs(descriptor)
        target = min(MAX_BYTES, disk.f_blocks * disk.f_frsize // SMALL_DISK_DIVISOR)
        available = size + disk.f_bavail * disk.f_frsize
        new_size = min(target, max(available // 2, min(available, MIN_BYTES)))
        if new_size >= size + MIN_GROWTH_BYTES:
            try:
                _allocate(descriptor, size, new_size)
                size = new_size
            except OSError as error:
                if fault_of(error) is not StorageFault.FULL:  # otherwise another process has just used the space
                    raise
                os.ftruncate(descriptor, size)
        self.is_short = size + MIN_GROWTH_BYTES < target


def _allocate(descriptor: int, start: int, end: int) -> None:
    """Allocate the file's bytes on the disk. Raises OSError."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, start, end - start)
        return
    for offset in range(start, end, len(_ZEROS)):
        os.pwrite(descriptor, _ZEROS[: end - offset], offset)
