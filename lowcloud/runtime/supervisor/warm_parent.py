"""The warm parent: an interpreter with the built-in programs loaded, from which supervisors are forked in milliseconds.

It communicates with its engine over the unix socket on its stdin: it reads a line with a replica's folder, and answers
one byte after the fork. It ends with the engine; the supervisors it has forked do not.
"""

import gc
import importlib
import importlib.util
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from lowcloud.runtime import algorithms
from lowcloud.runtime.supervisor import supervise

PRELOADED = (
    "numpy",
    "lowcloud.runtime.training.train",
    "lowcloud.runtime.training.script",
    "lowcloud.runtime.serving.serve",
)
READY = b"r"
FORKED = b"f"


def main(argv: list[str]) -> int:
    """Serve the engine on the other side of stdin until it ends."""
    assert not argv, "the warm parent takes no arguments"
    _load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # supervisors are not waited for
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the server's terminal is meant for the server
    with socket.socket(fileno=0) as engine, engine.makefile("rb") as requests, suppress(ConnectionError):
        engine.sendall(READY)
        for request in requests:
            supervise.start(Path(os.fsdecode(request[:-1])))
            engine.sendall(FORKED)
    return 0


def _load() -> None:
    """Import what programs will need, and freeze it so that garbage collection in a fork does not copy its pages."""
    gc.disable()
    for name in PRELOADED:
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
    algorithms.preload()
    gc.collect()
    gc.freeze()
    tasks = Path("/proc/self/task")
    if tasks.exists() and len(list(tasks.iterdir())) > 1:
        raise RuntimeError("A preloaded module has started threads, which a fork would lose. Do not preload it.")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
