"""How a forked process becomes a replica's program: its own group, jail, environment and output, then its code."""

import contextlib
import importlib
import os
import random
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from lowcloud import contract
from lowcloud.runtime import child_process, syscalls
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.sandbox.sandbox import Jail

BUILT_IN = "lowcloud.runtime."
NOT_FOUND = 127  # as a shell says it


def become(plan: dict[str, Any], jail: Jail, output: int) -> NoReturn:
    """Run the plan's command in this process with stdout and stderr at `output`; never returns."""
    code = 1
    try:
        os.setpgid(0, 0)
        _reset_signals()
        _take_output(output, jail)
        jail.enter()
        os.chdir(plan["directory"])
        code = _run(tuple(plan["command"]), plan["interpreter"], plan["environment"])
    except BaseException:  # noqa: BLE001 - the edge of this process: what went wrong is the program's last output
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code)


def _run(command: tuple[str, ...], interpreter: str | None, environment: dict[str, str]) -> int:
    if interpreter is None and command[:2] == ("python", "-m") and command[2].startswith(BUILT_IN):
        return _run_built_in(command[2], command[3:], environment)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # ignored by Python, and so by what it would become
        signal.signal(number, signal.SIG_DFL)
    if command[0] == "python":  # that of its environment, or this one, which may be called python3.12 alone
        command = (interpreter or sys.executable, *command[1:])
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return NOT_FOUND


def _run_built_in(module: str, arguments: Sequence[str], environment: dict[str, str]) -> int:
    """The module's main(arguments) -> exit code, with no new interpreter."""
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    _reseed()
    try:
        loaded = importlib.import_module(module)
    except ClientError as error:  # a package that it needs is not installed
        print(error, file=sys.stderr)
        child_process.say(Path(environment[contract.BASE_DIR_VARIABLE]), f"ClientError: {error}")
        return contract.EXIT_CLIENT_ERROR
    sys.argv = [module, *arguments]
    try:
        return int(loaded.main(list(arguments)) or 0)
    except SystemExit as end:
        return _exit_code(end)


def _exit_code(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)
    return 1


def _reseed() -> None:
    """Forks of one interpreter would else draw the same random numbers."""
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _take_output(output: int, jail: Jail) -> None:
    """stdin from nowhere, stdout and stderr to `output`, and none of the supervisor's other descriptors."""
    nowhere = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nowhere, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    syscalls.close_all_but({0, 1, 2, *(device for device, _ in jail.mounts)})
    sys.stdin = os.fdopen(0, closefd=False, encoding="utf-8")
    # Line by line, so that the log is live.
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False, encoding="utf-8", errors="backslashreplace")
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False, encoding="utf-8", errors="backslashreplace")
