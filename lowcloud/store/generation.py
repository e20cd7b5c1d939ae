"""A generation: a value in a file that all processes of a store share, which changes with what they keep in memory.

A process that caches what it has read from the database compares the generation with the one before it read, which
takes a microsecond; whoever changes the rows advances it after the commit.
"""

import mmap
import os
import secrets
from pathlib import Path

BYTES = 8


class Generation:
    """The generation in one file, which is created if it does not exist."""

    def __init__(self, path: Path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size < BYTES:
                os.pwrite(
                    descriptor, bytes(BYTES), 0
                )  # takes its block now: a write to memory cannot report a full disk
                os.fsync(descriptor)
            self._memory = mmap.mmap(descriptor, BYTES)
        finally:
            os.close(descriptor)

    def current(self) -> bytes:
        """Return the present generation."""
        return self._memory[:]

    def advance(self) -> None:
        """Begin a new generation: what was read before is out of date in every process."""
        self._memory[:] = secrets.token_bytes(BYTES)
