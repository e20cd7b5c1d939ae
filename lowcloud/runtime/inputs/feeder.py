"""The feeder of one replica: a process outside of its jail that hands inputs on while the program runs.

It is forked by the supervisor before there are walls, so that the program cannot see it, and ends with the supervisor.
Plan: {folder: of the engine's socket, fault: the file to say a fault in, uid, gid: whose files those of mounts are,
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
from lowcloud.runtime.inputs.lazy_folder import LazyFolder
from lowcloud.runtime.inputs.pipes import Pipe

FAILED = signal.SIGUSR1  # tells the supervisor that the program must not go on: it would miss data without knowing


class Feeder:
    """The feeder as its supervisor sees it."""

    def __init__(self, plan: dict[str, Any], output: int):
        """Fork it. The pipes are there when this returns. What it has to say goes to `output`."""
        mask = os.umask(0)  # the program is another user
        pipes = [Pipe(pipe) for pipe in plan["pipes"]]
        os.umask(mask)
        self._targets = [mount["target"] for mount in plan["mounts"]]
        self._socket, theirs = socket.socketpair()
        supervisor = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _become(supervisor, plan, pipes, theirs, output)
        theirs.close()
        for pipe in pipes:
            pipe.close()

    def open_mounts(self) -> list[tuple[int, str]]:
        """Devices to mount at paths, from within the user namespace that mounts. The caller closes them."""
        devices = [os.open(fuse.DEVICE, os.O_RDWR | os.O_CLOEXEC) for _ in self._targets]
        socket.send_fds(self._socket, [b"m"], devices)
        self._socket.close()
        return list(zip(devices, self._targets, strict=True))

    def kill(self) -> None:
        """End it, so that nothing waits for it any more."""
        os.kill(self.pid, signal.SIGKILL)


def _become(supervisor: int, plan: dict[str, Any], pipes: list[Pipe], mounts: socket.socket, output: int) -> NoReturn:
    try:
        syscalls.die_with_parent(supervisor)
        _leave_supervisor(output, mounts, pipes)
        os.umask(0)
        os.chdir(plan["folder"])
        for pipe in pipes:
            threading.Thread(target=_run, args=(supervisor, plan["fault"], pipe.feed), daemon=True).start()
        _, devices, _, _ = socket.recv_fds(mounts, 1, len(plan["mounts"]))
        for device, mount in zip(devices, plan["mounts"], strict=True):
            system = FileSystem(device, LazyFolder(mount["list"]), plan["uid"], plan["gid"])
            threading.Thread(target=_run, args=(supervisor, plan["fault"], system.serve), daemon=True).start()
        while True:
            signal.pause()
    except BaseException:  # noqa: BLE001 - the edge of this process
        traceback.print_exc()
    finally:
        os._exit(1)


def _run(supervisor: int, fault: str, work: Callable[[], None]) -> None:
    """Do the work; where it fails, the program is ended before it takes the end of its data for all there is."""
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - the edge of this thread
        if not isinstance(error, InputUnreadableError):
            traceback.print_exc()
        print(f"An input cannot be read: {error}", file=sys.stderr, flush=True)
        Path(fault).write_text(str(error))
        os.kill(supervisor, FAILED)


def _leave_supervisor(output: int, mounts: socket.socket, pipes: list[Pipe]) -> None:
    """Let go of its signal handlers, its lock and all else that it has open."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, FAILED):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(output, 1)
    os.dup2(output, 2)
    syscalls.close_all_but({0, 1, 2, mounts.fileno(), *(pipe.folder for pipe in pipes)})
    # Line by line: it is the replica's log.
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False, encoding="utf-8", errors="backslashreplace")
