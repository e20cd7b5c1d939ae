"""The end of a container whose client has ended, or was ended: the container is its daemon's, and may live on."""

import subprocess
import sys

PATIENCE_SECONDS = 60.0


def end(client: str, name: str) -> bool:
    """Remove the container, whatever its state; whether it ran out of memory."""
    is_running, out_of_memory = _state(client, name)
    if is_running:
        _run(client, "kill", name)  # rm alone would have Podman ask first, and wait
    _run(client, "rm", "--force", "--volumes", name)
    return out_of_memory


def _state(client: str, name: str) -> tuple[bool, bool]:
    """Whether it runs, and whether it ran out of memory."""
    words = _run(client, "inspect", "--format", "{{.State.Running}} {{.State.OOMKilled}}", name).split()
    return words[:1] == ["true"], words[1:] == ["true"]


def _run(*command: str) -> str:
    """What a command prints; its complaints go to the supervisor's log."""
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=PATIENCE_SECONDS, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        print(error, file=sys.stderr)
        return ""
