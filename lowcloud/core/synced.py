"""Which files of running work have been stored, so that each is stored once for every change of it."""

import threading
from collections.abc import Hashable

from lowcloud.engine import FileEntry


class Synced:
    """Kept in memory: after a restart files are stored once more, which changes nothing."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[Hashable, tuple[FileEntry, bool]]] = {}
        self._lock = threading.Lock()

    def should_store(self, work_id: str, file: Hashable, entry: FileEntry, is_final: bool) -> bool:
        """Whether this state of a file is not stored yet, and not about to change: it was the same at the last look."""
        with self._lock:
            files = self._seen.setdefault(work_id, {})
            before, is_stored = files.get(file, (None, False))
            if before == entry:
                return not is_stored
            files[file] = (entry, False)
            return is_final

    def note(self, work_id: str, file: Hashable, entry: FileEntry) -> None:
        """This state of the file is stored."""
        with self._lock:
            self._seen.setdefault(work_id, {})[file] = (entry, True)

    def forget(self, work_id: str) -> None:
        """The work is gone."""
        with self._lock:
            self._seen.pop(work_id, None)
