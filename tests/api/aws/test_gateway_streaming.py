"""Streaming of request and response bodies: chunks, trailers, lengths, hashes, disconnects, memory."""

import base64
import socket
import threading
import zlib
from hashlib import sha256

import pytest

from lowcloud.api.aws.access.permissions import NOTHING
from lowcloud.api.aws.errors import from_body_error
from lowcloud.api.aws.gateway import Gateway
from lowcloud.api.aws.operations import Operation
from lowcloud.api.http.incoming import (
    BodyTimeoutError,
    BodyTooLargeError,
    ClientDisconnectedError,
    ServerStoppingError,
    TooManyBodiesError,
)
from tests.support.servers.gateways import serving
from tests.support.servers.wire_client import chunked, exchange, read_reply, send, sign
from tests.support.waiting import wait_for

MIB = 1 << 20


class Store:
    """Stores objects in memory, and records failed puts."""

    def __init__(self):
        self.objects = {}
        self.trailers = {}
        self.failures = []
        self.largest_piece = 0
        self.closed = threading.Event()

    def put(self, context, caller, request):
        digest, size = sha256(), 0
        try:
            for piece in request["Body"]:
                digest.update(piece)
                size += len(piece)
                self.largest_piece = max(self.largest_piece, len(piece))
        except Exception as error:
            self.failures.append(error)
            raise
        self.objects[request["Key"]] = (size, digest.hexdigest())
        self.trailers[request["Key"]] = dict(request["Body"].trailers)
        return {"ETag": f'"{size}"'}

    def get(self, context, caller, request):
        size = int(request["Key"])

        def chunks():
            try:
                for _ in range(size // MIB):
                    yield bytes(MIB)
                if request.get("Range") == "fail":
                    raise OSError("the disk is gone")
            finally:
                self.closed.set()

        return {"Body": chunks(), "ContentLength": size, "ResponseMetadata": {"HTTPStatusCode": 206}}


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def served(context, store):
    table = {
        ("s3", "PutObject"): Operation("s3", "PutObject", store.put, NOTHING, (), ()),
        ("s3", "GetObject"): Operation("s3", "GetObject", store.get, NOTHING, (), ()),
    }
    gateway = Gateway(context, table)
    with serving(gateway) as server:
        yield server
    gateway.close()


def expected(data: bytes) -> tuple[int, str]:
    return len(data), sha256(data).hexdigest()


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 20 * MIB + 7])
def test_a_signed_body_of_any_size_arrives_completely(served, store, size):
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    reply = send("PUT", f"{served.url}/bucket/key", body=data)
    assert reply.status == 200, reply.body
    assert store.objects["key"] == expected(data)
    assert store.largest_piece <= 2 * MIB


@pytest.mark.parametrize("size", [0, 100, 3 * MIB])
@pytest.mark.parametrize("chunk", [7, 65536, 2 * MIB])
def test_signed_chunks_arrive_concatenated(served, store, size, chunk):
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    pieces = [data[start : start + max(chunk, size // 50)] for start in range(0, size, max(chunk, size // 50))]
    url = f"{served.url}/bucket/key"
    headers = sign(
        "PUT",
        url,
        {
            "X-Amz-Content-SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "X-Amz-Decoded-Content-Length": str(size),
            "Content-Encoding": "aws-chunked",
        },
    )
    body = chunked(pieces, headers)
    reply = exchange("PUT", url, {**headers, "Content-Length": str(len(body))}, [body])
    assert reply.status == 200, reply.body
    assert store.objects["key"] == expected(data)


@pytest.mark.parametrize("is_signed", [True, False])
def test_trailers_are_available_after_the_last_byte(served, store, is_signed):
    data = b"some data" * 300_000
    checksum = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    headers, body = with_trailer(served.url, data, checksum, is_signed)
    reply = exchange("PUT", f"{served.url}/bucket/key", {**headers, "Content-Length": str(len(body))}, [body])
    assert reply.status == 200, reply.body
    assert store.objects["key"] == expected(data)
    assert store.trailers["key"] == {"x-amz-checksum-crc32": checksum}


def with_trailer(url, data, checksum, is_signed=True, announced="x-amz-checksum-crc32"):
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" if is_signed else "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    headers = sign(
        "PUT",
        f"{url}/bucket/key",
        {
            "X-Amz-Content-SHA256": kind,
            "X-Amz-Decoded-Content-Length": str(len(data)),
            "X-Amz-Trailer": announced,
        },
    )
    pieces = [data[start : start + 500_000] for start in range(0, len(data), 500_000)]
    return headers, chunked(pieces, headers, {"x-amz-checksum-crc32": checksum}, is_signed)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda body: body.replace(b"data", b"dada", 1), "SignatureDoesNotMatch"),
        (lambda body: body.replace(b"chunk-signature=", b"chunk-signature=0", 1), "SignatureDoesNotMatch"),
        (lambda body: body.replace(b";chunk-signature=", b";x=", 1), "SignatureDoesNotMatch"),
        (lambda body: body.replace(b"AAAAAA==", b"BBBBBB=="), "SignatureDoesNotMatch"),
        (lambda body: body.replace(b"trailer-signature:", b"trailer-signature:0"), "SignatureDoesNotMatch"),
        (lambda body: body.replace(b"x-amz-checksum-crc32:AAAAAA==\r\n", b""), "MalformedTrailerError"),
        (lambda body: body.replace(b"x-amz-checksum-crc32", b"x-amz-checksum-crc64"), "MalformedTrailerError"),
        (lambda body: b"zz" + body, "InvalidRequest"),
        (lambda body: b"-1" + body, "InvalidRequest"),
        (lambda body: b"f" * 15 + body[body.index(b";") :], "IncompleteBody"),
        (lambda body: b"1" + body, "InvalidRequest|IncompleteBody|SignatureDoesNotMatch"),
        (lambda body: body[: len(body) // 2], "IncompleteBody"),
        (lambda body: body[:-40], "SignatureDoesNotMatch|InvalidRequest"),
        (lambda body: b"", "InvalidRequest"),
        (lambda body: b"a" * 20_000, "InvalidRequest"),
    ],
)
def test_a_chunked_body_that_does_not_match_its_signatures_is_refused(served, store, change, code, large):
    data = b"data" * (500_000 if large else 100)
    headers, body = with_trailer(served.url, data, "AAAAAA==")
    body = change(body)
    reply = exchange("PUT", f"{served.url}/bucket/key", {**headers, "Content-Length": str(len(body))}, [body])
    assert 400 <= reply.status < 500
    assert any(f"<Code>{name}</Code>".encode() in reply.body for name in code.split("|")), reply.body
    assert not store.objects


@pytest.mark.parametrize("size", [10, 5 * MIB])
def test_a_body_that_does_not_have_its_signed_hash_is_refused(served, store, size):
    url = f"{served.url}/bucket/key"
    headers = sign("PUT", url, {"X-Amz-Content-SHA256": sha256(b"other").hexdigest()})
    reply = exchange("PUT", url, {**headers, "Content-Length": str(size)}, [bytes(size)])
    assert (reply.status, store.objects) == (400, {})
    assert b"<Code>XAmzContentSHA256Mismatch</Code>" in reply.body


def test_a_wrong_decoded_length_is_refused(served, store):
    url = f"{served.url}/bucket/key"
    headers = sign(
        "PUT",
        url,
        {
            "X-Amz-Content-SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "X-Amz-Decoded-Content-Length": "11",
        },
    )
    body = chunked([b"ten bytes!"], headers)
    reply = exchange("PUT", url, {**headers, "Content-Length": str(len(body))}, [body])
    assert b"<Code>IncompleteBody</Code>" in reply.body
    assert not store.objects


def test_a_client_that_disconnects_midway_stores_nothing(served, store):
    url = f"{served.url}/bucket/key"
    headers = sign("PUT", url, {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))) as connection:
        lines = ["PUT /bucket/key HTTP/1.1", f"Content-Length: {50 * MIB}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + bytes(3 * MIB))
    wait_for(lambda: store.failures)
    assert isinstance(store.failures[0], ClientDisconnectedError)
    assert not store.objects


def test_the_body_is_requested_only_after_the_signature_is_verified(served, store):
    url = f"{served.url}/bucket/key"
    port = int(served.url.rpartition(":")[2])
    good = sign("PUT", url, {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    bad = {**good, "Authorization": good["Authorization"][:-4] + "0000"}
    for headers, interim in ((good, b"HTTP/1.1 100 Continue"), (bad, b"HTTP/1.1 403 Forbidden")):
        with socket.create_connection(("127.0.0.1", port), 20) as connection:
            lines = ["PUT /bucket/key HTTP/1.1", "Content-Length: 4", "Expect: 100-continue", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            first = connection.recv(1 << 16)
            assert first.startswith(interim)
            if headers is good:
                connection.sendall(b"body")
                assert read_reply(connection).status == 200
    assert store.objects == {"key": expected(b"body")}


def test_a_client_that_expects_100_continue_gets_it_for_an_empty_body(served, store):
    headers = sign("PUT", f"{served.url}/bucket/key", {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2])), 20) as connection:
        lines = ["PUT /bucket/key HTTP/1.1", "Content-Length: 0", "Expect: 100-continue", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        seen = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert seen.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert store.objects == {"key": expected(b"")}


def test_a_response_before_the_body_was_requested_closes_the_connection(served):
    lines = ["PUT /bucket/key HTTP/1.1", "Host: localhost", "Content-Length: 4", "Expect: 100-continue"]
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2])), 20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        reply = read_reply(connection)  # to the end of the connection
    assert (reply.status, reply.headers["connection"]) == (403, "close")


def test_a_put_without_a_length_is_refused_unless_it_is_chunked(served, store):
    url = f"{served.url}/bucket/key"
    headers = sign("PUT", url, {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    assert exchange("PUT", url, headers, []).status == 411
    pieces = [b"5\r\nhello\r\n", b"6\r\n world\r\n", b"0\r\n\r\n"]
    assert exchange("PUT", url, {**headers, "Transfer-Encoding": "chunked"}, pieces).status == 200
    assert store.objects["key"] == expected(b"hello world")


def test_a_response_streams_with_its_status_and_length(served, store):
    reply = send("GET", f"{served.url}/bucket/{5 * MIB}")
    assert (reply.status, reply.headers["content-length"]) == (206, str(5 * MIB))
    assert reply.body == bytes(5 * MIB)
    assert store.closed.wait(10)


def test_the_response_to_head_has_no_body(served, store):
    reply = send("HEAD", f"{served.url}/bucket/key")
    assert (reply.status, reply.body) == (501, b"")


def test_a_response_that_fails_midway_closes_the_connection(served, store):
    reply = send("GET", f"{served.url}/bucket/{2 * MIB + 5}")
    assert int(reply.headers["content-length"]) == 2 * MIB + 5
    assert len(reply.body) < 2 * MIB + 5


def test_a_client_that_disconnects_frees_the_response(served, store):
    url = f"{served.url}/bucket/{1 << 40}"
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2])), 20) as connection:
        lines = [f"GET /bucket/{1 << 40} HTTP/1.1", *(f"{name}: {value}" for name, value in sign("GET", url).items())]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        connection.recv(1000)
    assert store.closed.wait(20)


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (BodyTimeoutError, "RequestTimeout", 400),
        (ClientDisconnectedError, "IncompleteBody", 400),
        (ServerStoppingError, "IncompleteBody", 503),
        (BodyTooLargeError, "RequestEntityTooLarge", 413),
        (TooManyBodiesError, "SlowDown", 503),
    ],
)
def test_a_body_that_cannot_be_read_has_an_aws_error(error, code, status):
    found = from_body_error(error("reason"))
    assert (found.code, found.status, found.message) == (code, status, "reason")
