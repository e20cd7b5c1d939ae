"""A whole cloud for tests: the real command line, server, engine and warm parent, on a home of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowcloud.client import aws_clients
from lowcloud.home import server_process, settings

TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class RunningCloud:
    """A home, and the commands on it."""

    home: Path

    def cli(
        self, *arguments: str, check: bool = True, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `lowcloud ...` to its end."""
        command = [sys.executable, "-m", "lowcloud.cli", *arguments]
        return subprocess.run(
            command,
            env={**os.environ, "LOWCLOUD_HOME": str(self.home), **environment},
            capture_output=True,
            cwd=cwd,
            text=True,
            timeout=600,
            check=check,
        )

    def up(self, *options: str, **environment: str) -> None:
        """Start the server on a free port."""
        self.cli("up", "--detach", "--port", "0", *options, **environment)

    def down(self) -> None:
        """Stop the server."""
        self.cli("down")

    def kill(self) -> None:
        """Kill the server as a power failure would, without a word."""
        running = server_process.find_running(self.home)
        assert running is not None
        os.kill(running.pid, signal.SIGKILL)
        assert server_process.wait_until_stopped(self.home, TIMEOUT_SECONDS)

    @property
    def endpoint(self) -> str:
        running = server_process.find_running(self.home)
        assert running is not None, "the server is not running"
        return running.endpoint

    def client(self, service: str) -> Any:
        """A client signed by root."""
        return aws_clients.make_client(settings.load(self.home, os.environ), self.endpoint, service)

    @property
    def role(self) -> str:
        """The ARN of the execution role."""
        return f"arn:aws:iam::{settings.load(self.home, os.environ).account_id}:role/{settings.EXECUTION_ROLE}"


def wait_for(condition: Callable[[], Any], timeout_seconds: float = TIMEOUT_SECONDS) -> Any:
    """The first true value of `condition`."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        if value := condition():
            return value
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def csv_of(rows: Sequence[Sequence[float]]) -> bytes:
    """Rows as CSV without a header."""
    return "".join(",".join(f"{value:.9g}" for value in row) + "\n" for row in rows).encode()
