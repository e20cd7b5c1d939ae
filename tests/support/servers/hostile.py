"""Fuzzing of requests with valid keys: generated from the models, with values outside the models."""

import json
import random
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import cbor2
from botocore.model import OperationModel, Shape

from lowcloud.api.aws.auth.signature_v4 import SignatureClaim, canonical_request, sign, string_to_sign
from lowcloud.api.aws.operations import OPERATIONS
from lowcloud.api.aws.protocol.service_models import Service, load_service
from lowcloud.api.http.messages import HttpRequest
from tests.support.servers.endpoint import ROOT_KEY, ROOT_SECRET

SIGNING_NAMES = {"cloudwatch": "monitoring", "sagemaker-runtime": "sagemaker"}
DEEPEST = 6
NAMES = [
    "a",
    "name",
    "LowcloudExecutionRole",
    "bucket",
    "my-bucket",
    "train",
    "/aws/sagemaker/TrainingJobs",
    "arn:aws:iam::123456789012:role/LowcloudExecutionRole",
    "s3://bucket/key",
    "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1",
]
TEXTS = [
    *NAMES,
    "",
    " ",
    "\x00",
    "\ud800",
    "\u2028<&>'\"",
    "../../etc/passwd",
    "arn:aws:iam::123456789012:role/LowcloudExecutionRole",
    "s3://bucket/key",
    "9" * 400,
    "a" * 3000,
    "%00%ff%zz",
    "\r\nX-Injected: yes",
    "NaN",
    "-1",
    "1e999",
    "2026-01-01T00:00:00Z",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "9999-99-99T99:99:99Z",
    "bytes=0-",
    "\U0001f600",
    "{}",
    "${x}",
]
NUMBERS = [0, 1, -1, 2, 5, 100, 1000, 2**31 - 1, 2**31, -(2**31) - 1, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e308]
UNEXPECTED: list[Any] = [None, True, False, [], {}, [[]], {"a": {}}, [None], "", 0, -1.5, "text"]


@dataclass(frozen=True)
class Hostile:
    """One signed request."""

    request: HttpRequest
    body: bytes
    what: str


class RequestGenerator:
    """Generates requests to one service from a seed."""

    def __init__(self, service: str, seed: int):
        self.random = random.Random(f"{service}/{seed}")
        found = load_service(service)
        assert found is not None
        self.service: Service = found
        self.madness = 0.0  # the probability of an unusual value in the next request
        self.built = sorted(name for known, name in OPERATIONS if known == service)

    def request(self, now: str) -> Hostile:
        """Return the next request, signed at the time `now` (YYYYMMDDTHHMMSSZ)."""
        names = self.built if self.random.random() < 0.95 else sorted(self.service.operations)
        operation = self.service.operation(self.random.choice(names))
        self.madness = self.random.choice([0.0, 0.0, 0.02, 0.2])
        members = self.structure(operation.input_shape) if operation.input_shape else {}
        protocol = self.random.choice(self.service.protocols)
        method, path, query, headers, body = self.write(operation, protocol, members)
        if self.random.random() < self.madness:
            body = self.damage(body)
        if self.random.random() < 0.05:
            query = self.damage(query.encode()).decode("latin-1")
        if self.random.random() < 0.05:
            path = "/" + self.damage(path.encode()).decode("latin-1").lstrip("/")
        what = f"{operation.name} {protocol} {method} {path[:300]!r} ?{query[:300]!r} {body[:600]!r}"
        return Hostile(self.sign(method, path, query, headers, body, now), body, what)

    def structure(self, shape: Any, depth: int = 0) -> dict[str, Any]:
        """Return members for a structure: most required ones, some others, rarely one that does not exist."""
        members = {}
        for name, member in shape.members.items():
            if self.random.random() < (0.95 if name in shape.required_members else 0.3 / (depth + 1)):
                members[name] = self.value(member, depth + 1)
        if self.random.random() < 0.05:
            members["Unknown"] = self.random.choice(UNEXPECTED)
        return members

    def value(self, shape: Shape, depth: int) -> Any:
        """Return a value for a shape: mostly of its type, often a valid one."""
        if self.random.random() < self.madness:
            return self.random.choice(UNEXPECTED)
        kind = shape.type_name
        if depth > DEEPEST:
            return None
        if kind == "structure":
            return self.structure(shape, depth)
        if kind == "list":
            return [self.value(shape.member, depth + 1) for _ in range(self.random.choice([0, 1, 1, 2, 3]))]
        if kind == "map":
            return {
                self.text(shape.key): self.value(shape.value, depth + 1) for _ in range(self.random.choice([0, 1, 2]))
            }
        if kind in ("integer", "long", "float", "double"):
            return self.number(shape)
        if kind == "boolean":
            return self.random.random() < 0.5
        if kind == "timestamp":
            usual = [0, 1.5, 1790000000, "2026-01-01T00:00:00Z"]
            return self.random.choice([*usual, -1, 1e18, "yesterday"] if self.random.random() < self.madness else usual)
        return self.text(shape)

    def number(self, shape: Shape) -> Any:
        if self.random.random() >= self.madness:
            low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 100)
            return self.random.choice([low, min(high, low + 1), high])
        return self.random.choice(NUMBERS)

    def text(self, shape: Shape) -> str:
        if "enum" in shape.metadata and self.random.random() >= self.madness:
            return str(self.random.choice(shape.metadata["enum"]))
        return self.random.choice(NAMES if self.random.random() >= 4 * self.madness else TEXTS)

    def write(self, operation: OperationModel, protocol: str, members: dict[str, Any]) -> Any:
        """Return method, path, query, headers and body in a protocol."""
        if protocol == "query":
            form = {"Action": operation.name, "Version": self.service.model.api_version, **flatten(members)}
            return "POST", "/", "", {"content-type": "application/x-www-form-urlencoded"}, encode(form).encode()
        if protocol == "json":
            target = f"{self.service.model.metadata['targetPrefix']}.{operation.name}"
            headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": target}
            return "POST", "/", "", headers, json.dumps(members).encode()
        if protocol == "smithy-rpc-v2-cbor":
            path = f"/service/{self.service.model.metadata['targetPrefix']}/operation/{operation.name}"
            return "POST", path, "", {"smithy-protocol": "rpc-v2-cbor"}, cbor2.dumps(without_surrogates(members))
        return self.write_rest(operation, members)

    def write_rest(self, operation: OperationModel, members: dict[str, Any]) -> Any:
        path, _, query = operation.http["requestUri"].partition("?")
        parameters, headers, in_body, body = {}, {}, {}, b""
        shapes = operation.input_shape.members if operation.input_shape else {}
        for name, value in members.items():
            member = shapes.get(name)
            location = member.serialization.get("location") if member is not None else None
            known = member.serialization.get("name", name) if member is not None else name
            if location == "uri":
                text = percent(str(value))
                path = path.replace("{" + known + "}", text).replace("{" + known + "+}", text.replace("%2F", "/"))
            elif location == "querystring":
                parameters[known] = str(value)
            elif location == "header":
                headers[known.lower()] = clean(str(value))
            elif location == "headers" and isinstance(value, dict):
                headers.update({f"{known}{percent(str(key))}".lower(): clean(str(item)) for key, item in value.items()})
            elif member is not None and name == operation.input_shape.serialization.get("payload"):
                body = self.payload(value, known)
            else:
                in_body[known] = value
        if in_body:
            body = self.payload(in_body, "Document")
        joined = "&".join(part for part in (query, encode(parameters)) if part)
        return operation.http["method"], path or "/", joined, headers, body

    def payload(self, value: Any, name: str) -> bytes:
        if isinstance(value, str):
            return value.encode(errors="replace")
        if self.service.name == "s3":
            return f"<{name}>{to_xml(value)}</{name}>".encode(errors="replace")
        return json.dumps(value).encode()

    def damage(self, body: bytes) -> bytes:
        """Return the same with some bytes changed, removed or repeated."""
        if not body:
            return self.random.choice(
                [b"", b"{", b"<a", b"\xff\xfe", b"\xbf" * 200, b"[" * 5000, b"null", b'"x"', b"\x9f" * 9000]
            )
        position = self.random.randrange(len(body))
        choice = self.random.random()
        if choice < 0.4:
            return body[:position] + bytes([self.random.randrange(256)]) + body[position + 1 :]
        if choice < 0.7:
            return body[:position]
        return body[:position] + body[position : position + 30] * self.random.choice([2, 50]) + body[position:]

    def sign(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes, now: str) -> HttpRequest:
        service = SIGNING_NAMES.get(self.service.name, self.service.name)
        digest = sha256(body).hexdigest()
        headers = {**headers, "host": "127.0.0.1:4900", "x-amz-date": now, "content-length": str(len(body))}
        if service == "s3":
            headers["x-amz-content-sha256"] = self.random.choice([digest] * 8 + ["UNSIGNED-PAYLOAD", "nonsense"])
            digest = headers["x-amz-content-sha256"]
        names = tuple(sorted(name for name in headers if ";" not in name and "," not in name))
        claim = SignatureClaim(ROOT_KEY, now[:8], "us-east-1", service, now, 0.0, names, "", None, None)
        request = HttpRequest(method, path, query, headers)
        signature = sign(string_to_sign(claim, canonical_request(request, claim, digest)), claim, ROOT_SECRET)
        credential = f"{ROOT_KEY}/{claim.scope}"
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        return request


def scope_of(request: HttpRequest) -> dict[str, Any]:
    """Return the ASGI scope of a request."""
    return {
        "type": "http",
        "method": request.method,
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": request.query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in request.headers.items()],
    }


def flatten(value: Any, prefix: str = "") -> dict[str, str]:
    """Flatten to dotted names, as in the query protocol."""
    if isinstance(value, dict):
        items: Any = value.items()
    elif isinstance(value, list):
        items = [(f"member.{index}", item) for index, item in enumerate(value, 1)]
    else:
        return {prefix: str(value)}
    flat: dict[str, str] = {}
    for name, item in items:
        flat.update(flatten(item, f"{prefix}.{name}" if prefix else str(name)))
    return flat


def to_xml(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(
            to_xml([{name: part} for part in item])
            if isinstance(item, list)
            else f"<{tag(name)}>{to_xml(item)}</{tag(name)}>"
            for name, item in value.items()
        )
    if isinstance(value, list):
        return "".join(to_xml(item) for item in value)
    return str(value).replace("&", "&amp;").replace("<", "&lt;")


def tag(name: str) -> str:
    return "".join(letter for letter in name if letter.isalnum()) or "x"


def without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
    return [without_surrogates(item) for item in value] if isinstance(value, list) else value


def clean(text: str) -> str:
    """Return a text as an HTTP parser passes it on."""
    return "".join(letter for letter in without_surrogates(text) if letter >= " ").strip()


def percent(text: str) -> str:
    return quote(without_surrogates(text), safe="")


def encode(pairs: dict[str, str]) -> str:
    return "&".join(f"{percent(name)}={percent(value)}" for name, value in pairs.items())
