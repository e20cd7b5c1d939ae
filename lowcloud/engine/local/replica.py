"""The folder of one replica on this machine: what its supervisor wrote there, and how to talk to it."""

import fcntl
import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowcloud import contract
from lowcloud.engine.work import LogLine, LogPage, Phase, ReplicaStatus

PAGE_BYTES = 1024 * 1024
START_SECONDS = 30.0
END_SECONDS = 10.0
CONTAINER_SECONDS = 60.0  # for a daemon to end a container
POLL_SECONDS = 0.001


@dataclass(frozen=True)
class Owner:
    """Whose a replica's files are; the replicas of one work share the group."""

    uid: int
    gid: int


class StoppedError(Exception):
    """A replica was stopped while it was prepared."""


@dataclass(frozen=True)
class ReplicaFolder:
    """Where a replica lives. All of its state is in files, so this object can be made anew at any time."""

    path: Path

    @property
    def base(self) -> Path:
        """What the program sees as /opt/ml."""
        return self.path / "base"

    @property
    def temporary(self) -> Path:
        """What the program sees as /tmp, and has for a home."""
        return self.path / "tmp"

    @property
    def socket(self) -> Path:
        """The folder of the socket it serves at."""
        return self.path / "socket"

    @property
    def rendezvous(self) -> Path:
        """The folder shared by the replicas of the work."""
        return self.path.parent / "rendezvous"

    @property
    def library(self) -> Path:
        """A folder with this package in it and nothing else, for interpreters that do not have it."""
        return self.path / "library"

    @property
    def hosts(self) -> Path:
        """What the program sees as /etc/hosts."""
        return self.path / "hosts"

    def make(self, owner: Owner) -> None:
        """Make it anew, with nothing in it. Raises Stopped where it was stopped before."""
        if self.is_unwanted:
            raise StoppedError
        delete(self.path)
        self.path.mkdir(mode=0o700)
        self.rendezvous.mkdir(exist_ok=True)
        os.chown(self.rendezvous, -1, owner.gid)
        self.rendezvous.chmod(0o2770)
        for folder in (self.base, self.temporary, self.socket):
            folder.mkdir(mode=0o700)
            os.chown(folder, owner.uid, owner.gid)
        self.library.mkdir()
        self.library.chmod(0o755)  # whatever the server's mask
        (self.library / "lowcloud").symlink_to(Path(contract.__file__).parent)

    def name_hosts(self, table: str) -> None:
        """Write what the program sees as /etc/hosts."""
        self.hosts.write_text(table)
        self.hosts.chmod(0o644)

    @property
    def is_staged(self) -> bool:
        """Whether all is laid; the plan comes last, and without it nothing can have been started."""
        return bool(read_record(self.path / contract.PLAN_FILE))

    @property
    def was_started(self) -> bool:
        """Whether the program was ever started, or was stopped before."""
        return (self.path / contract.STARTED_FILE).exists() or self.has_ended

    @property
    def has_ended(self) -> bool:
        """Whether its end is on record."""
        return (self.path / contract.EXIT_FILE).exists()

    @property
    def is_unwanted(self) -> bool:
        """Whether a stop was asked for."""
        return (self.path / contract.STOP_FILE).exists()

    @property
    def is_supervised(self) -> bool:
        """Whether a supervisor lives: it holds the lock."""
        try:
            descriptor = os.open(self.path / contract.LOCK_FILE, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def status(self) -> ReplicaStatus:
        """Where it stands; about 30 microseconds."""
        ended = read_record(self.path / contract.EXIT_FILE)
        started = read_record(self.path / contract.STARTED_FILE)
        if ended is None and started is None:
            return ReplicaStatus(Phase.STAGING)
        started_at = started.get("started_at") if started else None
        if not ended and self.is_supervised:
            return ReplicaStatus(Phase.RUNNING, started_at=started_at)
        # It may have written its record between the two looks.
        ended = ended or read_record(self.path / contract.EXIT_FILE) or self._record_loss()
        phase = Phase.LOST if ended["exit_code"] is None else Phase.EXITED
        return ReplicaStatus(phase, ended["exit_code"], started_at, ended["ended_at"], ended.get("reason", ""))

    def logs(self, offset: int) -> LogPage:
        """Whole lines from a byte of the log file on."""
        try:
            with (self.path / contract.LOG_FILE).open("rb") as file:
                file.seek(offset)
                page, newline, _ = file.read(PAGE_BYTES).rpartition(b"\n")
        except FileNotFoundError:
            return LogPage((), offset)
        if not newline:
            return LogPage((), offset)
        return LogPage(tuple(map(_log_line, page.split(b"\n"))), offset + len(page) + 1)

    def note(self, line: str) -> None:
        """Say something at the beginning of the log, before the program starts."""
        with (self.path / contract.LOG_FILE).open("a") as file:
            file.write(f"{time.time_ns() // 1_000_000} {line}\n")

    def last_words(self) -> str:
        """The last line that the program or else its supervisor left, to say why it failed."""
        notes = read_text(self.path / contract.SUPERVISOR_LOG_FILE).splitlines()
        said = [line.text for line in self.logs(0).lines] or notes
        return next((line for line in reversed(said) if line.strip()), f"it ended with {self.status().exit_code}")

    def ask_to_end(self, grace_seconds: float) -> None:
        """Leave the wish where the supervisor finds it, also one that starts later, and wake it."""
        if not self.path.exists():
            return
        write_record(self.path / contract.STOP_FILE, {"grace_seconds": grace_seconds})
        with suppress(OSError):  # nobody reads: it has not started, and will see the file, or has ended
            descriptor = os.open(self.path / contract.CONTROL_FIFO, os.O_WRONLY | os.O_NONBLOCK)
            os.write(descriptor, b"s")
            os.close(descriptor)

    def wait_until_started(self) -> None:
        """Until its supervisor, which has the lock already, has started the program. Raises RuntimeError."""
        deadline = time.monotonic() + START_SECONDS
        while not self.was_started:
            if time.monotonic() > deadline or not (self.is_supervised or self.was_started):
                notes = read_text(self.path / contract.SUPERVISOR_LOG_FILE)
                raise RuntimeError(f"The supervisor of {self.path} did not start its program. {notes[-1000:]}")
            time.sleep(POLL_SECONDS)

    def wait_until_dead(self, timeout_seconds: float = END_SECONDS) -> None:
        """Until the supervisor has ended. Raises RuntimeError where it does not."""
        deadline = time.monotonic() + timeout_seconds
        while self.is_supervised:
            if time.monotonic() > deadline:
                raise RuntimeError(f"The supervisor of {self.path} did not end.")
            time.sleep(POLL_SECONDS)

    def record_stop(self) -> None:
        """Record the end of what was stopped before it began."""
        record = {"exit_code": -signal.SIGTERM, "ended_at": time.time()}
        write_record(self.path / contract.EXIT_FILE, record)

    def _record_loss(self) -> dict[str, Any]:
        """The supervisor died without a word, so nobody knows how its program ended."""
        plan = read_record(self.path / contract.PLAN_FILE)
        assert plan is not None, "nothing starts without a plan"
        if plan:  # else the power went, and with it all that ran
            _kill_remains(f"{contract.REPLICA_VARIABLE}={plan['name']}")
        if plan and (container := plan.get("container")):
            for command in (("kill",), ("rm", "--force", "--volumes")):  # which fail where it is gone
                words = [container["client"], *command, container["name"]]
                subprocess.run(words, check=False, timeout=CONTAINER_SECONDS, capture_output=True)
        record = {"exit_code": None, "ended_at": time.time()}
        write_record(self.path / contract.EXIT_FILE, record)
        return record


def read_record(path: Path) -> dict[str, Any] | None:
    """A JSON record: None where there is none, and an empty one where a power failure has torn it."""
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return record


def read_text(path: Path) -> str:
    """A text, or nothing where there is none."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record so that a reader finds it whole or not at all, also after a power failure."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with temporary.open("w") as file:
        file.write(json.dumps(record))
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def delete(folder: Path) -> None:
    """Delete a tree, if it is there, that a program may have made hard to delete: deep, or without rights."""
    if folder.exists():
        subprocess.run(["chmod", "-R", "u+rwX", "--", str(folder)], check=True)
        subprocess.run(["rm", "-rf", "--", str(folder)], check=True)


def _kill_remains(marker: str) -> None:
    """Kill what a dead supervisor left. Namespaces have ended with it; without them, the environment tells.

    Linux alone lets a process read that. A process that has hidden its environment lives on.
    """
    processes = Path("/proc").glob("[0-9]*")
    own = [int(process.name) for process in processes if marker.encode() in _environment(process).split(b"\0")]
    for pid in own:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if own:
        _kill_remains(marker)  # those that they have started meanwhile


def _environment(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:  # it has ended, or is another user's
        return b""


def _log_line(line: bytes) -> LogLine:
    stamp, _, text = line.partition(b" ")
    return LogLine(int(stamp), text.decode(errors="replace"))
