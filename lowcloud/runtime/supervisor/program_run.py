"""One run of a replica's program: starts it, logs its output, ends it on request, and records how it ended."""

import contextlib
import json
import math
import os
import select
import signal
import time
from pathlib import Path
from typing import Any

from lowcloud import contract
from lowcloud.runtime.inputs.feeder import INPUT_FAILED, Feeder
from lowcloud.runtime.sandbox.sandbox import Sandbox
from lowcloud.runtime.supervisor import container, program
from lowcloud.runtime.supervisor.log_file import LogWriter
from lowcloud.runtime.supervisor.usage_monitor import UsageMonitor

READ_BYTES = 65536
DEFAULT_GRACE_SECONDS = 30.0  # after a SIGTERM that does not come from an engine
DRAIN_TIMEOUT_SECONDS = 2.0  # for output still in the pipe, if a process could not be killed
EXIT_RECORD_BYTES = 4096
INPUT_ERROR_CHARACTERS = 500  # in the exit record: JSON takes at most 6 bytes for each


class ProgramRun:
    """One run of one program, in the supervisor's process."""

    def __init__(self, folder: Path, spec: dict[str, Any]):
        self._folder = folder
        self._spec = spec
        self._log = LogWriter(folder / contract.LOG_FILE, spec["log_bytes"])
        self._sandbox = Sandbox(folder, spec["sandbox"])
        folders = sorted({source for source, _ in spec["sandbox"]["writable_mounts"]})
        memory_bytes = 0 if self._sandbox.cgroup else spec["sandbox"]["memory_bytes"]
        self._monitor = UsageMonitor(folders, spec["disk_bytes"], memory_bytes)
        self._reason = ""  # why this supervisor has ended the program
        self._exit_file = _reserve_exit_file(folder)
        self._wakeup, self._control = self._open_wakeups()
        self._output: int | None = None
        self._pid = 0
        self._status: int | None = None
        self._feeder: Feeder | None = None
        self._kill_at: float | None = None

    def run(self) -> None:
        """Run the program to its end and record its exit."""
        self._read_stop_request()
        if self._kill_at is not None:  # stopped before the program started
            self._record_exit(-signal.SIGTERM, time.time())
            return
        write_end = self._open_output()
        if (feeder_spec := self._spec.get("feeder")) is not None:  # before the sandbox exists: it runs outside of it
            signal.signal(INPUT_FAILED, lambda *_: self._end_for_input_error())
            self._feeder = Feeder(feeder_spec, write_end)
        self._sandbox.build()
        if self._feeder is not None:
            self._sandbox.fuse_mounts = self._feeder.open_mounts()
        _write_durably(self._folder, contract.STARTED_FILE, {"started_at": time.time()})
        self._start(write_end)
        while self._status is None:
            self._wait()
        ended_at = time.time()
        if self._spec["container"] and container.remove(**self._spec["container"]):
            self._reason = contract.OUT_OF_MEMORY
        self._sandbox.kill_descendants(self._pid)
        self._drain_output()
        self._log.close()
        exit_code = os.waitstatus_to_exitcode(self._status)
        if not exit_code and self._reason.startswith(contract.INPUT_LOST):  # success without all inputs is a failure
            exit_code = -signal.SIGKILL
        self._record_exit(exit_code, ended_at)
        self._sandbox.clear()

    def _open_wakeups(self) -> tuple[int, int]:
        """Return descriptors that become readable: one on a signal, one when the engine writes to the control FIFO."""
        receive, send = os.pipe()
        for descriptor in (receive, send):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(send, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._request_end(DEFAULT_GRACE_SECONDS))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        fifo = self._folder / contract.CONTROL_FIFO
        if not fifo.exists():
            os.mkfifo(fifo, 0o600)
        # Opened for writing too, so that it never reports its end when the engine closes it.
        return receive, os.open(fifo, os.O_RDWR | os.O_NONBLOCK)

    def _open_output(self) -> int:
        """Open the pipe of the program's output and return its write end."""
        self._output, write_end = os.pipe()
        os.set_blocking(self._output, False)
        return write_end

    def _start(self, write_end: int) -> None:
        # Blocked until the program has reset our signal handlers, since a stop before that would be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, INPUT_FAILED))
        self._pid = os.fork()
        if self._pid == 0:
            program.become(self._spec, self._sandbox, write_end)
        if self._kill_at is not None:  # requested to end before the program existed
            _signal_group(self._pid, signal.SIGTERM)
        if self._reason:
            self._kill()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, INPUT_FAILED))
        os.close(write_end)
        for device, _ in self._sandbox.fuse_mounts:
            os.close(device)

    def _wait(self) -> None:
        """Wait for an event and handle it."""
        wake_at = min(self._monitor.next_at, self._kill_at or math.inf)
        timeout = None if wake_at == math.inf else max(0.0, wake_at - time.monotonic())
        sources = [self._wakeup, self._control] + ([] if self._output is None else [self._output])
        ready, _, _ = select.select(sources, [], [], timeout)
        if self._output in ready:
            self._copy_output()
        if self._wakeup in ready:
            os.read(self._wakeup, READ_BYTES)
            self._reap()
        if self._control in ready:
            os.read(self._control, READ_BYTES)
            self._read_stop_request()
        if self._status is None and self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill()
            self._kill_at = None
        if self._status is None and not self._reason and time.monotonic() >= self._monitor.next_at:
            self._reason = self._monitor.check()
            if self._reason:
                self._kill()

    def _reap(self) -> None:
        """Reap ended children: the program, and orphaned descendants that this process has adopted."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self._pid:
                    self._status = ended[1]
                elif self._feeder is not None and ended[0] == self._feeder.pid:
                    self._feeder = None
                    self._end_for_input_error()

    def _copy_output(self) -> bool:
        """Write available output to the log; return False if there is none at the moment."""
        assert self._output is not None
        try:
            data = os.read(self._output, READ_BYTES)
        except BlockingIOError:
            return False
        if data:
            self._log.write(data)
            return True
        os.close(self._output)
        self._output = None
        return False

    def _drain_output(self) -> None:
        """Log the rest of the output. Only a process that could not be killed keeps the pipe open."""
        deadline = time.monotonic() + DRAIN_TIMEOUT_SECONDS
        while self._output is not None and (self._copy_output() or time.monotonic() < deadline):
            if self._output is not None:
                select.select([self._output], [], [], max(0.0, deadline - time.monotonic()))

    def _read_stop_request(self) -> None:
        try:
            request = json.loads((self._folder / contract.STOP_FILE).read_text())
        except FileNotFoundError:
            return
        self._request_end(float(request["grace_seconds"]))

    def _request_end(self, grace_seconds: float) -> None:
        """Send SIGTERM to the program and kill it after the grace period; a repeated request can only shorten it."""
        kill_at = time.monotonic() + grace_seconds
        if self._kill_at is not None and kill_at >= self._kill_at:
            return
        self._kill_at = kill_at
        if self._pid:
            _signal_group(self._pid, signal.SIGTERM)

    def _end_for_input_error(self) -> None:
        """Kill the program because it lacks some of its input; the log has the error."""
        self._reason = f"{contract.INPUT_LOST}: {self._read_input_error()}"
        if self._pid and self._status is None:
            self._kill()

    def _read_input_error(self) -> str:
        """Return the error that the feeder process has reported."""
        try:
            error = (self._folder / contract.FEEDS_FOLDER / contract.FEED_ERROR_FILE).read_text(errors="replace")
        except FileNotFoundError:
            return "the process that reads the inputs has ended"
        return error[:INPUT_ERROR_CHARACTERS]

    def _kill(self) -> None:
        if self._feeder is not None:  # first, because a process that waits for its bytes cannot be killed
            self._feeder.kill()
        _signal_group(self._pid, signal.SIGKILL)

    def _record_exit(self, exit_code: int, ended_at: float) -> None:
        if self._sandbox.ran_out_of_memory():
            self._reason = contract.OUT_OF_MEMORY
        reason = self._reason if exit_code else ""
        record = {"exit_code": exit_code, "ended_at": ended_at, "reason": reason}
        os.pwrite(self._exit_file, json.dumps(record).ljust(EXIT_RECORD_BYTES).encode(), 0)
        (self._folder / f".{contract.EXIT_FILE}").rename(self._folder / contract.EXIT_FILE)


def _reserve_exit_file(folder: Path) -> int:
    """Open a file with space for the exit record, so that a program that fills the disk cannot prevent it."""
    descriptor = os.open(folder / f".{contract.EXIT_FILE}", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, b" " * EXIT_RECORD_BYTES)
    return descriptor


def _write_durably(folder: Path, name: str, record: dict[str, Any]) -> None:
    temporary = folder / f".{name}"
    with temporary.open("w") as file:
        file.write(json.dumps(record))
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(folder / name)


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:  # it has not created its process group yet, or has ended
        os.kill(pid, number)
