"""Hostile source archives and requirements through CreateTrainingJob: refused with a reason, in bounded time."""

import ast
import gzip
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lowcloud
from tests.api.aws.services.sagemaker.jobs.test_hostile_programs import log
from tests.api.aws.services.test_lowcloud import BUCKET, NUMBERS, at_end, create
from tests.crash.test_mixed_jobs import packed as packed_files
from tests.crash.test_mixed_jobs import wheel
from tests.support.engines import works_left
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

IMAGE = "sagemaker-base-python-310"
NOT_OF_SERVERS = ("runtime", "sdk")  # what runs in a replica, and the library of a user's own program
UNPICKLERS = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "numpy", "torch", "pandas"}


@pytest.fixture(scope="module")
def cloud(server: Server) -> Iterator[Server]:
    s3 = server.client("s3")
    if BUCKET not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=BUCKET)
    of_others = works_left(server.home)  # endpoints of other modules
    yield server
    wait_for(lambda: works_left(server.home) <= of_others)


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


def packed(*members: tarfile.TarInfo, **files: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in {"train_py": "print('runs')", **files}.items():
            data = text.encode()
            archive.addfile(member(name.replace("_", "."), size=len(data)), io.BytesIO(data))
        for one in members:
            archive.addfile(one, io.BytesIO(bytes(one.size)))
    return content.getvalue()


def failure(cloud: Server, source: bytes, program: str = "train.py", **changes: Any) -> str:
    described = run(cloud, source, program, **changes)
    assert described["TrainingJobStatus"] == "Failed"
    return str(described["FailureReason"])


def run(cloud: Server, source: bytes, program: str = "train.py", **changes: Any) -> Any:
    key = f"source-{next(NUMBERS)}/sourcedir.tar.gz"
    cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=source)
    script = {
        "sagemaker_program": json.dumps(program),
        "sagemaker_submit_directory": json.dumps(f"s3://{BUCKET}/{key}"),
    }
    return at_end(cloud, create(cloud, IMAGE, HyperParameters=script, **changes))


def bomb() -> bytes:
    """Four gigabytes of zeros in a few megabytes."""
    block = gzip.compress(bytes(1 << 24), 9)
    return gzip.compress(member("zeros", size=4 << 30).tobuf()) + block * 256


HOSTILE = {
    "a path that climbs": packed(member("../../escaped")),
    "an absolute path": packed(member("/tmp/escaped")),
    "a link out": packed(member("out", tarfile.SYMTYPE, "/etc")),
    "a link that climbs": packed(member("a/out", tarfile.SYMTYPE, "../../../home")),
    "a chain of links": packed(member("a", tarfile.SYMTYPE, "b/.."), member("b", tarfile.SYMTYPE, "..")),
    "a hard link out": packed(member("out", tarfile.LNKTYPE, "/etc/passwd")),
    "a device": packed(member("null", tarfile.CHRTYPE)),
    "a pipe": packed(member("fifo", tarfile.FIFOTYPE)),
    "a file through a link": packed(member("in", tarfile.SYMTYPE, ".."), member("in/escaped")),
    "half of a gzip": packed(train_py="x = 1\n" * 1000)[:100],
    "no gzip": b"PK\x03\x04 not a tar" * 100,
    "nothing": b"",
    "a bomb": bomb(),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_fails_its_job_with_the_reason(cloud, kind):
    reason = failure(cloud, HOSTILE[kind])
    assert reason.startswith("ClientError: ")
    assert any(word in reason for word in ("archive", "path", "link"))
    assert kind != "a bomb" or "unpacks to more than" in reason
    assert not any("escaped" in names for _, _, names in os.walk(cloud.home))  # folders may go meanwhile
    assert not Path("/tmp/escaped").exists()


@pytest.mark.slow
def test_a_million_entries_are_refused_in_bounded_time(cloud):
    entries = member("f").tobuf() * 1_000_000
    assert "members" in failure(cloud, gzip.compress(entries + bytes(1024), 1))


def test_a_source_that_was_deleted_fails_its_job_with_its_address(cloud):
    script = {
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": '"s3://no-such-bucket-here/sourcedir.tar.gz"',
    }
    described = at_end(cloud, create(cloud, IMAGE, HyperParameters=script))
    assert described["TrainingJobStatus"] == "Failed"
    assert "no-such-bucket-here" in described["FailureReason"]


@pytest.mark.parametrize("program", ["absent.py", "../../../etc/passwd", "/etc/passwd", "train.py; id", "-c"])
def test_a_wrong_entry_point_fails_its_job_with_its_name(cloud, program):
    reason = failure(cloud, packed(), program)
    assert "Error" in reason
    assert "root:" not in reason


@pytest.mark.parametrize(
    ("requirements", "says"),
    [
        ("./absent-1-py3-none-any.whl", "absent"),
        ("-r /etc/passwd", "/etc/passwd"),
        ("-r ../../../etc/passwd", "passwd"),
        ("not a requirement at all !!", "requirement"),
        ("--index-url=http://127.0.0.1:9/\nlowcloud-absent-package", "lowcloud-absent-package"),
        ("\x00\x01\x02", "requirement"),
    ],
)
def test_requirements_that_cannot_be_installed_fail_their_job(cloud, requirements, says):
    assert says in failure(cloud, packed(requirements_txt=requirements))


def test_requirements_of_ten_megabytes_end_the_job_in_words(cloud):
    described = run(cloud, packed(requirements_txt="# a comment\n" * 900_000), **limit(30))
    assert described["TrainingJobStatus"] in ("Failed", "Completed")
    assert described.get("FailureReason", "ClientError").startswith("ClientError")


def test_an_index_that_never_answers_is_ended_by_the_time_limit(cloud):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept: list[socket.socket] = []
        threading.Thread(target=lambda: keep(listener, kept), daemon=True).start()
        index = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        described = run(cloud, packed(requirements_txt=f"--index-url={index}\nlowcloud-absent-package"), **limit(3))
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


POISON = """
import greeting, os, pathlib, sys
for folder in {pathlib.Path(greeting.__file__).parent, *map(pathlib.Path, filter(os.path.isdir, sys.path[1:]))}:
    for name in ("greeting.py", "sitecustomize.py", "ours.pth"):
        try: (folder / name).write_text("HELLO = 'poison'; print('poison')")
        except OSError: pass
print("said", greeting.HELLO)
"""


def test_a_script_cannot_poison_the_environment_that_it_shares_with_others(cloud):
    common = {"greeting-1-py3-none-any.whl": wheel(), "requirements.txt": b"./greeting-1-py3-none-any.whl\n"}
    source = packed_files({"train.py": POISON.encode(), **common})
    for _ in range(2):
        described = run(cloud, source)
        assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
        printed = log(cloud, described["TrainingJobName"])
        assert "said 1" in printed
        assert "poison" not in printed
    assert printed.startswith("Python"), "the second was to find the environment built"


def limit(seconds: int) -> dict[str, Any]:
    return {"StoppingCondition": {"MaxRuntimeInSeconds": seconds}}


def keep(listener: socket.socket, kept: list[socket.socket]) -> None:
    while True:
        try:
            kept.append(listener.accept()[0])
        except OSError:  # it is closed
            return


def test_no_module_of_the_server_reads_pickles():
    """Unpickling runs the code of the author of the pickle."""
    root = Path(lowcloud.__file__).parent
    files = [file for file in root.rglob("*.py") if file.relative_to(root).parts[0] not in NOT_OF_SERVERS]
    assert {root / "api/aws/gateway.py", root / "server/server.py", root / "core/kinds.py"} <= set(files)
    for file in files:
        tree = ast.parse(file.read_text())
        named = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        named += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert not {name.partition(".")[0] for name in named} & UNPICKLERS, file


def test_no_server_process_has_loaded_a_module_that_could_unpickle_a_model(cloud):
    code = "import sys, lowcloud.server.server; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(printed.split())
    assert "sqlalchemy" in loaded
    assert not loaded & (UNPICKLERS - {"pickle", "_pickle", "marshal"})
