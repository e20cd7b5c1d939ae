"""HTTP to serving replicas over connections that are kept open.

One request at a time on each connection, over httptools: a general client costs several times what the replica does.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httptools

CONNECT_TIMEOUT_SECONDS = 2.0
ANSWER_BYTES = 128 * 1024 * 1024  # a replica that answers without end must not fill the server's memory


@dataclass(frozen=True)
class ReplicaAnswer:
    """What a replica answered."""

    status: int
    content_type: str
    body: bytes


class Connections:
    """Keeps idle connections for each address; used and closed on one event loop."""

    def __init__(self) -> None:
        self._idle: dict[str, list[_Connection]] = {}

    async def post(
        self, address: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float
    ) -> ReplicaAnswer:
        """POST /invocations to the replica at "unix:/path" or "http://host:port".

        Raises TimeoutError, and OSError where the connection fails.
        """
        request = _request(body, headers)
        connection = self._take_idle(address) or await _connect(address)
        try:
            async with asyncio.timeout(timeout_seconds):
                answer = await connection.ask(request)
        except BaseException:
            connection.close()  # its answer may still come, and would be taken for that of another request
            raise
        if connection.is_usable:
            self._idle.setdefault(address, []).append(connection)
        return answer

    async def forget(self, address: str) -> None:
        """Close what is open and idle to an address that is gone."""
        for connection in self._idle.pop(address, []):
            connection.close()

    async def close(self) -> None:
        """Close everything that is idle."""
        for address in list(self._idle):
            await self.forget(address)

    def _take_idle(self, address: str) -> "_Connection | None":
        idle = self._idle.get(address, [])
        while idle:
            connection = idle.pop()  # the one used last: its replica's caches are warm, the others may end
            if connection.is_usable:
                return connection
        return None


class _Connection(asyncio.Protocol):
    """One connection, which has one request in the air at most."""

    def __init__(self) -> None:
        self.is_usable = True
        self._transport: Any = None
        self._waiting: asyncio.Future[ReplicaAnswer] | None = None

    async def ask(self, request: bytes) -> ReplicaAnswer:
        """Send one whole request and wait for its answer. Raises ConnectionError."""
        self._waiting = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._begin()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        """End it now."""
        self.is_usable = False
        self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._waiting is None or self._waiting.done():
            return self.close()  # nobody has asked
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(f"the replica's answer is not HTTP: {error}")
        return None

    def connection_lost(self, error: Exception | None) -> None:
        self.is_usable = False
        if error is None and self._ends_with_connection and self._status:
            self.on_message_complete()
        self._fail(f"the replica closed the connection{f': {error}' if error else ''}")

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-type":
            self._content_type = value.decode("latin-1")
        elif name in (b"content-length", b"transfer-encoding"):
            self._ends_with_connection = False

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        self._body.append(body)
        if self._size > ANSWER_BYTES:
            self._body.clear()
            self._fail(f"the replica answered with more than {ANSWER_BYTES} bytes")

    def on_message_complete(self) -> None:
        if self._status < 200:  # "100 Continue": the answer comes after it
            return self._begin()
        self.is_usable = self.is_usable and self._parser.should_keep_alive()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(ReplicaAnswer(self._status, self._content_type, b"".join(self._body)))
        return None

    def _begin(self) -> None:
        self._status = 0
        self._content_type = "application/octet-stream"
        self._body: list[bytes] = []
        self._size = 0
        self._ends_with_connection = True

    def _fail(self, reason: str) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError(reason))
        self.close()


async def _connect(address: str) -> _Connection:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
        if address.startswith("unix:"):
            return (await loop.create_unix_connection(_Connection, address.removeprefix("unix:")))[1]
        host, _, port = address.removeprefix("http://").rpartition(":")
        return (await loop.create_connection(_Connection, host.strip("[]"), int(port)))[1]


def _request(body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("A header has a line break in it.")
    head = "\r\n".join(("POST /invocations HTTP/1.1", "Host: replica", f"Content-Length: {len(body)}", *lines, "", ""))
    return head.encode("latin-1") + body
