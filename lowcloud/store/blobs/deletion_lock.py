"""What keeps blobs from being removed for a while: a backup's hold on all of them, and the list of those that wait."""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PATIENCE_SECONDS = 1.0  # whoever looks for a hold takes its lock for an instant
POLL_SECONDS = 0.01
RETRY_SECONDS = 1.0

# Removes blobs that were read as one. False where they have to wait.
Remove = Callable[[Sequence[str]], bool]

log = logging.getLogger("lowcloud.store")


class AlreadyLockedError(Exception):
    """Somebody else keeps the blobs from being removed."""


class Hold:
    """A file that is locked while no process may remove blobs; the kernel lets go of it however its holder ends."""

    def __init__(self, path: Path):
        self._path = path

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold, within the block. Raises AlreadyLockedError."""
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not lock(descriptor, fcntl.LOCK_EX):
                if time.monotonic() >= deadline:
                    raise AlreadyLockedError("Another backup of this store is under way.")
                time.sleep(POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)

    def is_taken(self) -> bool:
        """Whether somebody holds. Looks do not disturb each other: their lock is shared."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)


class Waiting:
    """Deleted blobs that a backup or a reader still keeps. While there are any, a thread looks whether they can go."""

    def __init__(self, hold: Hold, remove: Remove):
        self._hold = hold
        self._remove = remove
        self._groups: dict[str, Sequence[str]] = {}  # by the first of each: what was read as one goes as one
        self._lock = threading.RLock()  # a reader that is dropped comes here, whatever its thread is just about
        self._thread: threading.Thread | None = None

    def add(self, ids: Sequence[str]) -> None:
        """Have blobs removed as soon as that can be."""
        with self._lock:
            self._groups[ids[0]] = ids
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="deleted blobs", daemon=True)
                self._thread.start()

    def let_go(self, first: str) -> None:
        """Remove the blobs that begin with this one, if they wait and nobody else keeps them."""
        ids = self._groups.pop(first, None)
        if ids is not None and not self._remove(ids):
            self.add(ids)

    def retry(self) -> None:
        """Remove those that nobody keeps any more. Raises OSError: then one of them is left to the next sweep."""
        if self._hold.is_taken():
            return
        for first in list(self._groups):
            self.let_go(first)

    def _look(self) -> None:
        while True:
            time.sleep(RETRY_SECONDS)
            try:
                self.retry()
            except OSError as error:
                log.warning("a deleted blob could not be removed, which the next start tries again: %s", error)
            with self._lock:
                if not self._groups:
                    self._thread = None
                    return


def lock(descriptor: int, kind: int) -> bool:
    """Whether the lock could be had; closing the descriptor gives it back."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
