"""Output sync: which files of running work are stored, so that each is stored once for every change."""

import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from lowcloud.engine.work import FileEntry

SETTLED_SECONDS = 1.0  # since its last change: a program rarely pauses longer while it writes a file
MAX_DELAY_SECONDS = 5.0  # since a change was first seen: a file that never settles, such as a log, is stored as it is
SCAN_SECONDS = 1.0  # between scans of the files of one work, at least
SCAN_FACTOR = 5  # times the duration of the last scan, at least


class StoredFiles:
    """The files of running works that are stored. In memory only: after a restart they are stored again, harmlessly."""

    def __init__(self) -> None:
        self._stored: dict[str, dict[Hashable, FileEntry]] = {}
        self._changed_at: dict[str, dict[Hashable, float]] = {}  # of those whose change is not stored yet
        self._next_scan: dict[str, float] = {}
        self._lock = threading.Lock()

    def should_store(self, work_id: str, file: Hashable, entry: FileEntry, is_final: bool) -> bool:
        """Return whether this state of a file is not stored yet, and not about to change."""
        with self._lock:
            if self._stored.get(work_id, {}).get(file) == entry:
                return False
            changed_at = self._changed_at.setdefault(work_id, {}).setdefault(file, time.monotonic())
        has_settled = time.time() - entry.modified_ns / 1e9 > SETTLED_SECONDS
        return is_final or has_settled or time.monotonic() - changed_at > MAX_DELAY_SECONDS

    def add(self, work_id: str, file: Hashable, entry: FileEntry) -> None:
        """Record that this state of the file is stored."""
        with self._lock:
            self._stored.setdefault(work_id, {})[file] = entry
            self._changed_at.get(work_id, {}).pop(file, None)

    def forget(self, work_id: str) -> None:
        """Forget the files of a work that is gone."""
        with self._lock:
            self._stored.pop(work_id, None)
            self._changed_at.pop(work_id, None)
            self._next_scan.pop(work_id, None)

    def is_scan_due(self, work_id: str) -> bool:
        """Return whether it is time to scan the files of a work again."""
        return time.monotonic() >= self._next_scan.get(work_id, 0.0)

    @contextmanager
    def scanning(self, work_id: str) -> Iterator[None]:
        """Measure the block: the next scan is due after a multiple of its duration."""
        start = time.monotonic()
        yield
        now = time.monotonic()
        self._next_scan[work_id] = now + max(SCAN_SECONDS, SCAN_FACTOR * (now - start))
