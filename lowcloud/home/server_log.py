"""The log of a server in the background: `server.log` in its home, of limited size, and a few former files."""

import fcntl
import logging
import os
import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

FILE = "server.log"
MAX_BYTES = 10 * 1024**2
KEPT = 3  # former files: server.log.1 is the newest
STDOUT, STDERR = 1, 2


class LogLevel(StrEnum):
    """How much a server logs."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"  # with a line for each request


def configure(home: Path, level: LogLevel) -> None:
    """Let this process, and its forks, log to standard error."""
    handler = LogHandler(home / FILE)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=max(logging.INFO, logging.getLevelName(level.upper())), handlers=[handler])
    logging.getLogger("lowcloud").setLevel(level.upper())
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # its messages repeat ours under an alarming name


def open_file(home: Path) -> int:
    """Open the log of a home to append to it."""
    return os.open(home / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


class LogHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Logs to standard error. If that is the log file, all processes of a server begin another once it is large."""

    def __init__(self, path: Path):
        super().__init__(sys.stderr)
        self._path = path
        self._is_file = path.exists() and os.path.samestat(os.fstat(STDERR), path.stat())

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record."""
        super().emit(record)
        if self._is_file:
            with suppress(OSError):  # such as a full disk: it continues with the file that is open
                self._rotate()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Drop a record that a full disk does not take; other errors are reported."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)

    def _rotate(self) -> None:
        if os.fstat(STDERR).st_size < MAX_BYTES and not self._was_renamed():
            return
        fcntl.lockf(STDERR, fcntl.LOCK_EX)  # until the descriptor is replaced
        if not self._was_renamed():
            for number in range(KEPT, 0, -1):
                with suppress(FileNotFoundError):
                    self._numbered(number - 1).rename(self._numbered(number))
        opened = open_file(self._path.parent)
        for descriptor in (STDOUT, STDERR):
            os.dup2(opened, descriptor)
        os.close(opened)

    def _was_renamed(self) -> bool:
        """Return whether another process of the server has begun another file."""
        return not self._path.exists() or not os.path.samestat(os.fstat(STDERR), self._path.stat())

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{FILE}.{number}") if number else self._path
