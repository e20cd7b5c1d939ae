"""HTTP requests to serving replicas over persistent connections.

Each connection carries one request at a time and parses with httptools: a general client costs several times as much
as the replica itself.
"""

import asyncio
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from errno import ENOTSOCK
from typing import Any

import httptools

CONNECT_TIMEOUT_SECONDS = 2.0
RESPONSE_LIMIT_BYTES = 128 * 1024 * 1024  # an endless response must not fill the server's memory


@dataclass(frozen=True)
class ReplicaResponse:
    """The response of a replica."""

    status: int
    content_type: str
    body: bytes


class NotConnectedError(OSError):
    """Nothing accepts connections at the address; the request was not sent."""


class Connections:
    """A pool of idle connections by address; used and closed on one event loop."""

    def __init__(self) -> None:
        self._idle: dict[str, list[_Connection]] = {}

    async def post(
        self, address: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float
    ) -> ReplicaResponse:
        """Send POST /invocations to the replica at "unix:/path" or "http://host:port".

        Raises NotConnectedError, TimeoutError, or OSError if the connection fails.
        """
        request = _request(body, headers)
        connection = self._take_idle(address) or await _connect(address)
        try:
            async with asyncio.timeout(timeout_seconds):
                response = await connection.send(request)
        except BaseException:
            connection.close()  # a late response would be taken for that of another request
            raise
        if connection.is_usable:
            self._idle.setdefault(address, []).append(connection)
        return response

    async def close_idle(self, address: str) -> None:
        """Close the idle connections to an address that no longer exists."""
        for connection in self._idle.pop(address, []):
            connection.close()

    async def close(self) -> None:
        """Close all idle connections."""
        for address in list(self._idle):
            await self.close_idle(address)

    def _take_idle(self, address: str) -> "_Connection | None":
        idle = self._idle.get(address, [])
        while idle:
            connection = idle.pop()  # the one used last: its replica's caches are warm
            if connection.is_usable:
                return connection
        return None


class _Connection(asyncio.Protocol):
    """One connection, with at most one request in flight."""

    def __init__(self) -> None:
        self.is_usable = True
        self._transport: Any = None
        self._response: asyncio.Future[ReplicaResponse] | None = None

    async def send(self, request: bytes) -> ReplicaResponse:
        """Send one complete request and wait for its response. Raises ConnectionError."""
        self._response = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._reset_response()
        self._transport.write(request)
        return await self._response

    def close(self) -> None:
        """Close the connection immediately."""
        self.is_usable = False
        self._transport.abort()

    # Callbacks of the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._response is None or self._response.done():
            return self.close()  # no request is in flight
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(f"the replica's response is not valid HTTP: {error}")
        return None

    def connection_lost(self, error: Exception | None) -> None:
        self.is_usable = False
        if error is None and self._ends_with_connection and self._status:
            self.on_message_complete()
        self._fail(f"the replica closed the connection{f': {error}' if error else ''}")

    # Callbacks of the parser.

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
        if self._size > RESPONSE_LIMIT_BYTES:
            self._body.clear()
            self._fail(f"the replica's response has more than {RESPONSE_LIMIT_BYTES} bytes")

    def on_message_complete(self) -> None:
        if self._status < 200:  # "100 Continue": the final response follows
            return self._reset_response()
        self.is_usable = self.is_usable and self._parser.should_keep_alive()
        if self._response is not None and not self._response.done():
            self._response.set_result(ReplicaResponse(self._status, self._content_type, b"".join(self._body)))
        return None

    def _reset_response(self) -> None:
        self._status = 0
        self._content_type = "application/octet-stream"
        self._body: list[bytes] = []
        self._size = 0
        self._ends_with_connection = True

    def _fail(self, reason: str) -> None:
        if self._response is not None and not self._response.done():
            self._response.set_exception(ConnectionError(reason))
        self.close()


async def _connect(address: str) -> _Connection:
    """Return a new connection. Raises NotConnectedError."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            if address.startswith("unix:"):
                return await _connect_unix(loop, address.removeprefix("unix:"))
            host, _, port = address.removeprefix("http://").rpartition(":")
            return (await loop.create_connection(_Connection, host.strip("[]"), int(port)))[1]
    except OSError as error:  # TimeoutError is one
        raise NotConnectedError(f"nothing accepts connections at {address}: {error}") from error


async def _connect_unix(loop: asyncio.AbstractEventLoop, path: str) -> _Connection:
    """Connect to a socket, but not through a link: its folder is the program's, which cannot reach other sockets."""
    if sys.platform != "linux":
        return (await loop.create_unix_connection(_Connection, path))[1]
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            raise OSError(ENOTSOCK, "not a socket", path)
        return (await loop.create_unix_connection(_Connection, f"/proc/self/fd/{descriptor}"))[1]
    finally:
        os.close(descriptor)


def _request(body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("A header contains a line break.")
    head = "\r\n".join(("POST /invocations HTTP/1.1", "Host: replica", f"Content-Length: {len(body)}", *lines, "", ""))
    return head.encode("latin-1") + body
