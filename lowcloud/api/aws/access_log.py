"""The access log: one line per request, written in batches, since one write each would cost 10% of a request."""

import asyncio
import sys
import time
from typing import TextIO

FLUSH_SECONDS = 0.1


class AccessLog:
    """Writes time, request id, service, operation, status, milliseconds and caller of every request."""

    def __init__(self, stream: TextIO | None = None):
        self._stream = stream
        self._lines: list[str] = []
        self._second = 0
        self._timestamp = ""

    def add(self, request_id: str, service: str, operation: str, status: int, seconds: float, caller: str) -> None:
        """Add a line to the next batch."""
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._timestamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        self._lines.append(
            f"{self._timestamp},{int(now % 1 * 1000):03} INFO lowcloud.access {request_id} {service} {operation} "
            f"{status} {seconds * 1000:.1f}ms {caller}\n"
        )

    def flush(self) -> None:
        """Write the pending lines."""
        lines, self._lines = self._lines, []
        stream = self._stream or sys.stderr
        stream.write("".join(lines))
        stream.flush()
