"""Starts supervisors: forks of a warm parent where there is one, interpreters of their own else."""

import os
import select
import socket
import subprocess
import sys
import threading
from pathlib import Path

WARM_SECONDS = 60.0  # how long a warm parent may take to load its modules, or to fork
SPAWN_SECONDS = 30.0
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Launcher:
    """Holds the warm parent. It ends with this process; supervisors do not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._is_ready = False

    def warm_up(self) -> None:
        """Start the warm parent, which loads in the background; nothing where one runs."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            self._give_up()
            ours, theirs = socket.socketpair()
            ours.settimeout(WARM_SECONDS)
            command = [sys.executable, "-P", "-m", "lowcloud.runtime.supervisor.warm_parent"]
            with theirs:
                self._process = subprocess.Popen(
                    command, stdin=theirs.fileno(), env=_environment(), cwd="/", start_new_session=True
                )
            self._socket = ours

    def launch(self, folder: Path, is_built_in: bool) -> None:
        """Start the supervisor of a replica's folder. Built-in programs are worth the wait for a loading parent."""
        if is_built_in:
            self.warm_up()
        if not self._fork(folder, WARM_SECONDS if is_built_in else 0.0):
            command = [sys.executable, "-P", "-m", "lowcloud.runtime.supervisor.supervise", str(folder)]
            subprocess.run(command, env=_environment(), cwd="/", check=True, timeout=SPAWN_SECONDS)

    def close(self) -> None:
        """End the warm parent."""
        with self._lock:
            self._give_up()

    def _fork(self, folder: Path, patience_seconds: float) -> bool:
        """Whether the warm parent has forked the supervisor; False where there is none, or none that is ready."""
        with self._lock:
            if self._socket is None or not self._answers(patience_seconds):
                return False
            try:
                self._socket.sendall(os.fsencode(folder) + b"\n")
                if self._socket.recv(1):
                    return True
            except OSError:  # it died; whether it had forked does not matter, since a supervisor starts nothing twice
                pass
            self._give_up()
            return False

    def _answers(self, patience_seconds: float) -> bool:
        """Whether the parent is loaded; waits for it to be."""
        assert self._socket is not None
        if not self._is_ready and select.select([self._socket], [], [], patience_seconds)[0]:
            self._is_ready = bool(self._socket.recv(1))
            if not self._is_ready:
                self._give_up()
        return self._is_ready

    def _give_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process, self._socket, self._is_ready = None, None, False


def _environment() -> dict[str, str]:
    """What an interpreter of ours needs: none of the server's secrets, and no threads that a fork would lose."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", **dict.fromkeys(ONE_THREAD, "1")}
