"""The access log: a line for each request, written in batches, since a write of its own would cost a tenth of it."""

import asyncio
import sys
import time
from typing import TextIO

FLUSH_SECONDS = 0.1


class AccessLog:
    """Lines with the time, the request's id, service and operation, status, milliseconds and caller."""

    def __init__(self, stream: TextIO | None = None):
        self._stream = stream
        self._lines: list[str] = []
        self._second = 0
        self._moment = ""

    def add(self, request_id: str, service: str, operation: str, status: int, seconds: float, caller: str) -> None:
        """Write a line, soon."""
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        self._lines.append(
            f"{self._moment},{int(now % 1 * 1000):03} INFO lowcloud.access {request_id} {service} {operation} {status} "
            f"{seconds * 1000:.1f}ms {caller}\n"
        )

    def flush(self) -> None:
        """Write the lines that wait."""
        lines, self._lines = self._lines, []
        stream = self._stream or sys.stderr
        stream.write("".join(lines))
        stream.flush()
