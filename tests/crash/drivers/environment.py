"""A stand-in for a server that is killed while it builds an environment, with the folder of its works as argument."""

import sys
import time
from pathlib import Path

from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.work import Phase, Replica, Resources, Work

PROGRAM = (
    'for n in 1 2 3; do echo "$n" > "$LOWCLOUD_ENVIRONMENT/$n"; sleep 0.02; done; mkdir "$LOWCLOUD_ENVIRONMENT/bin"'
)


def make_work() -> Work:
    return Work("build", ("sh", "-c", PROGRAM), (Replica(),), Resources(cpus=1, memory_bytes=1 << 30), builds="key")


def build(engine: LocalEngine, work: Work) -> None:
    """Do what the cloud does with a builder. Each step may be repeated."""
    engine.start(work)
    while engine.status(work.id)[0].phase == Phase.RUNNING:
        time.sleep(0.002)
    engine.publish_environment(work.id)
    engine.remove(work.id)


def main(root: str) -> None:
    engine = LocalEngine(Path(root), lambda _source: iter(()))
    engine.isolation()
    print("starting", flush=True)
    build(engine, make_work())
    time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
