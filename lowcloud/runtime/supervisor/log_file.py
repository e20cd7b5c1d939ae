"""The log file of one replica: lines of output, each behind the time it was read at."""

import os
import time
from collections import deque
from pathlib import Path

LINE_BYTES = 256 * 1024  # longer lines are cut into parts; CloudWatch takes no longer event
END_BYTES = 64 * 1024  # of a log over its limit, so much is still written each minute, and of the very end
END_SECONDS = 60.0


class Journal:
    """Appends output as lines "<milliseconds since the epoch> <text>", each batch with one write.

    When the file has `limit_bytes`, only the end of what is printed in a minute goes on to be written.
    """

    def __init__(self, path: Path, limit_bytes: int):
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._descriptor).st_size
        self._limit = limit_bytes
        self._partial = b""
        self._lost_bytes = 0
        self._end: deque[tuple[bytes, bytes]] = deque()
        self._end_bytes = 0
        self._end_at = 0.0
        self._left_out_bytes = 0

    def write(self, data: bytes) -> None:
        """Take output as it comes; the last line waits for its end."""
        whole, newline, self._partial = (self._partial + data).rpartition(b"\n")
        if newline:
            self._take(whole)
        while len(self._partial) >= LINE_BYTES:
            self._take(self._partial[:LINE_BYTES])
            self._partial = self._partial[LINE_BYTES:]

    def close(self) -> None:
        """Write what is left without a newline, and say what a full disk has swallowed."""
        if self._partial:
            self._take(self._partial)
        self._write_end()
        if self._lost_bytes:
            self._note(b"%d bytes of output are missing here: the log could not be written." % self._lost_bytes)
        os.close(self._descriptor)

    def _take(self, lines: bytes) -> None:
        if self._size < self._limit:
            self._append(_stamp(), lines)
            self._end_at = time.monotonic() + END_SECONDS
            return
        end = lines if len(lines) <= END_BYTES else lines[-END_BYTES:].partition(b"\n")[2] or lines[-END_BYTES:]
        self._end.append((_stamp(), end))
        self._end_bytes += len(end)
        self._left_out_bytes += len(lines) - len(end)
        while self._end_bytes > END_BYTES and len(self._end) > 1:
            left_out = len(self._end.popleft()[1])
            self._end_bytes -= left_out
            self._left_out_bytes += left_out + 1  # and its newline
        if time.monotonic() >= self._end_at:
            self._write_end()

    def _write_end(self) -> None:
        if self._left_out_bytes:
            facts = (self._left_out_bytes, self._limit >> 20)
            self._note(b"%d bytes of output are left out here, since the log has %d MiB." % facts)
        for stamp, lines in self._end:
            self._append(stamp, lines)
        self._end.clear()
        self._end_bytes = self._left_out_bytes = 0
        self._end_at = time.monotonic() + END_SECONDS

    def _note(self, sentence: bytes) -> None:
        self._append(_stamp(), sentence)

    def _append(self, stamp: bytes, lines: bytes) -> None:
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


def _stamp() -> bytes:
    return b"%d " % (time.time_ns() // 1_000_000)
