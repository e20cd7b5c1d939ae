"""The cost of one small request: server CPU per request, including the signature, and its parts.

    python benchmarks/gateway.py [--requests 5000]

A server on a new home answers the same signed requests over one persistent connection (a signature is valid for fifteen
minutes). CPU is that of all processes of the server, from /proc. Each step is also timed alone, in this process.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from load import cpu_seconds

from lowcloud.api.aws.auth import signature_v4
from lowcloud.api.aws.protocol.parse import parse
from lowcloud.api.aws.protocol.routing import find_dialect, find_target
from lowcloud.api.aws.protocol.serialize import serialize
from lowcloud.api.aws.protocol.service_models import load_service
from lowcloud.api.aws.protocol.validate import validate
from lowcloud.api.http.messages import HttpRequest
from lowcloud.home import server_process, settings

TARGET_MS = 1.0
JSON = "application/x-amz-json-1.1"
FORM = "application/x-www-form-urlencoded"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--requests", type=int, default=5000)
    count = arguments.parse_args().requests
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        measure_server(home, count)
        measure_parts(settings.load(home, os.environ))


def measure_server(home: Path, count: int) -> None:
    """Measure the CPU per request of a running server."""
    command = [sys.executable, "-m", "lowcloud.cli", "up", "--home", str(home), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while (running := server_process.find_running(home)) is None:
            time.sleep(0.01)
        chosen = settings.load(home, os.environ)
        port = int(running.endpoint.rpartition(":")[2])
        make_model(chosen, port)
        print(f"{'operation':44} {'CPU ms':>8} {'of target':>10} {'requests/s':>11}")
        for name, request in requests(chosen, port).items():
            ask(port, request, count // 10)  # models loaded, connections open
            cpu, wall = cpu_seconds(process.pid), time.perf_counter()
            ask(port, request, count)
            cpu, wall = cpu_seconds(process.pid) - cpu, time.perf_counter() - wall
            milliseconds = cpu / count * 1000
            print(f"{name:44} {milliseconds:8.3f} {milliseconds / TARGET_MS:9.2f}x {count / wall:11.0f}")
        print(f"memory of the server: {memory_mb(process.pid):.0f} MB")
    finally:
        process.terminate()
        process.wait(30)


def measure_parts(chosen: settings.Settings) -> None:
    """Measure each step of a Describe, and botocore's signer for comparison, in microseconds."""
    body = b'{"ModelName":"benchmark"}'
    raw = signed_request(chosen, 4900, "sagemaker", {"X-Amz-Target": "SageMaker.DescribeModel"}, body)
    head, _, _ = raw.decode().partition("\r\n\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])}
    request = HttpRequest("POST", "/", "", headers)
    secret, digest, now = chosen.root_key.secret_access_key, sha256(body).hexdigest(), time.time()

    def check() -> None:
        claim = signature_v4.read_claim(request)
        assert claim is not None
        signature_v4.verify(request, claim, secret, digest, now)

    service = load_service("sagemaker")
    assert service is not None
    target = find_target(request, find_dialect(request, "sagemaker"), body)
    answer = {"ModelName": "benchmark", "ModelArn": "arn", "CreationTime": now, "EnableNetworkIsolation": False}
    unsigned = AWSRequest(
        "POST", "http://127.0.0.1:4900/", data=body, headers={"X-Amz-Target": "SageMaker.DescribeModel"}
    )
    theirs = SigV4Auth(Credentials(chosen.root_key.access_key_id, secret), "sagemaker", "us-east-1")
    steps: dict[str, Callable[[], object]] = {
        "verify the signature": check,
        "  (the same by botocore.auth)": lambda: theirs.add_auth(unsigned),
        "identify": lambda: find_target(request, find_dialect(request, "sagemaker"), body),
        "parse": lambda: parse(target, request, body),
        "validate": lambda: validate(target.operation, {"ModelName": "benchmark"}, "ValidationException"),
        "serialise": lambda: serialize(service, target.operation, target.protocol, answer, request.id),
    }
    print(f"\n{'step':44} {'us':>8}")
    for name, step in steps.items():
        print(f"{name:44} {microseconds(step):8.1f}")


def requests(chosen: settings.Settings, port: int) -> dict[str, bytes]:
    """Return complete signed requests by operation."""
    describe = {"X-Amz-Target": "SageMaker.DescribeModel", "Content-Type": JSON}
    listing = {"X-Amz-Target": "SageMaker.ListModels", "Content-Type": JSON}
    identity = b"Action=GetCallerIdentity&Version=2011-06-15"
    return {
        "sagemaker DescribeModel (json, one row)": signed_request(
            chosen, port, "sagemaker", describe, b'{"ModelName":"benchmark"}'
        ),
        "sagemaker ListModels (json, a page)": signed_request(chosen, port, "sagemaker", listing, b"{}"),
        "sts GetCallerIdentity (query, no row)": signed_request(chosen, port, "sts", {"Content-Type": FORM}, identity),
    }


def make_model(chosen: settings.Settings, port: int) -> None:
    """Create the model that Describe reads."""
    role = f"arn:aws:iam::{chosen.account_id}:role/LowcloudExecutionRole"
    image = "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1"
    body = f'{{"ModelName":"benchmark","ExecutionRoleArn":"{role}","PrimaryContainer":{{"Image":"{image}"}}}}'.encode()
    headers = {"X-Amz-Target": "SageMaker.CreateModel", "Content-Type": JSON}
    ask(port, signed_request(chosen, port, "sagemaker", headers, body), 1)


def signed_request(chosen: settings.Settings, port: int, service: str, headers: dict[str, str], body: bytes) -> bytes:
    """Return the bytes of a POST request to /."""
    request = AWSRequest("POST", f"http://127.0.0.1:{port}/", headers=headers, data=body)
    credentials = Credentials(chosen.root_key.access_key_id, chosen.root_key.secret_access_key)
    SigV4Auth(credentials, service, chosen.region).add_auth(request)
    lines = ["POST / HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def ask(port: int, request: bytes, count: int) -> None:
    """Send a request repeatedly on one connection; every response must be a 200."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            connection.sendall(request)
            read_answer(connection)


def read_answer(connection: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1 << 16)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), received
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(1 << 16)


def microseconds(step: Callable[[], object], rounds: int = 3000) -> float:
    """Return the best of five measurements."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(rounds):
            step()
        best = min(best, time.process_time() - began)
    return best / rounds * 1e6


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
