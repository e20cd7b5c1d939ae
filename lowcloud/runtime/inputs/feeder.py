"""The feeder process of one replica: streams inputs to the program while it runs, from outside of its sandbox.

The supervisor forks it before it enters the sandbox, so that the program cannot see it. It ends with the supervisor.
Spec: {folder: of the engine's socket, error_file: to report an error in, uid, gid: the owner of the files in mounts,
       pipes: [see pipes.py], mounts: [{target, list}]}
"""

import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from lowcloud.runtime import syscalls
from lowcloud.runtime.inputs import fuse
from lowcloud.runtime.inputs.fuse import FileSystem
from lowcloud.runtime.inputs.input_client import InputUnreadableError
from lowcloud.runtime.inputs.lazy_folder import LazyTree
from lowcloud.runtime.inputs.pipes import Pipe

INPUT_FAILED = signal.SIGUSR1  # makes the supervisor end the program, which would otherwise miss data without knowing


class Feeder:
    """The supervisor's handle of the feeder process."""

    def __init__(self, spec: dict[str, Any], output: int):
        """Fork the process. The pipes exist when this returns. Errors go to `output`."""
        mask = os.umask(0)  # the program is another user
        pipes = [Pipe(pipe) for pipe in spec["pipes"]]
        os.umask(mask)
        self._targets = [mount["target"] for mount in spec["mounts"]]
        self._socket, theirs = socket.socketpair()
        supervisor = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _run_process(supervisor, spec, pipes, theirs, output)
        theirs.close()
        for pipe in pipes:
            pipe.close()

    def open_mounts(self) -> list[tuple[int, str]]:
        """Open a FUSE device for every target, from within the user namespace that mounts it.

        The caller closes them.
        """
        devices = [os.open(fuse.DEVICE, os.O_RDWR | os.O_CLOEXEC) for _ in self._targets]
        socket.send_fds(self._socket, [b"m"], devices)
        self._socket.close()
        return list(zip(devices, self._targets, strict=True))

    def kill(self) -> None:
        """Kill the process, so that nothing waits for it."""
        os.kill(self.pid, signal.SIGKILL)


def _run_process(
    supervisor: int, spec: dict[str, Any], pipes: list[Pipe], mounts: socket.socket, output: int
) -> NoReturn:
    try:
        syscalls.die_with_parent(supervisor)
        _detach_from_supervisor(output, mounts, pipes)
        os.umask(0)
        os.chdir(spec["folder"])
        for pipe in pipes:
            threading.Thread(target=_serve, args=(supervisor, spec["error_file"], pipe.feed), daemon=True).start()
        _, devices, _, _ = socket.recv_fds(mounts, 1, len(spec["mounts"]))
        for device, mount in zip(devices, spec["mounts"], strict=True):
            file_system = FileSystem(device, LazyTree(mount["list"]), spec["uid"], spec["gid"])
            threading.Thread(
                target=_serve, args=(supervisor, spec["error_file"], file_system.serve), daemon=True
            ).start()
        while True:
            signal.pause()
    except BaseException:  # noqa: BLE001 - the edge of this process
        traceback.print_exc()
    finally:
        os._exit(1)


def _serve(supervisor: int, error_file: str, stream: Callable[[], None]) -> None:
    """Stream an input; on failure, end the program before it mistakes truncated data for complete data."""
    try:
        stream()
    except BaseException as error:  # noqa: BLE001 - the edge of this thread
        if not isinstance(error, InputUnreadableError):
            traceback.print_exc()
        print(f"An input cannot be read: {error}", file=sys.stderr, flush=True)
        Path(error_file).write_text(str(error))
        os.kill(supervisor, INPUT_FAILED)


def _detach_from_supervisor(output: int, mounts: socket.socket, pipes: list[Pipe]) -> None:
    """Reset the supervisor's signal handlers, and close its lock and its other descriptors."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, INPUT_FAILED):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(output, 1)
    os.dup2(output, 2)
    syscalls.close_descriptors_except({0, 1, 2, mounts.fileno(), *(pipe.folder for pipe in pipes)})
    # Line buffered: it goes to the replica's log.
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False, encoding="utf-8", errors="backslashreplace")
