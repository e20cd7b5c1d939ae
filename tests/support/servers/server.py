"""A server on a home of its own: the real command line, gateway, reconciler, engine and warm parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowcloud.home import server_process, settings
from tests.support.servers.endpoint import Endpoint
from tests.support.waiting import TIMEOUT_SECONDS

COMMAND_TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Server:
    """A home, the commands on it, and clients of the server that runs on it."""

    home: Path

    def cli(
        self, *arguments: str, check: bool = True, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `lowcloud ...` to its end; the keywords are environment variables."""
        return self._run(arguments, environment, check, cwd)

    def up(self, *options: str, **environment: str) -> None:
        """Start the server on a free port."""
        self._run(("up", "--detach", "--port", "0", *options), environment)

    def down(self) -> None:
        """Stop the server."""
        self.cli("down")

    def kill(self) -> None:
        """Kill the server with SIGKILL, which it cannot prepare for, and wait until it is gone."""
        running = server_process.find_running(self.home)
        assert running is not None, "the server is not running"
        os.kill(running.pid, signal.SIGKILL)
        assert server_process.wait_until_stopped(self.home, TIMEOUT_SECONDS)

    @property
    def url(self) -> str:
        """Where the server answers. Another start of it may choose another port."""
        running = server_process.find_running(self.home)
        assert running is not None, "the server is not running"
        return running.endpoint

    @property
    def endpoint(self) -> Endpoint:
        """The server's URL with its root key."""
        key = settings.load(self.home, os.environ).root_key
        return Endpoint(self.url, key.access_key_id, key.secret_access_key)

    def client(self, service: str, **options: Any) -> Any:
        """See Endpoint.client."""
        return self.endpoint.client(service, **options)

    @property
    def environment(self) -> dict[str, str]:
        """See Endpoint.environment."""
        return self.endpoint.environment

    @property
    def role(self) -> str:
        """The ARN of the execution role."""
        return f"arn:aws:iam::{settings.load(self.home, os.environ).account_id}:role/{settings.EXECUTION_ROLE}"

    def _run(
        self, arguments: Sequence[str], environment: Mapping[str, str], check: bool = True, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [sys.executable, "-m", "lowcloud.cli", *arguments],
                env={**os.environ, "LOWCLOUD_HOME": str(self.home), **environment},
                capture_output=True,
                cwd=cwd,
                text=True,
                timeout=COMMAND_TIMEOUT_SECONDS,
                check=check,
            )
        except subprocess.CalledProcessError as error:
            error.add_note(error.stdout + error.stderr)
            raise
