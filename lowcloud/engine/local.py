"""LocalEngine: runs work as processes of this machine, each replica under a supervisor that outlives the server.

Everything it knows lies in files below `root`, so that a new engine on the same folder finds running work again:

    <work>/work.json                  which work this is, and how many replicas it has
    <work>/rendezvous/                shared by the replicas of the work
    <work>/<replica>/base/            what the program sees as /opt/ml
    <work>/<replica>/{tmp,home}/      its temporary files and its home
    <work>/<replica>/{plan.json,...}  the supervisor's files, see lowcloud.contract
"""

import fcntl
import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lowcloud import contract
from lowcloud.engine import Fetch, LogLine, LogPage, Phase, ReplicaStatus, Resources, Work, leavings, staging
from lowcloud.engine.launcher import Launcher

PAGE_BYTES = 1024 * 1024
START_SECONDS = 30.0
END_SECONDS = 10.0
POLL_SECONDS = 0.001
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LocalEngine:
    """Implements lowcloud.engine.Engine."""

    def __init__(self, root: Path, fetch: Fetch):
        self._root = root
        self._fetch = fetch
        self._launcher = Launcher()
        self._locks: dict[str, threading.Lock] = {}
        self._locks_guard = threading.Lock()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for trash in root.glob(".trash-*"):
            _delete(trash)

    def warm_up(self) -> None:
        """Load built-in programs in the background, so that they start in milliseconds."""
        self._launcher.warm_up()

    def close(self) -> None:
        """Let go of the warm parent. Running work goes on."""
        self._launcher.close()

    def start(self, work: Work) -> None:
        """See Engine.start. A start that was cut short is carried on; a program never runs a second time."""
        folder = self._folder(work.id)
        with self._locked(work.id):
            folder.mkdir(mode=0o700, exist_ok=True)
            if not (folder / "work.json").exists():
                _write_whole(folder, "work.json", {"id": work.id, "replicas": len(work.replicas)})
            waiting = [n for n in range(len(work.replicas)) if not _was_started(folder / str(n))]
            for number in waiting:
                self._stage(work, number)
            for number in waiting:
                self._launcher.launch(folder / str(number), _is_built_in(work))
            for number in waiting:
                _wait_until_started(folder / str(number))

    def status(self, work_id: str) -> tuple[ReplicaStatus, ...]:
        """See Engine.status."""
        folder = self._folder(work_id)
        return tuple(_status(folder / str(number)) for number in range(_replicas(folder)))

    def logs(self, work_id: str, replica: int, offset: int) -> LogPage:
        """See Engine.logs. Offsets are bytes of the log file."""
        try:
            with (self._folder(work_id) / str(replica) / contract.LOG_FILE).open("rb") as file:
                file.seek(offset)
                page, newline, _ = file.read(PAGE_BYTES).rpartition(b"\n")
        except FileNotFoundError:
            return LogPage((), offset)
        if not newline:
            return LogPage((), offset)
        return LogPage(tuple(map(_log_line, page.split(b"\n"))), offset + len(page) + 1)

    def stop(self, work_id: str, grace_seconds: float) -> None:
        """See Engine.stop."""
        folder = self._folder(work_id)
        for number in range(_replicas(folder)):
            _ask_to_end(folder / str(number), grace_seconds)

    def read_file(self, work_id: str, replica: int, path: str, limit_bytes: int) -> bytes | None:
        """See Engine.read_file."""
        return leavings.read_beneath(self._folder(work_id) / str(replica) / "base", path, limit_bytes)

    def archive(self, work_id: str, replica: int, folder: str) -> Iterator[bytes]:
        """See Engine.archive. Raises OSError where the folder is missing or unreadable."""
        return leavings.archive(self._folder(work_id) / str(replica) / "base", folder)

    def remove(self, work_id: str) -> None:
        """See Engine.remove."""
        folder = self._folder(work_id)
        with self._locked(work_id):
            for number in range(_replicas(folder)):
                _ask_to_end(folder / str(number), 0.0)
            for number in range(_replicas(folder)):
                _wait_until_dead(folder / str(number))
            if folder.exists():
                trash = self._root / f".trash-{secrets.token_hex(8)}"
                folder.rename(trash)
                _delete(trash)

    def address(self, work_id: str, replica: int) -> str | None:
        """See Engine.address."""
        path = self._folder(work_id) / str(replica) / "tmp" / "socket"
        return f"unix:{path}" if path.is_socket() else None

    def isolation(self) -> str:
        """See Engine.isolation."""
        return "Programs run as the server's own user, in a folder and a process group of their own."

    def capacity(self) -> Resources:
        """See Engine.capacity."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return Resources(float(os.cpu_count() or 1), memory, len(list(Path("/dev").glob("nvidia[0-9]*"))))

    def _folder(self, work_id: str) -> Path:
        readable = re.sub(r"[^A-Za-z0-9._-]", "_", work_id)[:80]
        return self._root / f"{hashlib.sha256(work_id.encode()).hexdigest()[:20]}-{readable}"

    @contextmanager
    def _locked(self, work_id: str) -> Iterator[None]:
        """One start or remove of a work at a time. One server uses a root, so a lock of this process is enough."""
        with self._locks_guard:
            lock = self._locks.setdefault(work_id, threading.Lock())
        with lock:
            yield

    def _stage(self, work: Work, number: int) -> None:
        """Lay a replica's folder. The plan comes last: without it nothing can have been started from the folder."""
        folder = self._folder(work.id) / str(number)
        if (folder / contract.PLAN_FILE).exists():
            return
        if folder.exists():
            _delete(folder)
        for name in ("", "base", "tmp", "home"):
            (folder / name).mkdir(mode=0o700)
        (folder.parent / "rendezvous").mkdir(mode=0o700, exist_ok=True)
        staging.lay(work.replicas[number], folder / "base", self._fetch, (os.getuid(), os.getgid()))
        _write_whole(folder, contract.PLAN_FILE, _plan(work, number, folder))


def _plan(work: Work, number: int, folder: Path) -> dict[str, Any]:
    """What the supervisor is to do. Nothing of the server's own environment reaches the program."""
    base = folder / "base"
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{SYSTEM_PATH}",
        "LANG": "C.UTF-8",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONUNBUFFERED": "1",
        contract.BASE_DIR_VARIABLE: str(base),
        contract.RENDEZVOUS_VARIABLE: str(folder.parent / "rendezvous"),
        contract.SOCKET_VARIABLE: str(folder / "tmp" / "socket"),
        **work.replicas[number].environment,
    }
    return {"command": work.command, "environment": environment, "directory": str(base), "sandbox": {}}


def _is_built_in(work: Work) -> bool:
    return work.command[:2] == ("python", "-m") and work.command[2].startswith("lowcloud.runtime.")


def _wait_until_started(replica: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _was_started(replica):
        if time.monotonic() > deadline:
            raise RuntimeError(f"The supervisor of {replica} did not start; see its supervisor.log.")
        time.sleep(POLL_SECONDS)


def _was_started(replica: Path) -> bool:
    return (replica / contract.STARTED_FILE).exists() or (replica / contract.EXIT_FILE).exists()


def _replicas(work: Path) -> int:
    record = _read_record(work / "work.json")
    return 0 if record is None else int(record["replicas"])


def _status(replica: Path) -> ReplicaStatus:
    ended = _read_record(replica / contract.EXIT_FILE)
    started = _read_record(replica / contract.STARTED_FILE)
    if ended is None and started is None:
        return ReplicaStatus(Phase.STAGING)
    started_at = None if started is None else started["started_at"]
    if ended is None and _is_supervised(replica):
        return ReplicaStatus(Phase.RUNNING, started_at=started_at)
    ended = ended or _read_record(replica / contract.EXIT_FILE) or _record_loss(replica)
    phase = Phase.LOST if ended["exit_code"] is None else Phase.EXITED
    return ReplicaStatus(phase, ended["exit_code"], started_at, ended["ended_at"], ended["out_of_memory"])


def _record_loss(replica: Path) -> dict[str, Any]:
    """The supervisor died without a word, so nobody knows how its program ended."""
    record = {"exit_code": None, "ended_at": time.time(), "out_of_memory": False}
    _write_whole(replica, contract.EXIT_FILE, record)
    return record


def _is_supervised(replica: Path) -> bool:
    """Whether a supervisor holds the replica's lock."""
    try:
        descriptor = os.open(replica / contract.LOCK_FILE, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _ask_to_end(replica: Path, grace_seconds: float) -> None:
    if not replica.exists():
        return
    _write_whole(replica, contract.STOP_FILE, {"grace_seconds": grace_seconds})
    with suppress(OSError):  # nobody reads it: not started yet, when it will see the file, or ended
        descriptor = os.open(replica / contract.CONTROL_FIFO, os.O_WRONLY | os.O_NONBLOCK)
        os.write(descriptor, b"s")
        os.close(descriptor)


def _wait_until_dead(replica: Path) -> None:
    deadline = time.monotonic() + END_SECONDS
    while _is_supervised(replica):
        if time.monotonic() > deadline:
            raise RuntimeError(f"The supervisor of {replica} did not end.")
        time.sleep(POLL_SECONDS)


def _log_line(line: bytes) -> LogLine:
    stamp, _, text = line.partition(b" ")
    return LogLine(int(stamp), text.decode(errors="replace"))


def _read_record(path: Path) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return record


def _write_whole(folder: Path, name: str, record: Mapping[str, Any]) -> None:
    temporary = folder / f".{name}.{secrets.token_hex(4)}"
    temporary.write_text(json.dumps(record))
    temporary.rename(folder / name)


def _delete(folder: Path) -> None:
    """Delete a tree that a program may have made hard to delete."""
    subprocess.run(["rm", "-rf", "--", str(folder)], check=True)
