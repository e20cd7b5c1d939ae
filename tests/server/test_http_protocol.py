"""Limits of the head of a request, on real connections."""

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from lowcloud.server import http_protocol
from tests.support.servers.endpoint import Endpoint
from tests.support.servers.gateways import serving
from tests.support.waiting import TIMEOUT_SECONDS

REQUEST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"


async def app(_scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.2)
    with serving(app) as endpoint:
        yield endpoint


def connect(served: Endpoint) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(served.url).port), TIMEOUT_SECONDS)


def read_to_end(connection: socket.socket) -> bytes:
    """All that the server sends until it closes the connection."""
    received = b""
    try:
        while piece := connection.recv(1 << 16):
            received += piece
    except ConnectionResetError:  # it has closed with unread data
        pass
    return received


def test_a_connection_that_sends_nothing_is_closed(served):
    with connect(served) as connection:
        assert read_to_end(connection) == b""


@pytest.mark.parametrize("first", [b"", REQUEST])
def test_a_head_that_does_not_end_is_closed(served, first):
    with connect(served) as connection:
        connection.sendall(first + b"GET / HTTP/1.1\r\nHost: h\r\nX-")
        received = read_to_end(connection)
    assert received.startswith(b"HTTP/1.1 200" if first else b"")
    assert received.count(b"HTTP/1.1") == (1 if first else 0)


def test_line_breaks_between_requests_do_not_keep_a_connection(served):
    with connect(served) as connection:
        connection.sendall(REQUEST)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
        connection.sendall(b"\r\n")
        read_to_end(connection)


def test_a_connection_is_kept_between_requests(served, monkeypatch):
    with connect(served) as connection:
        for _ in range(3):
            connection.sendall(REQUEST)
            received = b""
            while not received.endswith(b"ok"):
                piece = connection.recv(1 << 16)
                assert piece
                received += piece


@pytest.mark.parametrize("line", [b"X-A: " + b"a" * 1000 + b"\r\n", b"a" * 1000])
def test_a_head_of_any_size_is_refused_at_the_limit(served, line):
    with connect(served) as connection:
        try:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nX-B: " + line * 1000)
        except ConnectionError:
            return  # closed already
        assert not read_to_end(connection).startswith(b"HTTP/1.1 200")


def test_a_large_head_that_arrives_at_once_is_refused(served):
    with connect(served) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n")
        assert not read_to_end(connection).startswith(b"HTTP/1.1 200")
