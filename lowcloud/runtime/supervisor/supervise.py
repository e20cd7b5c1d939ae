"""The supervisor of one replica: starts its program, keeps its output and exit code, ends all it leaves behind.

It lives in a session of its own and outlives the server that wanted it. Its files are named in lowcloud.contract.
"""

import contextlib
import fcntl
import json
import math
import os
import select
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

from lowcloud import contract
from lowcloud.runtime.inputs.feeder import FAILED, Feeder
from lowcloud.runtime.sandbox import sandbox
from lowcloud.runtime.supervisor import container, program
from lowcloud.runtime.supervisor.log_file import Journal
from lowcloud.runtime.supervisor.usage_watch import Watch

READ_BYTES = 65536
DEFAULT_GRACE_SECONDS = 30.0  # for a SIGTERM that comes from elsewhere than an engine
LOCK_SECONDS = 1.0  # an engine that looks whether the supervisor lives holds the lock for microseconds
DRAIN_SECONDS = 2.0  # for output still in the pipe where a process could not be ended
EXIT_RECORD_BYTES = 4096
FAULT_CHARACTERS = 500  # of what an input that cannot be read has to say: JSON takes at most 6 bytes for each
LOCK_DESCRIPTOR = 3


def main(argv: list[str]) -> int:
    """Start the supervisor of the replica folder argv[0], and return at once."""
    start(Path(argv[0]))
    return 0


def start(folder: Path) -> None:
    """Fork a supervisor, unless the folder has one or has gone. It holds the lock from before this returns."""
    lock = _take_lock(folder)
    if lock is None:
        return
    if os.fork() == 0:
        _supervise(folder, lock)
    os.close(lock)


def _supervise(folder: Path, lock: int) -> NoReturn:
    """Run the plan in `folder` to its end, unless it was ever started before, and end this process."""
    code = 1
    try:
        _detach(folder, lock)
        if not _was_started(folder):
            _Supervisor(folder, json.loads((folder / contract.PLAN_FILE).read_text())).run()
        code = 0
    except BaseException:  # noqa: BLE001 - the edge of this process: its log is the only place to say it
        traceback.print_exc()
    finally:
        os._exit(code)


class _Supervisor:
    """One run of one program."""

    def __init__(self, folder: Path, plan: dict[str, Any]):
        self.folder = folder
        self.plan = plan
        self.journal = Journal(folder / contract.LOG_FILE, plan["log_bytes"])
        self.jail = sandbox.Jail(folder, plan["sandbox"])
        folders = sorted({source for source, _ in plan["sandbox"]["binds"]})
        self.watch = Watch(folders, plan["disk_bytes"], 0 if self.jail.cgroup else plan["sandbox"]["memory_bytes"])
        self.reason = ""  # why this supervisor has ended the program
        self.exit = _reserve_exit(folder)
        self.wakeup, self.control = self._listen()
        self.output: int | None = None
        self.pid = 0
        self.status: int | None = None
        self.feeder: Feeder | None = None
        self.kill_at: float | None = None

    def run(self) -> None:
        """Start the program, follow it, and record how it ended."""
        self._read_stop()
        if self.kill_at is not None:  # stopped before it began
            self._record_exit(-signal.SIGTERM, time.time())
            return
        write_end = self._open_output()
        if (feeds := self.plan.get("feeds")) is not None:  # before there are walls, so that it stands outside
            signal.signal(FAILED, lambda *_: self._end_for_input())
            self.feeder = Feeder(feeds, write_end)
        self.jail.build()
        if self.feeder is not None:
            self.jail.mounts = self.feeder.open_mounts()
        _write_whole(self.folder, contract.STARTED_FILE, {"started_at": time.time()})
        self._start(write_end)
        while self.status is None:
            self._wait()
        ended_at = time.time()
        if self.plan["container"] and container.end(**self.plan["container"]):
            self.reason = contract.OUT_OF_MEMORY
        self.jail.end_everything(self.pid)
        self._drain()
        self.journal.close()
        exit_code = os.waitstatus_to_exitcode(self.status)
        # A success without all of the input is none.
        self._record_exit(-signal.SIGKILL if self._lacks_input and not exit_code else exit_code, ended_at)
        self.jail.clear()

    def _listen(self) -> tuple[int, int]:
        """Descriptors that become readable on a signal, and on a word from the engine."""
        receive, send = os.pipe()
        os.set_blocking(receive, False)
        os.set_blocking(send, False)
        signal.set_wakeup_fd(send, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._end_after(DEFAULT_GRACE_SECONDS))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        fifo = self.folder / contract.CONTROL_FIFO
        if not fifo.exists():
            os.mkfifo(fifo, 0o600)
        # Opened for writing too, so that it never reads as ended when the engine closes its side.
        return receive, os.open(fifo, os.O_RDWR | os.O_NONBLOCK)

    def _open_output(self) -> int:
        """A pipe for what is to be logged: where to write."""
        self.output, write_end = os.pipe()
        os.set_blocking(self.output, False)
        return write_end

    def _start(self, write_end: int) -> None:
        # Held back until the program has taken leave of our handlers: a stop in between would be lost on it.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, FAILED))
        self.pid = os.fork()
        if self.pid == 0:
            program.become(self.plan, self.jail, write_end)
        if self.kill_at is not None:  # asked to end before there was a program to ask
            _signal_group(self.pid, signal.SIGTERM)
        if self.reason:
            self._kill()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, FAILED))
        os.close(write_end)
        for device, _ in self.jail.mounts:
            os.close(device)

    def _wait(self) -> None:
        """Until something happens, then do what it asks for."""
        wake_at = min(self.watch.next_at, self.kill_at or math.inf)
        timeout = None if wake_at == math.inf else max(0.0, wake_at - time.monotonic())
        sources = [self.wakeup, self.control] + ([] if self.output is None else [self.output])
        ready, _, _ = select.select(sources, [], [], timeout)
        if self.output in ready:
            self._copy()
        if self.wakeup in ready:
            os.read(self.wakeup, READ_BYTES)
            self._reap()
        if self.control in ready:
            os.read(self.control, READ_BYTES)
            self._read_stop()
        if self.status is None and self.kill_at is not None and time.monotonic() >= self.kill_at:
            self._kill()
            self.kill_at = None
        if self.status is None and not self.reason and time.monotonic() >= self.watch.next_at:
            self.reason = self.watch.look()
            if self.reason:
                self._kill()

    def _reap(self) -> None:
        """Collect ended children: the program, and orphans of it that this process has adopted."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self.pid:
                    self.status = ended[1]
                elif self.feeder is not None and ended[0] == self.feeder.pid:
                    self.feeder = None
                    self._end_for_input()

    def _copy(self) -> bool:
        """Move output into the log; false when there is none at the moment."""
        assert self.output is not None
        try:
            data = os.read(self.output, READ_BYTES)
        except BlockingIOError:
            return False
        if data:
            self.journal.write(data)
            return True
        os.close(self.output)
        self.output = None
        return False

    def _drain(self) -> None:
        """The rest of the output. Only a process that could not be ended keeps the pipe open."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while self.output is not None and (self._copy() or time.monotonic() < deadline):
            if self.output is not None:
                select.select([self.output], [], [], max(0.0, deadline - time.monotonic()))

    def _read_stop(self) -> None:
        try:
            wish = json.loads((self.folder / contract.STOP_FILE).read_text())
        except FileNotFoundError:
            return
        self._end_after(float(wish["grace_seconds"]))

    def _end_after(self, grace_seconds: float) -> None:
        """Ask the program to end, once: a wish that is repeated changes nothing unless it is more pressing."""
        kill_at = time.monotonic() + grace_seconds
        if self.kill_at is not None and kill_at >= self.kill_at:
            return
        self.kill_at = kill_at
        if self.pid:
            _signal_group(self.pid, signal.SIGTERM)

    def _end_for_input(self) -> None:
        """End the program, which misses some of its input; the log says why."""
        self.reason = f"{contract.INPUT_LOST}: {self._input_fault()}"
        if self.pid and self.status is None:
            self._kill()

    @property
    def _lacks_input(self) -> bool:
        return self.reason.startswith(contract.INPUT_LOST)

    def _input_fault(self) -> str:
        """What the feeder has left to say."""
        try:
            said = (self.folder / contract.FEEDS_FOLDER / contract.FEED_FAULT_FILE).read_text(errors="replace")
        except FileNotFoundError:
            return "the process that hands inputs on has ended"
        return said[:FAULT_CHARACTERS]

    def _kill(self) -> None:
        if self.feeder is not None:  # first: what waits for bytes cannot be killed
            self.feeder.kill()
        _signal_group(self.pid, signal.SIGKILL)

    def _record_exit(self, exit_code: int, ended_at: float) -> None:
        if self.jail.ran_out_of_memory():
            self.reason = contract.OUT_OF_MEMORY
        reason = self.reason if exit_code else ""
        record = {"exit_code": exit_code, "ended_at": ended_at, "reason": reason}
        os.pwrite(self.exit, json.dumps(record).ljust(EXIT_RECORD_BYTES).encode(), 0)
        (self.folder / f".{contract.EXIT_FILE}").rename(self.folder / contract.EXIT_FILE)


def _detach(folder: Path, lock: int) -> None:
    """Leave the session, the descriptors and the signal settings of whoever started this process; keep the lock."""
    os.setsid()
    os.chdir("/")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    notes = os.open(folder / contract.SUPERVISOR_LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    # The lock last: its place may be that of one of the others, until they are in theirs.
    for source, target in ((nowhere, 0), (notes, 1), (notes, 2), (lock, LOCK_DESCRIPTOR)):
        if source != target:
            os.dup2(source, target)
    os.closerange(LOCK_DESCRIPTOR + 1, max(int(path.name) for path in Path("/dev/fd").iterdir()) + 1)
    os.pwrite(LOCK_DESCRIPTOR, str(os.getpid()).encode(), 0)  # for people who look


def _take_lock(folder: Path) -> int | None:
    """The descriptor of the lock, held for as long as a process has it open; None where there is no winning it."""
    try:
        descriptor = os.open(folder / contract.LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return None
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                return None
            time.sleep(0.002)
        else:
            return descriptor


def _was_started(folder: Path) -> bool:
    return (folder / contract.STARTED_FILE).exists() or (folder / contract.EXIT_FILE).exists()


def _reserve_exit(folder: Path) -> int:
    """A file with room for the exit record, so that a disk filled by the program cannot keep it from being written."""
    descriptor = os.open(folder / f".{contract.EXIT_FILE}", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, b" " * EXIT_RECORD_BYTES)
    return descriptor


def _write_whole(folder: Path, name: str, record: dict[str, Any]) -> None:
    temporary = folder / f".{name}"
    with temporary.open("w") as file:
        file.write(json.dumps(record))
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(folder / name)


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:  # it has not made its group yet, or has ended
        os.kill(pid, number)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
