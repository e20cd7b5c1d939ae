"""Removes a container after its client has ended: the container belongs to the daemon and may still be running."""

import subprocess
import sys

CLIENT_TIMEOUT_SECONDS = 60.0


def remove(client: str, name: str) -> bool:
    """Remove the container, whatever its state; return whether it ran out of memory."""
    is_running, out_of_memory = _inspect(client, name)
    if is_running:
        _run(client, "kill", name)  # otherwise Podman's rm sends SIGTERM first, and waits
    _run(client, "rm", "--force", "--volumes", name)
    return out_of_memory


def _inspect(client: str, name: str) -> tuple[bool, bool]:
    """Return whether the container is running, and whether it ran out of memory."""
    fields = _run(client, "inspect", "--format", "{{.State.Running}} {{.State.OOMKilled}}", name).split()
    return fields[:1] == ["true"], fields[1:] == ["true"]


def _run(*command: str) -> str:
    """Run a command and return its output; errors go to the supervisor's log."""
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=CLIENT_TIMEOUT_SECONDS,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        print(error, file=sys.stderr)
        return ""
