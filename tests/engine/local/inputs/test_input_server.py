"""Input streaming at every isolation level, in little memory, and only for the replica it is meant for."""

import json
import os
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lowcloud import contract
from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.local.inputs.input_server import LAZY_UNSUPPORTED
from lowcloud.engine.work import Input, InputSource, LazyFolder, Replica, Resources, StagingError, Stream, Work
from tests.support.engines import MODES, MakeEngine, ended, output
from tests.support.waiting import wait_for

BLOCK = os.urandom(1 << 20)
CODE = """
import hashlib, os
os.chdir(os.environ["SAGEMAKER_BASE_DIR"] + "/input/data")
print(len(open("pipe_0", "rb").read()), open("lazy/file").read())
"""


def fetch(source: str, start: int = 0, end: int | None = None, /) -> Iterator[bytes]:
    if source == "secret":
        raise StagingError("secret is nobody's")
    data = b"lazily" if source == "lazy" else BLOCK
    yield data[start:end]


@pytest.fixture(params=MODES)
def engine(request: pytest.FixtureRequest, make_engine: MakeEngine) -> LocalEngine:
    return make_engine(fetch, mode=request.param)


def work(code: str, records: int = 3) -> Work:
    replica = Replica(
        streams=(Stream("input/data/pipe", ((InputSource("block", len(BLOCK)),),) * records),),
        lazy_folders=(LazyFolder("input/data/lazy", (Input("input/data/lazy/file", "lazy", 6),)),),
    )
    return Work("w", ("python", "-c", code), (replica,), Resources(cpus=1, memory_bytes=1 << 29))


def test_programs_receive_inputs_at_every_isolation_level(engine: LocalEngine) -> None:
    engine.start(work(CODE))
    assert ended(engine)[0].exit_code == 0, output(engine)
    *notes, last = output(engine)
    assert last == f"{3 << 20} lazily"
    assert all(LAZY_UNSUPPORTED in note for note in notes)


@pytest.mark.skipif(sys.platform != "linux", reason="the size of a process is read from /proc")
def test_a_feeder_uses_little_memory_for_any_amount_of_data(engine: LocalEngine, tmp_path: Path) -> None:
    engine.start(work("import os, time; open(os.environ['SAGEMAKER_BASE_DIR'] + '/input/data/pipe_0', 'rb').read();"
                      "print('read', flush=True); time.sleep(60)", 200))  # fmt: skip
    wait_for(lambda: "read" in output(engine))
    folder = f"{tmp_path}/home/work/.feeding"
    (feeder,) = (path.parent for path in Path("/proc").glob("[0-9]*/cwd") if _link(path) == folder)
    peak = next(line for line in (feeder / "status").read_text().splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) < 120 * 1024
    engine.stop("w", 0)


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def ask(home: Path, *words: object) -> bytes:
    """What the server of a home answers to a request."""
    with socket.socket(socket.AF_UNIX) as client:
        folder = os.open(home / "work" / ".feeding", os.O_RDONLY)
        client.connect(f"/proc/self/fd/{folder}/{contract.FEED_SOCKET}")
        os.close(folder)
        client.sendall(json.dumps(words).encode() + b"\n")
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(1 << 16), b""))


@pytest.mark.skipif(sys.platform != "linux", reason="a socket of a long name is reached through /proc")
def test_only_listed_inputs_are_sent_and_only_to_clients_that_know_the_name_of_the_list(
    make_engine: MakeEngine, tmp_path: Path
) -> None:
    engine = make_engine(fetch)
    engine.start(work("import time; time.sleep(60)"))
    (replica,) = (tmp_path / "home" / "work").glob("*-w/0")
    name = next(str(path.relative_to(tmp_path / "home" / "work")) for path in (replica / "feeds").iterdir())
    assert ask(tmp_path / "home", name, 0, 0, 0, 6)[4:10] in (BLOCK[:6], b"lazily")
    refused = struct.pack("<I", contract.FEED_FAILED)
    for bad in ("../../../etc/passwd", f"{name}/..", str(replica / contract.LAUNCH_SPEC_FILE), "", name[:-1], 7, None):
        answer = ask(tmp_path / "home", bad, 0, 0, 0, 6)
        assert answer == b"" or answer.startswith(refused)
    assert oct((tmp_path / "home" / "work" / ".feeding").stat().st_mode & 0o777) == "0o700"
    assert oct((replica / "feeds").stat().st_mode & 0o777) == "0o700"


def test_a_program_does_not_see_its_lists(engine: LocalEngine) -> None:
    if "ordinary" in engine.isolation():
        pytest.skip("without isolation a program sees all files of its user")
    folder = str(engine._works.root)
    engine.start(work(f"import os, glob\nprint(glob.glob({folder!r} + '/*/*/feeds/*'), os.listdir({folder!r}))"))
    assert ended(engine)[0].exit_code == 1
    assert output(engine)[-1].startswith(("FileNotFoundError", "PermissionError"))
