"""Processes that stand in for a server and are killed: modules of this package, each with a folder as its argument."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def driver(module: str, root: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a driver and wait for its first line, which says that its work begins; kill it in the end."""
    command = [sys.executable, "-m", f"tests.crash.drivers.{module}", str(root), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "starting\n"
        yield process
        process.kill()


def killed_driver(module: str, root: Path, *arguments: str, after_seconds: float) -> None:
    """Run a driver and kill it so long after its work began."""
    with driver(module, root, *arguments):
        time.sleep(after_seconds)  # the moment of the kill is what the test varies
