"""Requests to stop a training program: SIGTERM, after which it has two minutes to store the model it has so far."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class StopRequest:
    """Whether SIGTERM was received."""

    is_requested: bool = False

    @contextmanager
    def listening(self) -> Iterator["StopRequest"]:
        """Handle SIGTERM as a request to end after the current round or pass."""

        def request(_number: int, _frame: FrameType | None) -> None:
            self.is_requested = True

        previous = signal.signal(signal.SIGTERM, request)
        try:
            yield self
        finally:
            signal.signal(signal.SIGTERM, previous)
