"""Which files of running work have been stored, so that each is stored once for every change of it."""

import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from lowcloud.engine.work import FileEntry

SETTLED_SECONDS = 1.0  # since its last change: a program that is writing a file seldom pauses for longer
RESTLESS_SECONDS = 5.0  # since it was first seen changed: one that never settles, a log say, is stored as it is
LOOK_SECONDS = 1.0  # between looks at the files of one work, at least
LOOK_SHARE = 5  # and so many times what the last look took


class Synced:
    """Kept in memory: after a restart files are stored once more, which changes nothing."""

    def __init__(self) -> None:
        self._stored: dict[str, dict[Hashable, FileEntry]] = {}
        self._changed_at: dict[str, dict[Hashable, float]] = {}  # of those whose change is not stored yet
        self._next_look: dict[str, float] = {}
        self._lock = threading.Lock()

    def should_store(self, work_id: str, file: Hashable, entry: FileEntry, is_final: bool) -> bool:
        """Whether this state of a file is not stored yet, and not about to change."""
        with self._lock:
            if self._stored.get(work_id, {}).get(file) == entry:
                return False
            changed_at = self._changed_at.setdefault(work_id, {}).setdefault(file, time.monotonic())
        has_settled = time.time() - entry.modified_ns / 1e9 > SETTLED_SECONDS
        return is_final or has_settled or time.monotonic() - changed_at > RESTLESS_SECONDS

    def note(self, work_id: str, file: Hashable, entry: FileEntry) -> None:
        """This state of the file is stored."""
        with self._lock:
            self._stored.setdefault(work_id, {})[file] = entry
            self._changed_at.get(work_id, {}).pop(file, None)

    def forget(self, work_id: str) -> None:
        """The work is gone."""
        with self._lock:
            self._stored.pop(work_id, None)
            self._changed_at.pop(work_id, None)
            self._next_look.pop(work_id, None)

    def is_due(self, work_id: str) -> bool:
        """Whether it is time to look at the files of a work again."""
        return time.monotonic() >= self._next_look.get(work_id, 0.0)

    @contextmanager
    def looking(self, work_id: str) -> Iterator[None]:
        """While somebody looks; what it takes decides when to look again."""
        start = time.monotonic()
        yield
        now = time.monotonic()
        self._next_look[work_id] = now + max(LOOK_SECONDS, LOOK_SHARE * (now - start))
