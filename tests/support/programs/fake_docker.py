"""A stand-in for Docker's client and daemon: records its arguments, and runs a container's command as a process.

What it runs is no child of the client, and outlives it, as a container does. State lies beside this file.
"""

import csv
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

STATE = Path(__file__).parent


def main(command: str, *arguments: str) -> int:
    with (STATE / "calls").open("a") as calls:
        calls.write(json.dumps([command, *arguments]) + "\n")
    return {"run": run, "inspect": inspect, "kill": kill, "rm": remove}[command](*arguments)


def run(*arguments: str) -> int:
    split = arguments.index("--")
    options, (image, *words) = arguments[:split], arguments[split + 1 :]
    name = options[options.index("--name") + 1]
    settings = dict(option.partition("=")[::2] for option in options if option.startswith("--") and "=" in option)
    environment = dict(line.partition("=")[::2] for line in Path(settings["--env-file"]).read_text().splitlines())
    named = [option.partition("=")[2] for option in options if option.startswith("--env=")]
    environment |= {name: os.environ[name] for name in named}
    mounts = [next(csv.reader([option.partition("=")[2]])) for option in options if option.startswith("--mount=")]
    (source,) = (mount[1] for mount in mounts if mount[2] == "target=/opt/ml")
    (STATE / "client-environment").write_text(json.dumps(dict(os.environ)))
    if image == "missing":
        print("Unable to find image 'missing' locally", file=sys.stderr)
        return 125
    environment["SAGEMAKER_BASE_DIR"] = source.removeprefix("source=")
    entrypoint = [settings["--entrypoint"]] if "--entrypoint" in settings else []
    process = subprocess.Popen(
        [*entrypoint, *words], env={**environment, "PATH": os.environ["PATH"]}, start_new_session=True
    )
    (STATE / f"{name}.pid").write_text(str(process.pid))
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    code = process.wait()
    (STATE / f"{name}.pid").unlink()
    return code if code >= 0 else 128 - code


def inspect(*arguments: str) -> int:
    is_running = (STATE / f"{arguments[-1]}.pid").exists()
    print(str(is_running).lower(), str((STATE / "out-of-memory").exists()).lower())
    return 0


def kill(*arguments: str) -> int:
    path = STATE / f"{arguments[-1]}.pid"
    if path.exists():
        with suppress(ProcessLookupError):
            os.killpg(int(path.read_text()), signal.SIGKILL)
        path.unlink()
    return 0


def remove(*arguments: str) -> int:
    assert not (STATE / f"{arguments[-1]}.pid").exists(), "it was killed before"
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
