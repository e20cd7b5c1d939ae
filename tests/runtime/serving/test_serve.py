"""The model server: requests, limits and shutdown."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lowcloud.runtime.algorithms.linear_learner.model import LinearModel, save
from tests.support.waiting import wait_for

SERVER = Path(__file__).with_name("slow_model_server.py")


@dataclass
class Server:
    path: str
    process: subprocess.Popen[str]

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        client.connect(self.path)
        return client

    def accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(self.path) == 0

    def send(self, *pieces: bytes) -> bytes:
        """All that comes back until the server closes."""
        with self.connect() as client:
            for piece in pieces:
                client.sendall(piece)
                time.sleep(0.01)  # so that the pieces arrive one by one
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b""))


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str):
        super().__init__("replica", timeout=10)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(self.path)


def launch(command: list[str], path: str, environment: dict[str, str] | None = None) -> Server:
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **(environment or {})}
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "Serving.\n"
    return Server(path, process)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:  # pytest's own are too long for a socket
        yield Path(name)


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    server = launch([sys.executable, str(SERVER), str(folder / "s")], str(folder / "s"))
    yield server
    server.process.kill()
    server.process.communicate()


def post(body: bytes, *headers: bytes) -> bytes:
    head = [b"POST /invocations HTTP/1.1", b"Host: r", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def test_ping_and_invocations_are_answered_on_one_connection(server: Server) -> None:
    connection = UnixConnection(server.path)
    connection.request("GET", "/ping")
    assert connection.getresponse().read() == b""
    for body in (b"1,2,3", b"x" * 300_000):
        connection.request("POST", "/invocations", body, {"Content-Type": "text/csv", "Accept": "application/json"})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, body)
        assert answer.headers["Content-Type"] == "text/csv|application/json"


def test_a_chunked_body_is_put_together(server: Server) -> None:
    head = b"POST /invocations HTTP/1.1\r\nHost: r\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    answer = server.send(head, b"3\r\nabc\r\n", b"4\r\ndefg\r", b"\n0\r\n\r\n")
    assert statuses(answer) == [200]
    assert answer.endswith(b"\r\n\r\nabcdefg")


def test_requests_sent_at_once_are_answered_in_their_order(server: Server) -> None:
    answer = server.send(post(b"one") + post(b"two") + post(b"three", b"Connection: close"))
    assert statuses(answer) == [200, 200, 200]
    assert answer.index(b"one") < answer.index(b"two") < answer.index(b"three")


def test_a_request_in_single_bytes_is_understood(server: Server) -> None:
    with server.connect() as client:
        for byte in post(b"slowly", b"Connection: close"):
            client.send(bytes([byte]))
        assert b"".join(iter(lambda: client.recv(4096), b"")).endswith(b"slowly")


def test_a_client_that_expects_100_continue_receives_it(server: Server) -> None:
    with server.connect() as client:
        client.sendall(b"POST /invocations HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert client.recv(4096).endswith(b"abc")


@pytest.mark.parametrize(
    ("body", "status"), [(b"bad", 400), (b"type", 415), (b"accept", 406), (b"fault", 500), (b"", 200)]
)
def test_a_request_that_a_model_rejects_has_the_status(server: Server, body: bytes, status: int) -> None:
    answer = server.send(post(body, b"Connection: close"))
    assert statuses(answer) == [status]
    if status in (400, 415, 406):
        assert answer.endswith(b"for a reason")


def test_an_error_of_the_model_ends_neither_the_server_nor_the_connection(server: Server) -> None:
    assert statuses(server.send(post(b"fault") + post(b"fine", b"Connection: close"))) == [500, 200]


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /invocations", 405),
        ("POST /ping", 405),
        ("GET /", 404),
        ("POST /invocations/x", 404),
        ("GET /ping?a=b", 200),
    ],
)
def test_other_paths_and_methods_are_refused(server: Server, request_line: str, status: int) -> None:
    answer = server.send(f"{request_line} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n".encode())
    assert statuses(answer) == [status]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS client
        b"NONSENSE\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nContent-Length: abc\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nContent-Length: 99999999999999999999999999\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"POST /invocations HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        b"GET /ping HTTP/1.1\r\nA\x00B: c\r\n\r\n",
    ],
)
def test_malformed_requests_are_answered_4xx_and_the_connection_closed(server: Server, garbage: bytes) -> None:
    (status,) = statuses(server.send(garbage))
    assert status in (400, 413)
    assert statuses(server.send(post(b"still here", b"Connection: close"))) == [200]


def test_a_body_over_the_limit_is_refused_announced_or_not(server: Server) -> None:
    announced = b"POST /invocations HTTP/1.1\r\nContent-Length: 26214401\r\n\r\n"
    assert statuses(server.send(announced)) == [413]
    with server.connect() as client:
        client.sendall(b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        answer = b""
        try:
            for _ in range(30):
                client.sendall(b"100000\r\n" + bytes(1 << 20) + b"\r\n")
        except OSError:
            pass  # it has closed already, with the answer on its way
        answer = client.recv(4096)
    assert statuses(answer) == [413]


def test_endless_headers_are_refused(server: Server) -> None:
    with server.connect() as client:
        client.sendall(b"GET /ping HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(100)))
        assert statuses(client.recv(4096)) == [431]


def test_sigterm_finishes_the_request_in_hand_and_ends_with_0(server: Server) -> None:
    assert server.process.stdout is not None
    with server.connect() as busy, server.connect() as idle:
        busy.sendall(post(b"slow"))
        assert server.process.stdout.readline() == "answering\n"
        server.process.send_signal(signal.SIGTERM)
        assert idle.recv(100) == b""
        assert busy.recv(4096).endswith(b"slow")
    assert server.process.wait(10) == 0


def test_sigterm_waits_for_a_request_whose_body_is_on_its_way(server: Server) -> None:
    with server.connect() as client:
        request = post(b"whole", b"Expect: 100-continue")
        client.sendall(request[:-3])
        assert client.recv(4096).startswith(b"HTTP/1.1 100 "), "the request is begun"
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not server.accepts())
        client.sendall(request[-3:])
        assert client.recv(4096).endswith(b"whole")
    assert server.process.wait(10) == 0


def test_a_linear_learner_model_is_served(folder: Path) -> None:
    weights = np.array([[2.0], [-1.0]])
    save(LinearModel("regressor", "squared_loss", weights, np.array([0.5])), folder / "model")
    environment = {"SAGEMAKER_BASE_DIR": str(folder), "LOWCLOUD_SOCKET": str(folder / "s")}
    command = [sys.executable, "-m", "lowcloud.runtime.serving.serve", "linear-learner"]
    server = launch(command, str(folder / "s"), environment)
    headers = (b"Content-Type: text/csv", b"Accept: application/json", b"Connection: close")
    answer = server.send(post(b"3,1\n0,0", *headers))
    server.process.terminate()
    output, _ = server.process.communicate(timeout=10)
    assert server.process.returncode == 0, output
    assert answer.endswith(b'{"predictions": [{"score": 5.5}, {"score": 0.5}]}')


def test_a_model_that_cannot_be_loaded_ends_the_server_with_the_reason(folder: Path) -> None:
    environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(folder), "LOWCLOUD_SOCKET": str(folder / "s")}
    command = [sys.executable, "-m", "lowcloud.runtime.serving.serve", "linear-learner"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "could not be loaded" in (folder / "output" / "failure").read_text()


def test_an_environment_that_lacks_the_server_packages_says_what_to_install(folder: Path) -> None:
    environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(folder), "LOWCLOUD_SOCKET": str(folder / "s")}
    without = "import sys, runpy; sys.modules['httptools'] = None; sys.argv[1:] = ['script']; "
    command = [
        sys.executable,
        "-c",
        without + "runpy.run_module('lowcloud.runtime.serving.serve', run_name='__main__')",
    ]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "lacks httptools" in (folder / "output" / "failure").read_text()
    assert "pip install httptools uvloop" in ended.stderr
