"""Work that serves a model, on every engine."""

import io
import socket
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from lowcloud.engine.work import Engine, Input, Phase, Replica, Work
from lowcloud.runtime.algorithms.linear_learner.model import LinearModel, save
from tests.support.engines import SMALL, ended, output
from tests.support.waiting import wait_for


def test_a_model_archive_is_unpacked_and_served_at_an_address_until_it_is_stopped(
    engine: Engine, objects: dict[str, bytes]
) -> None:
    objects["s3://b/model.tar.gz"] = model = linear_model()
    replica = Replica(archives=(Input("model", "s3://b/model.tar.gz", len(model)),))
    command = ("python", "-m", "lowcloud.runtime.serving.serve", "linear-learner")
    engine.start(Work("w", command, (replica,), SMALL, serves=True))
    wait_for(lambda: engine.address("w", 0) or engine.status("w")[0].phase == Phase.EXITED)
    address = engine.address("w", 0)
    assert address is not None, output(engine)
    assert ask(address, b"1,1") == b'{"predictions": [{"score": 3.0}]}'
    hang_up_on(address)
    assert ask(address, b"1,1") == b'{"predictions": [{"score": 3.0}]}'
    engine.stop("w", 10)
    assert ended(engine)[0].exit_code == 0
    assert engine.address("w", 0) is None


def linear_model() -> bytes:
    """weights 1 and 2, bias 0, as linear-learner stores them."""
    with tempfile.TemporaryDirectory() as folder, io.BytesIO() as packed:
        save(LinearModel("regressor", "squared_loss", np.array([[1.0], [2.0]]), np.array([0.0])), Path(folder))
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.add(folder, arcname=".")
        return packed.getvalue()


def hang_up_on(address: str) -> None:
    """Ask many questions at once and be gone before they are answered."""
    head = b"POST /invocations HTTP/1.1\r\nContent-Type: text/csv\r\nContent-Length: 3\r\n\r\n1,1"
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(address.removeprefix("unix:"))
            client.sendall(head * 500)


def ask(address: str, row: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(address.removeprefix("unix:"))
        head = b"POST /invocations HTTP/1.1\r\nContent-Type: text/csv\r\nConnection: close\r\n"
        client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(row) + row)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    return answer.partition(b"\r\n\r\n")[2]
