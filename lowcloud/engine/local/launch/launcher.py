"""Starts supervisors: as forks of the warm parent if it is ready, otherwise as new interpreters."""

import os
import select
import socket
import subprocess
import sys
import threading
from pathlib import Path

PARENT_TIMEOUT_SECONDS = 60.0  # for the warm parent to load its modules, or to fork
SPAWN_TIMEOUT_SECONDS = 30.0
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Launcher:
    """Owns the warm parent, which ends with this process; supervisors do not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._is_ready = False

    def warm_up(self) -> None:
        """Start the warm parent, which loads in the background, unless it is running."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            self._end_parent()
            ours, theirs = socket.socketpair()
            ours.settimeout(PARENT_TIMEOUT_SECONDS)
            command = [sys.executable, "-P", "-m", "lowcloud.runtime.supervisor.warm_parent"]
            with theirs:
                self._process = subprocess.Popen(
                    command, stdin=theirs.fileno(), env=_environment(), cwd="/", start_new_session=True
                )
            self._socket = ours

    def launch(self, folder: Path, is_built_in: bool) -> None:
        """Start the supervisor of a replica's folder. Built-in programs wait for the warm parent to load."""
        if is_built_in:
            self.warm_up()
        if not self._fork(folder, PARENT_TIMEOUT_SECONDS if is_built_in else 0.0):
            command = [sys.executable, "-P", "-m", "lowcloud.runtime.supervisor.supervise", str(folder)]
            subprocess.run(command, env=_environment(), cwd="/", check=True, timeout=SPAWN_TIMEOUT_SECONDS)

    def close(self) -> None:
        """End the warm parent."""
        with self._lock:
            self._end_parent()

    def _fork(self, folder: Path, timeout_seconds: float) -> bool:
        """Fork the supervisor from the warm parent; return False if it is not running or not ready."""
        with self._lock:
            if self._socket is None or not self._is_parent_ready(timeout_seconds):
                return False
            try:
                self._socket.sendall(os.fsencode(folder) + b"\n")
                if self._socket.recv(1):
                    return True
            except OSError:  # it died; starting a supervisor again is safe, whether or not it had forked
                pass
            self._end_parent()
            return False

    def _is_parent_ready(self, timeout_seconds: float) -> bool:
        """Wait for the warm parent to load; return whether it has."""
        assert self._socket is not None
        if not self._is_ready and select.select([self._socket], [], [], timeout_seconds)[0]:
            self._is_ready = bool(self._socket.recv(1))
            if not self._is_ready:
                self._end_parent()
        return self._is_ready

    def _end_parent(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process, self._socket, self._is_ready = None, None, False


def _environment() -> dict[str, str]:
    """Return the environment of a supervisor: no secrets of the server, and no threads that a fork would lose."""
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return {**inherited, "LANG": "C.UTF-8", **dict.fromkeys(THREAD_VARIABLES, "1")}
