"""The folder of one replica on this machine: reads the files of its supervisor and sends it requests."""

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
START_TIMEOUT_SECONDS = 30.0
END_TIMEOUT_SECONDS = 10.0
CONTAINER_TIMEOUT_SECONDS = 60.0  # for a daemon to end a container
POLL_SECONDS = 0.001


@dataclass(frozen=True)
class Owner:
    """The owner of a replica's files; the replicas of one work share the group."""

    uid: int
    gid: int


class StoppedError(Exception):
    """A replica was requested to stop while it was being prepared."""


@dataclass(frozen=True)
class ReplicaFolder:
    """The folder of one replica. All state is in its files; this object only knows the path."""

    path: Path

    @property
    def base(self) -> Path:
        """The folder that the program sees as /opt/ml."""
        return self.path / "base"

    @property
    def temporary(self) -> Path:
        """The folder that the program sees as /tmp and has as its home."""
        return self.path / "tmp"

    @property
    def socket(self) -> Path:
        """The folder of the unix socket that it serves on."""
        return self.path / "socket"

    @property
    def rendezvous(self) -> Path:
        """The folder shared by the replicas of the work."""
        return self.path.parent / "rendezvous"

    @property
    def library(self) -> Path:
        """A folder with only this package, for interpreters that do not have it installed."""
        return self.path / "library"

    @property
    def hosts(self) -> Path:
        """The file that the program sees as /etc/hosts."""
        return self.path / "hosts"

    def create(self, owner: Owner) -> None:
        """Create the folder, replacing an existing one. Raises StoppedError if a stop was requested."""
        if self.is_stop_requested:
            raise StoppedError
        delete_tree(self.path)
        self.path.mkdir(mode=0o700)
        if owner.uid != os.geteuid():  # where it uses its real path: others may pass, not list
            for folder in (self.path, self.path.parent):
                folder.chmod(0o711)
        self.rendezvous.mkdir(exist_ok=True)
        os.chown(self.rendezvous, -1, owner.gid)
        self.rendezvous.chmod(0o2770)
        for folder in (self.base, self.temporary, self.socket):
            folder.mkdir(mode=0o700)
            os.chown(folder, owner.uid, owner.gid)
        self.library.mkdir()
        self.library.chmod(0o755)  # whatever the server's umask is
        (self.library / "lowcloud").symlink_to(Path(contract.__file__).parent)

    def write_hosts(self, text: str) -> None:
        """Write the file that the program sees as /etc/hosts."""
        self.hosts.write_text(text)
        self.hosts.chmod(0o644)

    @property
    def is_staged(self) -> bool:
        """Whether staging is complete: the launch spec is written last, and nothing starts without it."""
        return bool(read_record(self.path / contract.LAUNCH_SPEC_FILE))

    @property
    def was_started(self) -> bool:
        """Whether the program was ever started, or was stopped before that."""
        return (self.path / contract.STARTED_FILE).exists() or self.has_ended

    @property
    def has_ended(self) -> bool:
        """Whether its exit is recorded."""
        return (self.path / contract.EXIT_FILE).exists()

    @property
    def is_stop_requested(self) -> bool:
        """Whether a stop was requested."""
        return (self.path / contract.STOP_FILE).exists()

    @property
    def is_supervised(self) -> bool:
        """Whether its supervisor is alive: it holds the lock."""
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
        """Return the status; takes about 30 microseconds."""
        ended = read_record(self.path / contract.EXIT_FILE)
        started = read_record(self.path / contract.STARTED_FILE)
        if ended is None and started is None:
            return ReplicaStatus(Phase.STAGING)
        started_at = started.get("started_at") if started else None
        if not ended and self.is_supervised:
            return ReplicaStatus(Phase.RUNNING, started_at=started_at)
        # The supervisor may have recorded the exit since the first read.
        ended = ended or read_record(self.path / contract.EXIT_FILE) or self._record_loss()
        phase = Phase.LOST if ended["exit_code"] is None else Phase.EXITED
        return ReplicaStatus(phase, ended["exit_code"], started_at, ended["ended_at"], ended.get("reason", ""))

    def logs(self, offset: int) -> LogPage:
        """Return complete lines from a byte offset of the log file on."""
        try:
            with (self.path / contract.LOG_FILE).open("rb") as file:
                file.seek(offset)
                page, newline, _ = file.read(PAGE_BYTES).rpartition(b"\n")
        except FileNotFoundError:
            return LogPage((), offset)
        if not newline:
            return LogPage((), offset)
        return LogPage(tuple(map(_log_line, page.split(b"\n"))), offset + len(page) + 1)

    def log_note(self, line: str) -> None:
        """Write a line to the log before the program starts."""
        with open(self.path / contract.LOG_FILE, "a", opener=_open_private) as file:
            file.write(f"{time.time_ns() // 1_000_000} {line}\n")

    def failure_reason(self) -> str:
        """Return the last line of the program's log, or of the supervisor's log if that is empty."""
        supervisor_lines = read_text(self.path / contract.SUPERVISOR_LOG_FILE).splitlines()
        lines = [line.text for line in self.logs(0).lines] or supervisor_lines
        code = self.status().exit_code
        ending = (
            "it ended without an exit code, perhaps for lack of disk space" if code is None else f"exit code {code}"
        )
        return next((line for line in reversed(lines) if line.strip()), ending)

    def request_stop(self, grace_seconds: float) -> None:
        """Write a stop request, which a supervisor that starts later reads too, and wake the supervisor."""
        if not self.path.exists():
            return
        write_record(self.path / contract.STOP_FILE, {"grace_seconds": grace_seconds})
        with suppress(OSError):  # no reader: the supervisor has not started, and will read the file, or has ended
            descriptor = os.open(self.path / contract.CONTROL_FIFO, os.O_WRONLY | os.O_NONBLOCK)
            os.write(descriptor, b"s")
            os.close(descriptor)

    def wait_until_started(self) -> None:
        """Wait for the supervisor, which already holds the lock, to start the program. Raises RuntimeError."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self.was_started:
            if time.monotonic() > deadline or not (self.is_supervised or self.was_started):
                log = read_text(self.path / contract.SUPERVISOR_LOG_FILE)
                raise RuntimeError(f"The supervisor of {self.path} did not start its program. {log[-1000:]}")
            time.sleep(POLL_SECONDS)

    def wait_until_supervisor_ended(self, timeout_seconds: float = END_TIMEOUT_SECONDS) -> None:
        """Wait for the supervisor to end. Raises RuntimeError on timeout."""
        deadline = time.monotonic() + timeout_seconds
        while self.is_supervised:
            if time.monotonic() > deadline:
                raise RuntimeError(f"The supervisor of {self.path} did not end in {timeout_seconds} seconds.")
            time.sleep(POLL_SECONDS)

    def record_stop(self) -> None:
        """Record the exit of a replica that was stopped before its program started."""
        record = {"exit_code": -signal.SIGTERM, "ended_at": time.time()}
        write_record(self.path / contract.EXIT_FILE, record)

    def _record_loss(self) -> dict[str, Any]:
        """Record that the supervisor died without an exit record, and kill what its program left running."""
        # Missing where an earlier version wrote the spec under another name; torn by a power failure, which ended
        # all processes.
        spec = read_record(self.path / contract.LAUNCH_SPEC_FILE)
        if spec:
            _kill_marked_processes(f"{contract.REPLICA_VARIABLE}={spec['name']}")
        if spec and (container := spec.get("container")):
            for arguments in (("kill",), ("rm", "--force", "--volumes")):  # which fail if the container is gone
                command = [container["client"], *arguments, container["name"]]
                subprocess.run(command, check=False, timeout=CONTAINER_TIMEOUT_SECONDS, capture_output=True)
        record = {"exit_code": None, "ended_at": time.time()}
        write_record(self.path / contract.EXIT_FILE, record)
        return record


def read_record(path: Path) -> dict[str, Any] | None:
    """Read a JSON record: None if there is none, and an empty one if a power failure has torn it."""
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return record


def read_text(path: Path) -> str:
    """Read a text file; "" if there is none."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record atomically and durably, readable by this user alone."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "w", opener=_open_private) as file:
            file.write(json.dumps(record))
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def delete_tree(folder: Path) -> None:
    """Delete a tree if it exists; a program may have made it very deep or removed its permissions."""
    if folder.exists():
        subprocess.run(["chmod", "-R", "u+rwX", "--", str(folder)], check=True)
        subprocess.run(["rm", "-rf", "--", str(folder)], check=True)


def _kill_marked_processes(marker: str) -> None:
    """Kill the processes whose environment has this marker, after their supervisor has died.

    Namespaces end with the supervisor; this is for replicas without them. It works on Linux only, and not for a process
    that has hidden its environment.
    """
    processes = Path("/proc").glob("[0-9]*")
    pids = [int(process.name) for process in processes if marker.encode() in _environment(process).split(b"\0")]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if pids:
        _kill_marked_processes(marker)  # those that they have started in the meantime


def _environment(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:  # it has ended, or belongs to another user
        return b""


def _log_line(line: bytes) -> LogLine:
    stamp, _, text = line.partition(b" ")
    return LogLine(int(stamp), text.decode(errors="replace"))
