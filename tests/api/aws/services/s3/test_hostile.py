"""Fuzzing: invalid requests to S3 never cause a server error."""

import http.client
import random
from collections import Counter
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lowcloud.api.aws.gateway import Gateway
from lowcloud.core.context import Context
from tests.support.servers.endpoint import ROOT_KEY, ROOT_SECRET
from tests.support.servers.gateways import serving
from tests.support.servers.server import Server

REQUESTS = 10_000
TEXTS = [
    "",
    "a",
    "b/c",
    "../..",
    "\0",
    "\x01\x1f",
    "é" * 600,
    "𝒳",
    "%00",
    "?x",
    "k",
    "null",
    "-1",
    "0",
    "1",
    "2",
    "10001",
]
TEXTS += [
    "2147483647",
    "2147483648",
    "9" * 30,
    "true",
    "bytes=0-9",
    "bytes=-0",
    "bytes=-",
    f"bytes={'9' * 40}-",
    '"x"',
    "*",
]
TEXTS += [
    "Tue, 14 Nov 2023 22:13:20 GMT",
    "2023",
    "AAAA",
    "CY9rzUYh03PK3k6DJie09g==",
    "url",
    "CRC32",
    "SHA256",
    "COMPOSITE",
]
TEXTS += [
    "FULL_OBJECT",
    "shelf/k",
    "/shelf/k?versionId=x",
    "AES256",
    "aws:kms",
    "alias/k",
    "GOVERNANCE",
    "2099-01-01T00:00:00Z",
    "a=b&c=d",
    "ETag,ObjectParts",
    "0" * 32,
    "STANDARD",
    "\U0010ffff",
    "a" * 1025,
    " ",
    "+",
    "REPLACE",
]
PARAMETERS = [
    "delimiter",
    "prefix",
    "marker",
    "max-keys",
    "encoding-type",
    "continuation-token",
    "start-after",
    "list-type",
]
PARAMETERS += [
    "uploads",
    "uploadId",
    "partNumber",
    "versionId",
    "part-number-marker",
    "max-parts",
    "key-marker",
    "location",
]
PARAMETERS += ["upload-id-marker", "max-uploads", "delete", "response-content-type", "response-expires", "max-buckets"]
PARAMETERS += ["versions", "tagging", "retention", "legal-hold", "attributes", "version-id-marker", "acl"]
HEADERS = ["range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "content-md5", "expires"]
HEADERS += ["x-amz-checksum-crc32", "x-amz-checksum-sha256", "x-amz-sdk-checksum-algorithm", "x-amz-copy-source"]
HEADERS += ["x-amz-copy-source-range", "x-amz-metadata-directive", "content-type", "content-encoding", "x-amz-meta-a"]
HEADERS += ["x-amz-storage-class", "x-amz-acl", "x-amz-checksum-type", "x-amz-mp-object-size", "x-amz-checksum-mode"]
HEADERS += ["x-amz-tagging", "x-amz-tagging-directive", "x-amz-object-attributes", "x-amz-max-parts", "x-amz-trailer"]
HEADERS += ["x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold"]
HEADERS += ["x-amz-bypass-governance-retention", "x-amz-if-match-size", "x-amz-if-match-last-modified-time"]
HEADERS += ["x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"]
HEADERS += ["x-amz-server-side-encryption-context", "x-amz-server-side-encryption-customer-algorithm"]
HEADERS += ["x-amz-server-side-encryption-customer-key", "x-amz-server-side-encryption-customer-key-md5"]
BODIES = [
    b"",
    b"x",
    b"<a/>",
    b"\xff\xfe",
    b"<Delete/>",
    b"<Delete><Object><Key>k</Key></Object><Object><Key/></Object></Delete>",
    b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>",
    b"<CompleteMultipartUpload><Part><PartNumber>-99999999999</PartNumber></Part></CompleteMultipartUpload>",
    b"<Tagging><TagSet><Tag><Key>a</Key><Value/></Tag></TagSet></Tagging>",
    b"<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2099-01-01T00:00:00Z</RetainUntilDate></Retention>",
    b"<LegalHold><Status>ON</Status></LegalHold>",
    b"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>",
]


@pytest.fixture
def server(context: Context) -> Iterator[Server]:
    with serving(Gateway(context)) as server:
        yield server


def test_invalid_requests_never_cause_a_server_error(server: Server) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="shelf", ObjectLockEnabledForBucket=True)
    for key in ("k", "b/c", "a"):
        s3.put_object(Bucket="shelf", Key=key, Body=b"content")
    upload = s3.create_multipart_upload(Bucket="shelf", Key="k")["UploadId"]
    chance = random.Random(3)
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
    statuses: Counter[int] = Counter()
    for _ in range(REQUESTS):
        method, path, headers, body = nonsense(chance, upload)
        connection.request(method, path, body, signed(server, method, path, headers))
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status < 500 or answer.status == 501, (method, path, headers, body, content)
        statuses[answer.status] += 1
    assert {200, 204, 400, 404, 409} <= statuses.keys()  # the values are plausible enough to get far


def nonsense(chance: random.Random, upload: str) -> tuple[str, str, dict[str, str], bytes]:
    """Return method, path, further headers and body."""
    texts = [*TEXTS, upload]
    path = chance.choice(["/shelf", "/shelf", "/shelf", "/other", "/", "/" + quote(chance.choice(texts))])
    if chance.random() < 0.6:
        path += "/" + quote(chance.choice([*texts, *["k"] * 20]))
    names = chance.sample(PARAMETERS, chance.choice([0, 1, 1, 2, 3]))
    query = "&".join(f"{name}={quote(chance.choice(texts), safe='')}" for name in names)
    if chance.random() < 0.2:
        query = f"partNumber={chance.choice([1, 2, 0, 99999])}&uploadId={upload}"
    headers = {name: header_text(chance.choice(texts)) for name in chance.sample(HEADERS, chance.choice([0, 0, 1, 2]))}
    method = chance.choice(["GET", "PUT", "POST", "DELETE", "HEAD"])
    return method, f"{path}?{query}" if query else path, headers, chance.choice(BODIES)


def header_text(text: str) -> str:
    """Return a text that a client could send in a header."""
    return "".join(letter for letter in text if letter.isprintable()).encode().decode("latin-1")


def signed(server: Server, method: str, path: str, headers: dict[str, str]) -> dict[str, str]:
    request = AWSRequest(method, server.url + path, headers=headers)
    Signer(Credentials(ROOT_KEY, ROOT_SECRET), "s3", "us-east-1").add_auth(request)
    return dict(request.headers.items())


class Signer(S3SigV4Auth):  # type: ignore[misc]
    """Signs a request without its body."""

    def payload(self, request: AWSRequest) -> str:
        return "UNSIGNED-PAYLOAD"
