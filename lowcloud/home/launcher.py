"""Starts the cloud of a home in the background, for commands and programs that need one."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from lowcloud.home import server_process as servers
from lowcloud.home.settings import Settings

TIMEOUT_SECONDS = 30.0
POLL_SECONDS = 0.02
DEFAULT_WORKERS = min(os.cpu_count() or 1, 2)  # each takes some 40 MB


class CannotStartError(Exception):
    """The server did not start. The message says why, or where that is said."""


def ensure_running(settings: Settings) -> str:
    """Where the cloud of this home answers; it is started where it does not run, on a free port if need be.

    Raises CannotStartError.
    """
    if running := servers.find_running(settings.home):
        return running.endpoint
    is_free = servers.can_listen(settings.host, settings.port)
    return start(settings if is_free else replace(settings, port=0))


def start(settings: Settings, workers: int = DEFAULT_WORKERS) -> str:
    """Start the server and wait until it is ready; where it answers. Raises CannotStartError."""
    place = ["--home", str(settings.home), "--host", settings.host, "--port", str(settings.port)]
    place += ["--workers", str(workers)]
    if settings.store:
        place += ["--store", str(settings.store)]
    # By the environment: everyone on the machine may read a command line.
    secret = {"LOWCLOUD_DATABASE": settings.database} if settings.database else {}
    log_path = settings.home / "server.log"
    with log_path.open("ab") as log:
        begin = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "lowcloud.cli", "up", *place],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=settings.home,
            env={**os.environ, **secret},
        )
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if running := servers.find_running(settings.home):
            return running.endpoint
        if process.poll() is not None and not servers.is_held(settings.home):
            raise CannotStartError(f"The server did not start. The end of {log_path}:\n{_end_of(log_path, begin)}")
        time.sleep(POLL_SECONDS)
    raise CannotStartError(f"The server was not ready within {TIMEOUT_SECONDS:.0f} seconds; see {log_path}.")


def _end_of(path: Path, begin: int) -> str:
    return "\n".join(path.read_bytes()[begin:].decode(errors="replace").splitlines()[-5:])
