"""Starts the server of a home in the background, for commands and programs that need one."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lowcloud.home import failed_starts, server_log, server_process
from lowcloud.home.server_log import LogLevel
from lowcloud.home.settings import Settings

TIMEOUT_SECONDS = 30.0
UPGRADE_TIMEOUT_SECONDS = 3600.0
POLL_SECONDS = 0.02
UPGRADE_LOG = " lowcloud.store "  # the name of the logger, in lines about upgrades
DEFAULT_WORKERS = min(os.cpu_count() or 1, 2)  # each takes about 40 MB
LOG_LINES_SHOWN = 5


class CannotStartError(Exception):
    """The server did not start. The message gives the reason, and the log file if it is kept."""


Report = Callable[[str], object]  # what a command prints of a start that takes longer


def ensure_running(settings: Settings, report: Report = str) -> str:
    """Return the URL of this home's server, which is started if it is not running, on a free port if its own is taken.

    `report` gets a sentence for each step of an upgrade. Raises CannotStartError.
    """
    if running := server_process.find_running(settings.home):
        return running.endpoint
    is_free = server_process.can_listen(settings.host, settings.port)
    return start(settings if is_free else replace(settings, port=0), report=report)


def start(
    settings: Settings, workers: int = DEFAULT_WORKERS, log_level: LogLevel = LogLevel.INFO, report: Report = str
) -> str:
    """Start the server, wait until it is ready, and return its URL; `report` is that of ensure_running.

    Raises CannotStartError; a home that was created for this start is then empty again (see failed_starts).
    """
    log_path = settings.home / server_log.FILE
    try:
        return _start(settings, workers, log_level, report)
    except CannotStartError as error:
        discard_new(settings)
        if not log_path.exists():
            raise
        raise CannotStartError(f"{error}\nThe log is in {log_path}.") from None


def discard_new(settings: Settings) -> None:
    """Empty a home that was created for a start that has failed, so that the next one, or a restore, begins anew.

    A database that is not in the home may know its key already, so that home is kept.
    """
    if settings.is_new and not settings.database:
        failed_starts.undo(settings.home)


def _start(settings: Settings, workers: int, log_level: LogLevel, report: Report) -> str:
    options = ["--home", str(settings.home), "--host", settings.host, "--port", str(settings.port)]
    options += ["--workers", str(workers), "--log-level", log_level]
    if settings.isolation:
        options += ["--isolation", settings.isolation]
    if settings.store:
        options += ["--store", str(settings.store)]
    # In the environment, since every user of the machine can read a command line.
    secret = {"LOWCLOUD_DATABASE": settings.database} if settings.database else {}
    log_path = settings.home / server_log.FILE
    with os.fdopen(server_log.open_file(settings.home), "ab") as log:
        log_start = log_path.stat().st_size
        process = subprocess.Popen(
            [sys.executable, "-m", "lowcloud.cli", "up", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=settings.home,
            env={**os.environ, **secret},
        )
    started_at, timeout_seconds, reported = time.monotonic(), TIMEOUT_SECONDS, 0
    while time.monotonic() < started_at + timeout_seconds:
        steps = _upgrade_steps(log_path, log_start)
        for step in steps[reported:]:
            report(step)
        if steps[reported:]:  # it takes as long as the database is large
            started_at, timeout_seconds, reported = time.monotonic(), UPGRADE_TIMEOUT_SECONDS, len(steps)
        if running := server_process.find_running(settings.home):
            return running.endpoint
        if process.poll() is not None and not server_process.is_locked(settings.home):
            raise CannotStartError(f"The server did not start. It said:\n{_last_lines(log_path, log_start)}")
        time.sleep(POLL_SECONDS)
    last = " after the last step of the upgrade" if reported else ""
    said = f" It said:\n{_last_lines(log_path, log_start)}".removesuffix(" It said:\n")
    raise CannotStartError(f"The server was not ready within {timeout_seconds:.0f} seconds{last}.{said}")


def _upgrade_steps(path: Path, start: int) -> list[str]:
    """Return what the starting server has logged about an upgrade of the database."""
    with path.open("rb") as log:
        log.seek(start)
        lines = log.read().decode(errors="replace").splitlines()
    return [line.partition(UPGRADE_LOG)[2] for line in lines if UPGRADE_LOG in line]


def _last_lines(path: Path, start: int) -> str:
    return "\n".join(path.read_bytes()[start:].decode(errors="replace").splitlines()[-LOG_LINES_SHOWN:])
