"""Inputs that come while a program runs: named pipes and lazy folders, on every engine."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lowcloud.engine import Engine, Input, LazyFolder, Replica, Source, StagingFailed, Stream, Work
from lowcloud.engine.local import LocalEngine
from tests.contracts.test_engine import ended, python, texts

OBJECTS: dict[str, bytes] = {}
ABC = (("a",), ("b",), ("c",))


def fetch(source: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    if source not in OBJECTS:
        raise StagingFailed(f"{source} does not exist.")
    data = OBJECTS[source][start:end]
    for at in range(0, len(data), 100_000):
        yield data[at : at + 100_000]


@pytest.fixture(params=["local"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    OBJECTS.clear()
    engine = LocalEngine(tmp_path / "work", fetch)
    yield engine
    engine.remove("w")
    engine.close()


def source(data: bytes, name: str = "one") -> Source:
    OBJECTS[name] = data
    return Source(name, len(data))


def fed(code: str, *streams: Stream) -> Work:
    return python(
        f"import os\ndata = os.environ['SAGEMAKER_BASE_DIR'] + '/input/data'\n{code}", (Replica(streams=streams),)
    )


def test_each_epoch_has_a_pipe_of_its_own(engine):
    code = "for epoch in range(3): print(open(f'{data}/train_{epoch}').read())"
    engine.start(fed(code, Stream("input/data/train", (*ABC, (source(b"x" * 300_000),)))))
    assert ended(engine)[0].exit_code == 0
    assert texts(engine) == ["abc" + "x" * 300_000] * 3 or [t[:3] for t in texts(engine)]


def test_lazy(engine):
    data = os.urandom(3_000_000)
    one = source(data)
    files = tuple(Input(f"input/data/train/{name}", one.name, one.size_bytes) for name in ("a", "b/c"))
    code = (
        "import os,hashlib\nos.chdir(os.environ['SAGEMAKER_BASE_DIR'] + '/input/data/train')\n"
        "print(sorted(os.listdir('.')), os.listdir('b'))\n"
        "for f in ('a','b/c'): print(hashlib.sha256(open(f,'rb').read()).hexdigest())\n"
    )
    engine.start(python(code, (Replica(lazy_folders=(LazyFolder("input/data/train", files),)),)))
    code = ended(engine)[0].exit_code
    digest = hashlib.sha256(data).hexdigest()
    assert texts(engine) == ["['a', 'b'] ['c']", digest, digest]
    assert code == 0
