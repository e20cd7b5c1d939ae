"""A stand-in for a server that is killed while it starts a work: `python -m tests.crash.drivers.engine ROOT WARMTH`."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.work import Input, Replica, Resources, Work

PROGRAM = 'echo x >> "$LOWCLOUD_RENDEZVOUS/ran"; wc -c < "$SAGEMAKER_BASE_DIR/input/data/train/part"; sleep 0.2; exit 3'
SIZE = 40_000


def slow_fetch(source: str) -> Iterator[bytes]:
    for _ in range(40):
        time.sleep(0.002)
        yield bytes(SIZE // 40)


def make_work() -> Work:
    replica = Replica(inputs=(Input("input/data/train/part", "s3://b/k", SIZE),))
    return Work("w", ("sh", "-c", PROGRAM), (replica, replica), Resources(cpus=1, memory_bytes=1 << 30))


def main(root: str, warmth: str) -> None:
    engine = LocalEngine(Path(root), slow_fetch)
    engine.isolation()
    if warmth == "warm":
        engine._launcher.warm_up()
        assert engine._launcher._is_parent_ready(30)
    print("starting", flush=True)
    engine.start(make_work())
    print("started", engine._launcher._process.pid if engine._launcher._process else 0, flush=True)
    time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
