"""Digests of documents are verified before the documents are used."""

from base64 import b64encode
from hashlib import md5, sha256
from zlib import crc32

import pytest

from tests.support.servers.server import Server
from tests.support.servers.wire_client import Reply, send

DOCUMENT = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
BATCH = b"<Delete><Object><Key>k</Key></Object></Delete>"


def digest(data: bytes) -> str:
    return b64encode(md5(data).digest()).decode()


def put_tags(server: Server, bucket: str, headers: dict[str, str]) -> Reply:
    return send("PUT", f"{server.url}/{bucket}?tagging", headers, DOCUMENT)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-MD5": digest(DOCUMENT)},
        {"x-amz-checksum-sha256": b64encode(sha256(DOCUMENT).digest()).decode()},
        {"x-amz-checksum-crc32": b64encode(crc32(DOCUMENT).to_bytes(4, "big")).decode()},
    ],
)
def test_a_document_that_matches_its_digest_is_accepted(server: Server, bucket: str, headers: dict[str, str]) -> None:
    assert put_tags(server, bucket, headers).status == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-MD5": digest(b"other")}, b"BadDigest"),
        ({"Content-MD5": "nonsense"}, b"InvalidDigest"),
        ({"x-amz-checksum-sha256": b64encode(sha256(b"other").digest()).decode()}, b"BadDigest"),
        ({"x-amz-checksum-sha256": "nonsense"}, b"InvalidRequest"),
        ({"x-amz-checksum-sha256": "a", "x-amz-checksum-crc32": "b"}, b"InvalidRequest"),
        ({"x-amz-sdk-checksum-algorithm": "SHA256"}, b"InvalidRequest"),
    ],
)
def test_a_document_that_does_not_match_its_digest_is_refused(
    server: Server, bucket: str, headers: dict[str, str], code: bytes
) -> None:
    reply = put_tags(server, bucket, headers)
    assert reply.status == 400
    assert b"<Code>" + code + b"</Code>" in reply.body
    assert send("GET", f"{server.url}/{bucket}?tagging").status == 404


@pytest.mark.parametrize("query", ["delete", "lifecycle", "cors", "object-lock"])
def test_some_documents_require_a_digest(server: Server, bucket: str, query: str) -> None:
    reply = send("POST" if query == "delete" else "PUT", f"{server.url}/{bucket}?{query}", {}, BATCH)
    assert reply.status == 400
    assert b"Missing required header for this request: Content-MD5" in reply.body


def test_a_missing_required_document_is_refused(server: Server, bucket: str) -> None:
    for query in ("tagging", "versioning", "policy"):
        reply = send("PUT", f"{server.url}/{bucket}?{query}")
        assert (reply.status, b"<Code>MissingRequestBodyError</Code>" in reply.body) == (400, True)
