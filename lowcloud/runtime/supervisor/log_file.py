"""The log file of one replica: lines of output, each preceded by its timestamp."""

import os
import time
from collections import deque
from pathlib import Path

LINE_BYTES = 256 * 1024  # longer lines are split: the limit of a CloudWatch event
TAIL_BYTES = 64 * 1024  # once the log has reached its limit, only this much is written per minute
TAIL_SECONDS = 60.0


class LogWriter:
    """Appends output as lines "<milliseconds since the epoch> <text>", each batch with one write.

    Once the file has `limit_bytes`, only the end of each minute's output is written.
    """

    def __init__(self, path: Path, limit_bytes: int):
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._descriptor).st_size
        self._limit = limit_bytes
        self._partial = b""
        self._lost_bytes = 0
        self._tail: deque[tuple[bytes, bytes]] = deque()
        self._tail_bytes = 0
        self._write_tail_at = 0.0
        self._omitted_bytes = 0

    def write(self, data: bytes) -> None:
        """Log output; an incomplete last line waits for its end."""
        lines, newline, self._partial = (self._partial + data).rpartition(b"\n")
        if newline:
            self._add(lines)
        while len(self._partial) >= LINE_BYTES:
            self._add(self._partial[:LINE_BYTES])
            self._partial = self._partial[LINE_BYTES:]

    def close(self) -> None:
        """Write the last line if it has no newline, and note how much output was lost because the disk was full."""
        if self._partial:
            self._add(self._partial)
        self._write_tail()
        if self._lost_bytes:
            self._note(b"%d bytes of output are missing here: the log could not be written." % self._lost_bytes)
        os.close(self._descriptor)

    def _add(self, lines: bytes) -> None:
        if self._size < self._limit:
            self._append(_timestamp(), lines)
            self._write_tail_at = time.monotonic() + TAIL_SECONDS
            return
        tail = lines if len(lines) <= TAIL_BYTES else lines[-TAIL_BYTES:].partition(b"\n")[2] or lines[-TAIL_BYTES:]
        self._tail.append((_timestamp(), tail))
        self._tail_bytes += len(tail)
        self._omitted_bytes += len(lines) - len(tail)
        while self._tail_bytes > TAIL_BYTES and len(self._tail) > 1:
            omitted = len(self._tail.popleft()[1])
            self._tail_bytes -= omitted
            self._omitted_bytes += omitted + 1  # and its newline
        if time.monotonic() >= self._write_tail_at:
            self._write_tail()

    def _write_tail(self) -> None:
        if self._omitted_bytes:
            sizes = (self._omitted_bytes, self._limit >> 20)
            self._note(b"%d bytes of output are omitted here, because the log has reached %d MiB." % sizes)
        for timestamp, lines in self._tail:
            self._append(timestamp, lines)
        self._tail.clear()
        self._tail_bytes = self._omitted_bytes = 0
        self._write_tail_at = time.monotonic() + TAIL_SECONDS

    def _note(self, sentence: bytes) -> None:
        self._append(_timestamp(), sentence)

    def _append(self, timestamp: bytes, lines: bytes) -> None:
        entry = timestamp + lines.replace(b"\n", b"\n" + timestamp) + b"\n"
        try:
            self._write_all(entry)
        except OSError:  # the disk is full: the program continues, and close() notes how much is missing
            os.ftruncate(self._descriptor, self._size)
            self._lost_bytes += len(lines) + 1

    def _write_all(self, entry: bytes) -> None:
        view = memoryview(entry)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._size += len(entry)


def _timestamp() -> bytes:
    return b"%d " % (time.time_ns() // 1_000_000)
