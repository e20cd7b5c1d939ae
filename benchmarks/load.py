"""An HTTP load generator: sends prepared requests over persistent connections, with little CPU of its own."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import cast

import httptools
import uvloop

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """The result of a measurement."""

    requests_per_second: float
    median_ms: float
    p99_ms: float
    cpu_us_per_request: float  # of the server's processes
    failures: int
    sample: bytes  # the last body


class _Client(asyncio.Protocol):
    """One connection, which sends the next request when the last response is complete."""

    def __init__(self, requests: Iterator[bytes], latencies: list[float]):
        self.requests = requests
        self.latencies = latencies
        self.failures = 0
        self.body = b""
        self.parts: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.ask()

    def ask(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.parts = []
        self.began = time.perf_counter()
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)

    def on_message_complete(self) -> None:
        self.latencies.append(time.perf_counter() - self.began)
        self.body = b"".join(self.parts)
        self.failures += self.parser.get_status_code() != 200
        asyncio.get_running_loop().call_soon(self.ask)


def load(address: str, requests: list[bytes], connections: int, seconds: float, root_pid: int) -> Load:
    """Send `requests` in a cycle to "unix:/path" or "host:port" for a number of seconds.

    `root_pid` is the server's first process; the CPU time of all below it is counted.
    """
    latencies: list[float] = []
    clients: list[_Client] = []
    around = cycle(requests)

    def client() -> _Client:
        clients.append(_Client(around, latencies))
        return clients[-1]

    before = cpu_seconds(root_pid)
    began = time.perf_counter()
    uvloop.run(_hold(address, client, connections, seconds))
    took = time.perf_counter() - began
    cpu = cpu_seconds(root_pid) - before
    ordered = sorted(latencies)
    return Load(
        requests_per_second=len(ordered) / took,
        median_ms=ordered[len(ordered) // 2] * 1e3,
        p99_ms=ordered[int(len(ordered) * 0.99)] * 1e3,
        cpu_us_per_request=cpu / len(ordered) * 1e6,
        failures=sum(client.failures for client in clients),
        sample=next((client.body for client in clients if client.body), b""),
    )


async def _hold(address: str, client: Callable[[], _Client], connections: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    transports = []
    for _ in range(connections):
        if address.startswith("unix:"):
            transport, _ = await loop.create_unix_connection(client, address.removeprefix("unix:"))
        else:
            host, _, port = address.partition(":")
            transport, _ = await loop.create_connection(client, host, int(port))
        transports.append(transport)
    await asyncio.sleep(seconds)
    for transport in transports:
        transport.abort()


def cpu_seconds(root_pid: int) -> float:
    """Return the user and system time of a process and all its descendants (Linux)."""
    total = 0.0
    waiting = [root_pid]
    while waiting:
        process = Path(f"/proc/{waiting.pop()}")
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            waiting += [
                int(pid) for task in (process / "task").iterdir() for pid in (task / "children").read_text().split()
            ]
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
    return total


if __name__ == "__main__":
    sys.exit("This module is used by the serving benchmark.")
