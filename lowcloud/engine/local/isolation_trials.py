"""Trials of the isolation levels: the strongest one that works here is used, and never a weaker one than before.

A level is left out only where the kernel says that it does not offer it, in answer to one of the sandbox's own system
calls. A trial that fails for any other reason, such as a full disk or a lack of memory, says nothing about the machine:
no program starts until it was repeated.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from lowcloud import contract
from lowcloud.engine.local.launch import isolation, isolation_record
from lowcloud.engine.local.launch.isolation import Level
from lowcloud.engine.local.launch.isolation_record import IsolationRecord
from lowcloud.engine.local.replica import read_record, write_record
from lowcloud.engine.work import EngineNotReadyError, IsolationStatus

RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)  # after the first failure, the second ...
STATUS_FILE = ".isolation"  # of the current leader, for other processes
CHOOSE = "lowcloud up --isolation"
BEING_TRIED = "The isolation levels are being tried on this machine; programs start once one works."

log = logging.getLogger("lowcloud.isolation")


class IsolationTrials:
    """Finds out the isolation level of one engine. `attempt` tries a level, and returns why it failed, or ""."""

    def __init__(self, home: Path, root: Path, attempt: Callable[[Level], str]):
        self._home = home
        self._status_file = root / STATUS_FILE
        self._attempt = attempt
        self._guard = threading.Lock()  # of one trial at a time
        self._has_thread = False
        self._level: Level | None = None
        self._failure = ""
        self._failures = 0
        self._retry_at = 0.0

    def leave_to_thread(self) -> None:
        """Let only `try_now` try levels from now on: a trial takes a minute at worst, and `level` returns at once."""
        self._has_thread = True

    def try_now(self) -> bool:
        """Try levels if none is known and a trial is due, and return whether one is known."""
        with self._guard:
            if self._level is None and time.monotonic() >= self._retry_at:
                self._try_levels()
            return self._level is not None

    def level(self) -> Level:
        """Return the level to run programs at. Raises EngineNotReadyError if it is not known now."""
        if self._level is None and not self._has_thread:
            self.try_now()
        if self._level is None:
            raise EngineNotReadyError(self._failure or BEING_TRIED)
        return self._level

    def seconds_to_next(self) -> float:
        """Return the time until a failed trial is repeated."""
        return max(0.0, self._retry_at - time.monotonic())

    def status(self) -> IsolationStatus:
        """Return what the current leader has found out."""
        return read_status(self._status_file.parent)

    def _try_levels(self) -> None:
        self._status_file.unlink(missing_ok=True)
        try:
            self._level = self._find_level()
            self._write_status(IsolationStatus(self._level.name, self._level.sentence))
        except (EngineNotReadyError, OSError, ValueError) as error:
            self._level = None
            if str(error) != self._failure:
                log.error("No program can be started: %s", error)
            self._failure = str(error)
            self._retry_at = time.monotonic() + RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
            self._failures += 1
            try:
                self._write_status(IsolationStatus(waits_for=self._failure))
            except OSError as other:  # such as a full disk; the reason is in this process and its log
                log.debug("%s cannot be written: %s", self._status_file, other)
        else:
            log.info("programs run at the isolation level %s", self._level.name)

    def _find_level(self) -> Level:
        """Return the strongest level that works. Raises EngineNotReadyError and OSError."""
        record = isolation_record.read(self._home)
        reasons = []
        for level in _candidates(record):
            reason = self._attempt(level) if level is not isolation.NONE else ""
            if not reason:
                isolation_record.reach(self._home, level.name)
                return level
            if contract.UNSUPPORTED not in reason:
                raise EngineNotReadyError(
                    f"The isolation level {level.name!r} could not be tried: {reason.rstrip('.')}. It will be tried "
                    f"again. To run programs at another level, restart with: {CHOOSE} LEVEL"
                )
            reasons.append(f"{level.name}: {reason.partition(contract.UNSUPPORTED)[2].rstrip('.')}")
        raise EngineNotReadyError(_refusal(record, "; ".join(reasons)))

    def _write_status(self, status: IsolationStatus) -> None:
        write_record(self._status_file, asdict(status))


def read_status(root: Path) -> IsolationStatus:
    """Return what the leader of the works below a root folder has found out."""
    found = read_record(root / STATUS_FILE)
    return IsolationStatus(**found) if found else IsolationStatus()


def _candidates(record: IsolationRecord) -> list[Level]:
    """Return the levels to try: the chosen one, or those that are not weaker than the one reached."""
    if record.chosen:
        return [isolation.level_named(record.chosen)]
    reached = isolation.level_named(record.reached) if record.reached else isolation.NONE
    return [level for level in isolation.levels() if not isolation.is_weaker(level, reached)]


def _refusal(record: IsolationRecord, reasons: str) -> str:
    """Return why no level is left, and what to do."""
    because = f" ({reasons})" if reasons else ""
    if record.chosen:
        return f"The isolation level {record.chosen!r}, which was chosen, is not available here{because}."
    if record.reached:
        return (
            f"Programs of this home have run at the isolation level {record.reached!r}, which is not available here "
            f"now{because}. Restore it, or accept a weaker level with: {CHOOSE} LEVEL"
        )
    return (
        f"This machine offers no isolation to a server that runs as root{because}, so programs could read its keys. "
        f"Run the server as another user, or accept this with: {CHOOSE} {isolation.NONE.name}"
    )
