"""Fuzzing: invalid documents, policies and forms never cause a server error of S3."""

import http.client
import json
import random
from base64 import b64encode
from collections import Counter
from hashlib import md5
from typing import Any
from urllib.parse import urlsplit

from botocore.model import ListShape, Shape, StructureShape

from lowcloud.api.aws.gateway import Gateway
from lowcloud.api.aws.protocol.formats.rest import payload_member
from lowcloud.api.aws.protocol.formats.xml import escape
from lowcloud.api.aws.protocol.service_models import load_service
from lowcloud.api.aws.services import OPERATIONS
from tests.support.servers.gateways import serving
from tests.support.servers.server import Server
from tests.support.servers.wire_client import sign

DOCUMENTS, POLICIES, FORMS = 2000, 400, 400
TEXTS = ["", "a", "*", "0", "1", "-1", "9" * 30, "true", "2030-01-02T00:00:00Z", "é" * 300, "\x01", "Enabled"]
TEXTS += ["https://*.example.com", "GET", "arn:aws:sqs:us-east-1:123456789012:q", "GOVERNANCE", "AES256", "aws:kms"]
JSON = [
    None,
    True,
    0,
    1e400,
    "",
    "*",
    "s3:*",
    "arn:aws:s3:::shelf/*",
    "Allow",
    "Deny",
    [],
    {},
    ["*"],
    {"AWS": "*"},
    "\0",
]
ELEMENTS = ["Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition", "Sid"]
FIELDS = [
    "key",
    "policy",
    "acl",
    "tagging",
    "file",
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-date",
    "Content-Type",
]
FIELDS += [
    "x-amz-algorithm",
    "success_action_status",
    "success_action_redirect",
    "x-amz-meta-a",
    "x-amz-checksum-crc32",
]


def test_invalid_documents_never_cause_a_server_error(gateway: Gateway) -> None:
    chance = random.Random(5)
    puts = [operation for operation in map(described, sorted(OPERATIONS)) if operation is not None]
    assert len(puts) > 10
    with serving(gateway) as server:
        server.client("s3").create_bucket(Bucket="shelf")
        statuses: Counter[int] = Counter()
        for _ in range(DOCUMENTS):
            query, name, shape = chance.choice(puts)
            statuses[put(server, query, "".join(element(chance, shape, name)).encode())] += 1
    assert {200, 400} <= statuses.keys()  # the values are plausible enough to get far


def test_invalid_policies_never_cause_a_server_error(gateway: Gateway) -> None:
    chance = random.Random(6)
    with serving(gateway) as server:
        s3 = server.client("s3")
        s3.create_bucket(Bucket="shelf")
        s3.delete_public_access_block(Bucket="shelf")
        statuses: Counter[int] = Counter()
        for _ in range(POLICIES):
            names = ["Effect", "Principal", "Action", "Resource", *chance.sample(ELEMENTS, chance.choice([0, 0, 1, 2]))]
            sensible = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::shelf/*"}
            statement = {
                n: sensible[n] if n in sensible and chance.random() < 0.8 else chance.choice(JSON) for n in names
            }
            document = {
                "Version": "2012-10-17",
                "Statement": chance.choice([statement, [statement], chance.choice(JSON)]),
            }
            statuses[put(server, "policy", json.dumps(document).encode())] += 1
            connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
            connection.request("GET", "/shelf/key")
            assert connection.getresponse().status in (403, 404)
            connection.close()
    assert {200, 400} <= statuses.keys()


def test_invalid_forms_never_cause_a_server_error(gateway: Gateway) -> None:
    chance = random.Random(7)
    with serving(gateway) as server:
        server.client("s3").create_bucket(Bucket="shelf")
        signer = server.client("s3", config={"signature_version": "s3v4"})
        for _ in range(FORMS):
            made = signer.generate_presigned_post("shelf", "key")
            fields = made["fields"] | {name: text(chance) for name in chance.sample(FIELDS, chance.choice([0, 1, 2]))}
            parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in fields.items()]
            parts.append('Content-Disposition: form-data; name="file"; filename="f"\r\n\r\ndata')
            whole = "".join(f"--b\r\n{part}\r\n" for part in parts) + "--b--\r\n"
            content = whole.encode()[: chance.choice([len(whole.encode())] * 3 + [chance.randrange(len(whole))])]
            connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
            connection.request("POST", "/shelf", content, {"Content-Type": "multipart/form-data; boundary=b"})
            answer = connection.getresponse()
            assert answer.status < 500, (content, answer.read())
            connection.close()


def described(name: tuple[str, str]) -> tuple[str, str, StructureShape] | None:
    """Return query, root element and shape of an operation that puts a configuration document."""
    service = load_service("s3")
    assert service is not None
    operation = service.operation(name[1]) if name[0] == "s3" else None
    if operation is None or operation.http["method"] != "PUT" or "{Key" in operation.http["requestUri"]:
        return None
    found = payload_member(operation.input_shape)
    if found is None or not isinstance(found[1], StructureShape):
        return None
    return operation.http["requestUri"].partition("?")[2], found[1].serialization.get("name", found[0]), found[1]


def put(server: Server, query: str, content: bytes) -> int:
    """Return the status of a PUT to the bucket."""
    digest = {"Content-MD5": b64encode(md5(content).digest()).decode()}
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
    path = f"/shelf?{query}"
    connection.request("PUT", path, content, sign("PUT", server.url + path, digest, content))
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    assert answer.status < 500 or answer.status == 501, (query, content, said)
    return answer.status


def element(chance: random.Random, shape: Shape, name: str) -> list[str]:
    """Return an element that roughly has the shape."""
    if isinstance(shape, ListShape):
        inner = shape.member.serialization.get("name", "member")
        items = [element(chance, shape.member, name if shape.serialization.get("flattened") else inner)]
        items *= chance.choice([0, 1, 1, 2])
        joined = [piece for item in items for piece in item]
        return joined if shape.serialization.get("flattened") else [f"<{name}>", *joined, f"</{name}>"]
    if isinstance(shape, StructureShape):
        members = [(member, known) for member, known in shape.members.items() if chance.random() < 0.7]
        inner_pieces = [
            piece
            for member, known in members
            for piece in element(chance, known, known.serialization.get("name", member))
        ]
        return [f"<{name}>", *inner_pieces, f"</{name}>"]
    values = [*shape.metadata.get("enum", ()), "1", "3"] if chance.random() < 0.8 else TEXTS
    return [f"<{name}>", escape(chance.choice(values)), f"</{name}>"]


def text(chance: random.Random) -> str:
    made: Any = chance.choice([*TEXTS, b64encode(json.dumps(chance.choice(JSON)).encode()).decode()])
    return str(made)
