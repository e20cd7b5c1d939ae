"""Slow uploads do not block other requests, and invalid ones are refused before the body is sent."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from lowcloud.api.aws.access.permissions import NOTHING
from lowcloud.api.aws.gateway import WORKERS, Gateway
from lowcloud.api.aws.operations import Operation
from lowcloud.api.aws.services import OPERATIONS
from lowcloud.core.context import Context
from tests.support.servers.gateways import serving
from tests.support.servers.server import Server
from tests.support.servers.wire_client import Reply, read_reply, sign
from tests.support.waiting import wait_for

GIBIBYTE = 1 << 30


class Counted:
    """Counts the calls of the real PutObject."""

    def __init__(self) -> None:
        self.begun = 0
        self._put = OPERATIONS["s3", "PutObject"].function
        self._lock = threading.Lock()

    def put(self, context: Context, caller: Any, request: Any) -> Any:
        with self._lock:
            self.begun += 1
        return self._put(context, caller, request)


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def served(context: Context, counted: Counted) -> Iterator[Server]:
    gateway = Gateway(
        context, {**OPERATIONS, ("s3", "PutObject"): Operation("s3", "PutObject", counted.put, NOTHING, (), ())}
    )
    with serving(gateway) as server:
        server.client("s3").create_bucket(Bucket="bucket")
        yield server
    gateway.close()


def begin(server: Server, path: str, length: int, headers: dict[str, str] | None = None) -> socket.socket:
    """Open a connection and send the head of a PUT."""
    signed = sign("PUT", server.url + path, {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD", **(headers or {})})
    lines = [f"PUT {path} HTTP/1.1", f"Content-Length: {length}", "Connection: close"]
    connection = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), 20)
    connection.sendall("\r\n".join([*lines, *(f"{name}: {value}" for name, value in signed.items()), "", ""]).encode())
    return connection


def test_more_slow_uploads_than_workers_do_not_block_other_requests(served: Server, counted: Counted) -> None:
    size, uploads = 2_000_000, WORKERS + 6
    with ExitStack() as stack:
        connections = [stack.enter_context(begin(served, f"/bucket/{index}", size)) for index in range(uploads)]
        for connection in connections:
            connection.sendall(b"x")
        wait_for(lambda: counted.begun == uploads)
        s3 = served.client("s3")
        s3.put_object(Bucket="bucket", Key="small", Body=b"data")
        assert s3.get_object(Bucket="bucket", Key="small")["Body"].read() == b"data"
        assert s3.list_objects_v2(Bucket="bucket")["KeyCount"] == 1
        for connection in connections:
            connection.sendall(b"x" * (size - 1))
        assert [read_reply(connection).status for connection in connections] == [200] * uploads
        assert s3.list_objects_v2(Bucket="bucket")["KeyCount"] == uploads + 1


def expect(server: Server, path: str, length: int, headers: dict[str, str] | None = None) -> Reply:
    """Return the reply to a head with Expect: 100-continue, without sending the body."""
    with begin(server, path, length, {"Expect": "100-continue", **(headers or {})}) as connection:
        received = connection.recv(1 << 16)
        assert not received.startswith(b"HTTP/1.1 100"), "the body was requested"
        while more := connection.recv(1 << 16):
            received += more
    head, _, body = received.partition(b"\r\n\r\n")
    names = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])
    return Reply(int(head.split()[1]), names, body)


@pytest.mark.parametrize("length", [4, 5_000_000])
@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/no-bucket/k", {}, 404, b"NoSuchBucket"),
        ("/bucket/there", {"If-None-Match": "*"}, 412, b"PreconditionFailed"),
        ("/bucket/" + "k" * 1025, {}, 400, b"KeyTooLongError"),
        ("/bucket/k", {"x-amz-acl": "public-read"}, 400, b"AccessControlListNotSupported"),
        ("/bucket/k?partNumber=1&uploadId=none", {}, 404, b"NoSuchUpload"),
    ],
)
def test_the_body_of_a_refused_request_is_not_requested(
    served: Server, length: int, path: str, headers: dict[str, str], status: int, code: bytes
) -> None:
    served.client("s3").put_object(Bucket="bucket", Key="there", Body=b"")
    reply = expect(served, path, length, headers)
    assert (reply.status, code in reply.body) == (status, True), reply.body
    assert reply.headers["connection"] == "close"


def test_a_body_that_is_too_large_is_not_requested(served: Server) -> None:
    reply = expect(served, "/bucket/k", 7 * GIBIBYTE)
    assert reply.status == 400
    assert b"<Code>EntityTooLarge</Code>" in reply.body
    assert b"<MaxSizeAllowed>5368709120</MaxSizeAllowed>" in reply.body


@pytest.mark.parametrize("length", [4, 5_000_000])
def test_the_body_of_an_accepted_request_is_requested(served: Server, length: int) -> None:
    with begin(served, "/bucket/k", length, {"Expect": "100-continue"}) as connection:
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(b"x" * length)
        assert read_reply(connection, "PUT").status == 200
    assert served.client("s3").head_object(Bucket="bucket", Key="k")["ContentLength"] == length
