"""A stand-in for a server that is killed while it serves inputs: `python -m tests.crash.drivers.input_server ROOT`."""

import hashlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.work import Input, InputSource, LazyFolder, Replica, Resources, Stream, Work

BLOCK = 50_000
BLOCKS = 200
NAME = "s3://b/k"

# Reads a stream and a file at the same time, and prints their digests.
PROGRAM = """
import hashlib, os, threading
os.chdir(os.environ["SAGEMAKER_BASE_DIR"] + "/input/data")
def read(path):
    print(path + " " + hashlib.sha256(open(path, "rb").read()).hexdigest() + "\\n", end="", flush=True)
threads = [threading.Thread(target=read, args=(path,)) for path in ("stream_0", "lazy/file")]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def block(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest() * (BLOCK // 32) + b"x" * (BLOCK % 32)


def slow_fetch(source: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Yield the object's bytes; all of them take about a second."""
    end = BLOCK * BLOCKS if end is None else end
    while start < end:
        piece = block(start // BLOCK)[start % BLOCK :][: end - start]
        time.sleep(0.005)
        yield piece
        start += len(piece)


def make_work() -> Work:
    size = BLOCK * BLOCKS
    replica = Replica(
        lazy_folders=(LazyFolder("input/data/lazy", (Input("input/data/lazy/file", NAME, size),)),),
        streams=(Stream("input/data/stream", ((InputSource(NAME, size),),)),),
    )
    return Work("w", ("python", "-c", PROGRAM), (replica,), Resources(cpus=1, memory_bytes=1 << 30))


def main(root: str) -> None:
    engine = LocalEngine(Path(root), slow_fetch)
    engine.start(make_work())
    print("starting", flush=True)
    time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
