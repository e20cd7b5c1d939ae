"""Runs a script as a process of its own, and waits for the job's other hosts."""

from __future__ import annotations

import importlib
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from lowcloud_toolkit import environment
from lowcloud_toolkit.errors import ClientError, ExecuteUserScriptError, ImportModuleError, InstallRequirementsError

RESOLUTION_SECONDS = 15 * 60.0
ERROR_CHARACTERS = 4096
PROCESS_RUNNER = "process"


def run(
    uri: str,
    user_entry_point: str,
    args: Sequence[str],
    env_vars: Mapping[str, str] | None = None,
    wait: bool = True,
    capture_error: bool = False,
    runner: str = PROCESS_RUNNER,
    extra_opts: object = None,
    **_settings: object,
) -> subprocess.Popen[bytes]:
    """Run a script of the folder `uri` with arguments. Raises ExecuteUserScriptError, and ClientError if it cannot."""
    folder = _folder(uri)
    if runner != PROCESS_RUNNER:
        raise ClientError(f"The launcher {runner!r} is not supported. Use torch_distributed (torchrun), or none.")
    install(user_entry_point, str(folder))
    if user_entry_point.endswith(".py"):
        command = [sys.executable, user_entry_point, *args]
    else:
        command = ["/bin/sh", "-c", shlex.join([f"./{user_entry_point}", *args])]
    errors = subprocess.PIPE if wait and capture_error else None
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, **(env_vars or {})}, stderr=errors)
    if wait:
        _, printed = process.communicate()
        if process.returncode:
            message = (printed or b"")[-ERROR_CHARACTERS:].decode(errors="replace")
            raise ExecuteUserScriptError(shlex.join(command), process.returncode, message)
    return process


def install(name: str, path: str) -> None:
    """Install the requirements.txt beside a script, which is not installed itself. Raises InstallRequirementsError."""
    requirements = Path(path, "requirements.txt")
    if requirements.is_file() and os.environ.get("SM_TRAINING_ENV") is None:  # a job has installed them
        command = [sys.executable, "-m", "pip", "install", "-r", str(requirements)]
        if code := subprocess.run(command, cwd=path, check=False).returncode:
            raise InstallRequirementsError(shlex.join(command), code, f"The requirements of {name} are not installed.")


def run_module(
    uri: str,
    args: Sequence[str],
    env_vars: Mapping[str, str] | None = None,
    name: str = "default_user_module_name",
    **_settings: object,
) -> None:
    """Run a module of the folder `uri` as a script. Raises ExecuteUserScriptError."""
    run(uri, name if name.endswith(".py") else f"{name}.py", args, env_vars)


def import_module(uri: str, name: str = "default_user_module_name", **_settings: object) -> ModuleType:
    """Import a module from the folder `uri`. Raises ImportModuleError."""
    sys.path.insert(0, str(_folder(uri)))
    try:
        return importlib.import_module(name.removesuffix(".py"))
    except Exception as error:
        raise ImportModuleError(f"{name} cannot be imported: {error}") from error


def wait_hostname_resolution(hosts: Sequence[str] | None = None) -> None:
    """Wait until the names of the job's hosts resolve. Raises OSError for one that never does."""
    deadline = time.monotonic() + RESOLUTION_SECONDS
    for host in environment.Environment().hosts if hosts is None else hosts:
        while True:
            try:
                socket.gethostbyname(host)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


_wait_hostname_resolution = wait_hostname_resolution  # the name that scripts use


def _folder(uri: str) -> Path:
    path = Path(uri.removeprefix("file://"))
    if "://" in str(uri).removeprefix("file://"):  # a job has unpacked its archive already
        path = Path(environment.code_dir)
    if not path.is_dir():
        raise ClientError(f"{uri} is not a folder. Name the folder of the script, such as {environment.code_dir}.")
    return path
