"""A reserve of space, so that a full disk can still be emptied: what deletes must write a little first."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

RESERVE_BYTES = 1024**2


class Reserve:
    """A file that takes up room for as long as nobody needs it."""

    def __init__(self, path: Path):
        self._path = path
        self._take()

    @contextmanager
    def released(self) -> Iterator[None]:
        """Give the room to what the block does; it is taken again as soon as there is some."""
        self._path.unlink(missing_ok=True)
        try:
            yield
        finally:
            self._take()

    def _take(self) -> None:
        with suppress(OSError):  # no room yet: the next start or release tries again
            if self._path.exists() and self._path.stat().st_size == RESERVE_BYTES:
                return
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
                else:  # macOS
                    os.write(descriptor, bytes(RESERVE_BYTES))
            finally:
                os.close(descriptor)
