"""The deletion lock, by which a backup delays the deletion of blobs, and the deletions that wait for it."""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TIMEOUT_SECONDS = 1.0  # a process that checks the lock takes it for a moment
POLL_SECONDS = 0.01
RETRY_SECONDS = 1.0

# Deletes the blobs of one object. Returns False if they are still in use.
Remove = Callable[[Sequence[str]], bool]

log = logging.getLogger("lowcloud.store")


class AlreadyLockedError(Exception):
    """Another process holds the deletion lock."""


class DeletionLock:
    """A file lock during which no process deletes blobs; the kernel releases it however its holder ends."""

    def __init__(self, path: Path):
        self._path = path

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock within the block. Raises AlreadyLockedError."""
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + TIMEOUT_SECONDS
            while not try_lock(descriptor, fcntl.LOCK_EX):
                if time.monotonic() >= deadline:
                    raise AlreadyLockedError("Another backup of this store is running.")
                time.sleep(POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)

    def is_held(self) -> bool:
        """Return whether a process holds the lock. Checks do not disturb each other: they use a shared lock."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)


class PendingDeletions:
    """Deletions of blobs that a backup or a reader still uses. While there are any, a thread retries them."""

    def __init__(self, deletion_lock: DeletionLock, remove: Remove):
        self._deletion_lock = deletion_lock
        self._remove = remove
        self._groups: dict[str, Sequence[str]] = {}  # the blobs of one object, by the first of them
        self._lock = threading.RLock()  # reentrant: a garbage-collected reader may call `release` at any point
        self._thread: threading.Thread | None = None

    def add(self, ids: Sequence[str]) -> None:
        """Delete blobs as soon as possible."""
        with self._lock:
            self._groups[ids[0]] = ids
            if self._thread is None:
                self._thread = threading.Thread(target=self._retry_until_done, name="deleted blobs", daemon=True)
                self._thread.start()

    def release(self, first: str) -> None:
        """Delete the pending blobs of which this is the first, if no other reader uses them."""
        ids = self._groups.pop(first, None)
        if ids is not None and not self._remove(ids):
            self.add(ids)

    def retry(self) -> None:
        """Delete those that are no longer in use. Raises OSError; what remains is left to the next sweep."""
        if self._deletion_lock.is_held():
            return
        for first in list(self._groups):
            self.release(first)

    def _retry_until_done(self) -> None:
        while True:
            time.sleep(RETRY_SECONDS)
            try:
                self.retry()
            except OSError as error:
                log.warning("a deleted blob could not be removed; the next start of the server tries again: %s", error)
            with self._lock:
                if not self._groups:
                    self._thread = None
                    return


def try_lock(descriptor: int, kind: int) -> bool:
    """Try to lock the file. Returns whether it succeeded; closing the descriptor releases the lock."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
