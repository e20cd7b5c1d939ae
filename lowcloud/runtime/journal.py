"""The log file of one replica: lines of output, each behind the time it was read at."""

import os
import time
from pathlib import Path

LINE_BYTES = 256 * 1024  # longer lines are cut into parts; CloudWatch takes no longer event


class Journal:
    """Appends output as lines "<milliseconds since the epoch> <text>", each batch with one write."""

    def __init__(self, path: Path):
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._descriptor).st_size
        self._partial = b""
        self._lost_bytes = 0

    def write(self, data: bytes) -> None:
        """Take output as it comes; the last line waits for its end."""
        whole, newline, self._partial = (self._partial + data).rpartition(b"\n")
        if newline:
            self._append(whole)
        while len(self._partial) >= LINE_BYTES:
            self._append(self._partial[:LINE_BYTES])
            self._partial = self._partial[LINE_BYTES:]

    def close(self) -> None:
        """Write what is left without a newline, and say what a full disk has swallowed."""
        if self._partial:
            self._append(self._partial)
        if self._lost_bytes:
            self._append(b"%d bytes of output are missing here: the log could not be written." % self._lost_bytes)
        os.close(self._descriptor)

    def _append(self, lines: bytes) -> None:
        stamp = b"%d " % (time.time_ns() // 1_000_000)
        entry = stamp + lines.replace(b"\n", b"\n" + stamp) + b"\n"
        try:
            self._write_whole(entry)
        except OSError:  # the disk is full: the program goes on, and close() says what is missing
            os.ftruncate(self._descriptor, self._size)
            self._lost_bytes += len(lines) + 1

    def _write_whole(self, entry: bytes) -> None:
        view = memoryview(entry)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._size += len(entry)
