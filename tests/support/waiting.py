"""Wait for conditions, each with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

TIMEOUT_SECONDS = 60.0
INTERVAL_SECONDS = 0.01

Value = TypeVar("Value")


def wait_for(condition: Callable[[], Value], timeout_seconds: float = TIMEOUT_SECONDS) -> Value:
    """Return the first true value of `condition`, which is evaluated repeatedly until the deadline."""
    deadline = time.monotonic() + timeout_seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"the condition did not become true within {timeout_seconds:g} s"
        time.sleep(INTERVAL_SECONDS)
    return value
