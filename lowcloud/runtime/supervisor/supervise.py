"""Starts the supervisor of one replica, a process that outlives the server: `supervise.py FOLDER`.

The supervisor runs the replica's program (program_run.py) in a session of its own. Its files are named in
lowcloud.contract.
"""

import fcntl
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import NoReturn

from lowcloud import contract
from lowcloud.runtime.supervisor.program_run import ProgramRun

LOCK_TIMEOUT_SECONDS = 1.0  # an engine that checks whether the supervisor is alive holds the lock for microseconds
LOCK_DESCRIPTOR = 3


def main(argv: list[str]) -> int:
    """Start the supervisor of the replica folder argv[0], and return without waiting for it."""
    start(Path(argv[0]))
    return 0


def start(folder: Path) -> None:
    """Fork a supervisor, unless the folder has one or is deleted. It holds the lock before this returns."""
    lock = _acquire_lock(folder)
    if lock is None:
        return
    if os.fork() == 0:
        _supervise(folder, lock)
    os.close(lock)


def _supervise(folder: Path, lock: int) -> NoReturn:
    """Run the program of the launch spec in `folder` to its end, unless it ever started before; then exit."""
    code = 1
    try:
        _detach(folder, lock)
        if not _was_started(folder):
            ProgramRun(folder, json.loads((folder / contract.LAUNCH_SPEC_FILE).read_text())).run()
        code = 0
    except BaseException:  # noqa: BLE001 - the edge of this process: the error goes to the supervisor's log
        traceback.print_exc()
    finally:
        os._exit(code)


def _detach(folder: Path, lock: int) -> None:
    """Leave the session, descriptors and working folder of the parent process; keep the lock."""
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(folder / contract.SUPERVISOR_LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    # The lock comes last, because its target descriptor may be in use by one of the others before they are moved.
    for source, target in ((null, 0), (log, 1), (log, 2), (lock, LOCK_DESCRIPTOR)):
        if source != target:
            os.dup2(source, target)
    os.closerange(LOCK_DESCRIPTOR + 1, max(int(path.name) for path in Path("/dev/fd").iterdir()) + 1)
    os.pwrite(LOCK_DESCRIPTOR, str(os.getpid()).encode(), 0)  # read by network.py, and by people who investigate


def _acquire_lock(folder: Path) -> int | None:
    """Return the descriptor of the lock, held while a process has it open; None if another supervisor holds it."""
    try:
        descriptor = os.open(folder / contract.LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return None
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
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


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
