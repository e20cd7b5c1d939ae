"""Interrupted, corrupt and concurrent requests, and full disks."""

import base64
import hashlib
import http.client
import os
import re
import statistics
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, IncompleteReadError

from lowcloud.api.aws.gateway import Gateway
from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.storage.objects import objects
from lowcloud.store.blobs import files
from lowcloud.store.blobs.files import RECORD_BYTES
from tests.support.servers.endpoint import ROOT_KEY, ROOT_SECRET
from tests.support.servers.gateways import serving
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

BUCKET = "shelf"


@pytest.fixture
def server(context: Context) -> Iterator[Server]:
    with serving(Gateway(context)) as server:
        server.client("s3").create_bucket(Bucket=BUCKET)
        yield server


class Signer(S3SigV4Auth):  # type: ignore[misc]
    """Signs the given hash, whatever the body is."""

    def __init__(self, payload_hash: str):
        super().__init__(Credentials(ROOT_KEY, ROOT_SECRET), "s3", "us-east-1")
        self._payload_hash = payload_hash

    def payload(self, request: AWSRequest) -> str:
        return self._payload_hash


def signed(server: Server, key: str, payload_hash: str, headers: dict[str, str]) -> dict[str, str]:
    """Return the headers of a signed PUT."""
    request = AWSRequest("PUT", f"{server.url}/{BUCKET}/{key}", headers=headers)
    Signer(payload_hash).add_auth(request)
    return dict(request.headers.items())


def send(server: Server, key: str, payload_hash: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    """Send one PUT exactly as given. Returns status and body."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
    try:
        connection.request("PUT", f"/{BUCKET}/{key}", body, signed(server, key, payload_hash, headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def trailing(content: bytes, checksum: str) -> tuple[str, dict[str, str], bytes]:
    """Return hash, headers and body of an unsigned chunked upload with its CRC32 in the trailer."""
    headers = {
        "x-amz-decoded-content-length": str(len(content)),
        "x-amz-trailer": "x-amz-checksum-crc32",
        "content-encoding": "aws-chunked",
    }
    kind = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    return (
        kind,
        headers,
        b"%x\r\n%b\r\n0\r\nx-amz-checksum-crc32:%b\r\n\r\n" % (len(content), content, checksum.encode()),
    )


def blob_files(context: Context) -> list[Path]:
    return sorted((context.settings.data / "objects").glob("*/*"))


def test_a_checksum_in_a_trailer_is_verified(server: Server, context: Context) -> None:
    right = base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big")).decode()
    assert send(server, "k", *trailing(b"hello", right))[0] == 200
    kept = objects.head(context, BUCKET, "k")
    assert kept.checksum is not None
    assert (kept.checksum.algorithm, kept.checksum.value) == ("CRC32", right)
    assert "content-encoding" not in kept.metadata.headers
    status, answer = send(server, "k", *trailing(b"other", right))
    assert (status, b"<Code>BadDigest</Code>" in answer) == (400, True)
    assert b"".join(objects.get(context, BUCKET, "k")[1]) == b"hello"


def test_a_body_that_does_not_hash_to_what_was_signed_stores_nothing(server: Server, context: Context) -> None:
    status, answer = send(server, "k", hashlib.sha256(b"signed").hexdigest(), {}, b"sent")
    assert (status, b"XAmzContentSHA256Mismatch" in answer) == (400, True)
    assert blob_files(context) == []


def test_a_client_that_disconnects_midway_stores_nothing(server: Server, context: Context) -> None:
    headers = signed(server, "k", "UNSIGNED-PAYLOAD", {"content-length": str(20 * RECORD_BYTES)})
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    connection.putrequest("PUT", f"/{BUCKET}/k")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(b"x" * (8 * RECORD_BYTES))
    wait_for(lambda: blob_files(context))
    connection.close()
    wait_for(lambda: not blob_files(context))
    with pytest.raises(NotFoundError):
        objects.head(context, BUCKET, "k")


@pytest.mark.parametrize("position", [5, 3 * RECORD_BYTES])
def test_a_flipped_bit_is_never_served(server: Server, context: Context, position: int) -> None:
    content = os.urandom(4 * RECORD_BYTES)
    s3 = server.client("s3")
    s3.put_object(Bucket=BUCKET, Key="k", Body=content)
    (path,) = blob_files(context)
    sealed = bytearray(path.read_bytes())
    sealed[position] ^= 4
    path.write_bytes(sealed)
    if position < RECORD_BYTES:  # detected before the response has begun
        with pytest.raises(ClientError) as raised:
            s3.get_object(Bucket=BUCKET, Key="k")
        assert raised.value.response["Error"]["Code"] == "InternalError"
        return
    served = b""
    with pytest.raises(IncompleteReadError):
        for chunk in s3.get_object(Bucket=BUCKET, Key="k")["Body"].iter_chunks(4096):
            served += chunk
    assert content.startswith(served)


def test_a_full_disk_is_reported_and_changes_nothing(
    server: Server, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = server.client("s3")
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"kept")

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "sync", refuse)
    with pytest.raises(ClientError) as raised:
        s3.put_object(Bucket=BUCKET, Key="k", Body=b"new" * RECORD_BYTES)
    monkeypatch.undo()
    response = raised.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == ("InsufficientStorage", 507)
    assert s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == b"kept"
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"new" * RECORD_BYTES)
    assert len(blob_files(context)) == 1


def test_concurrent_writers_of_one_key_leave_one_consistent_object(server: Server, context: Context) -> None:
    def write(letter: bytes) -> None:
        client = server.client("s3")
        for _ in range(10):
            client.put_object(Bucket=BUCKET, Key="k", Body=letter * 100_000)

    writers = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for writer in writers:
        writer.start()
    reader: Any = server.client("s3")
    seen = 0
    while any(writer.is_alive() for writer in writers):
        try:
            content = reader.get_object(Bucket=BUCKET, Key="k")["Body"].read()
        except ClientError as error:
            assert error.response["Error"]["Code"] == "NoSuchKey"
            continue
        assert re.fullmatch(rb"(a+|b+|c+)", content)
        assert len(content) == 100_000
        seen += 1
    assert seen > 0
    assert len(blob_files(context)) == 1


def test_a_small_response_does_not_wait_for_an_acknowledgement(tmp_path: Path) -> None:
    context = Server(tmp_path / "home")
    context.up()
    try:
        s3 = context.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="k", Body=b"x" * 4096)
        seconds = []
        for _ in range(15):  # on one persistent connection
            started = time.perf_counter()
            s3.get_object(Bucket=BUCKET, Key="k")["Body"].read()
            seconds.append(time.perf_counter() - started)
        assert statistics.median(seconds) < 0.035  # with Nagle's algorithm the body came 40 ms after its head
    finally:
        context.down()
