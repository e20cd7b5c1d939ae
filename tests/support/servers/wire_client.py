"""A client that signs like botocore but writes raw requests, so that it can also send invalid ones."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.servers.endpoint import ROOT_KEY, ROOT_SECRET

TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Reply:
    """The response."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Signer(S3SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """Signs the given x-amz-content-sha256."""

    def payload(self, request: Any) -> str:
        return str(request.headers.get("X-Amz-Content-SHA256") or super().payload(request))

    def _modify_request_before_signing(self, request: Any) -> None:
        SigV4Auth._modify_request_before_signing(self, request)
        if "X-Amz-Content-SHA256" not in request.headers:
            request.headers["X-Amz-Content-SHA256"] = self.payload(request)


def sign(
    method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b"", service: str = "s3"
) -> dict[str, str]:
    """Return the headers of a signed request."""
    request = AWSRequest(method, url, headers=headers or {}, data=body)
    signer = _Signer if service == "s3" else SigV4Auth
    signer(Credentials(ROOT_KEY, ROOT_SECRET), service, "us-east-1").add_auth(request)
    found = {name: value if isinstance(value, str) else value.decode() for name, value in request.headers.items()}
    return {"Host": urlsplit(url).netloc, **found}


def send(
    method: str,
    url: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    service: str = "s3",
    pieces: Iterable[bytes] | None = None,
) -> Reply:
    """Sign and send; `pieces` are written in place of the body, and the connection is half-closed after them."""
    signed = sign(method, url, headers, body, service)
    if pieces is None:
        signed.setdefault("Content-Length", str(len(body)))
    return exchange(method, url, signed, [body] if pieces is None else pieces)


def exchange(method: str, url: str, headers: dict[str, str], pieces: Iterable[bytes]) -> Reply:
    """Write one request and read its reply."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target or '/'} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if not any(name.lower() == "connection" for name in headers):
        lines.append("Connection: close")
    with socket.create_connection(("127.0.0.1", parts.port), TIMEOUT_SECONDS) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        for piece in pieces:
            connection.sendall(piece)
        return read_reply(connection, method)


def read_reply(connection: socket.socket, method: str = "GET") -> Reply:
    """Read the reply up to the end of the connection, without interim responses."""
    chunks = []
    while chunk := connection.recv(1 << 18):
        chunks.append(chunk)
    head, _, body = b"".join(chunks).partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        head, _, body = body.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Reply(int(first.split()[1]), headers, body)


def chunked(
    data: list[bytes],
    headers: dict[str, str],
    trailers: dict[str, str] | None = None,
    is_signed: bool = True,
) -> bytes:
    """Return an aws-chunked body whose chunks are signed in a chain that begins with the request's signature."""
    from lowcloud.api.aws.auth.signature_v4 import EMPTY_SHA256, read_claim
    from lowcloud.api.aws.auth.signature_v4 import sign as sign_text
    from lowcloud.api.http.messages import HttpRequest

    claim = read_claim(HttpRequest("PUT", "/", "", {name.lower(): value for name, value in headers.items()}))
    assert claim is not None
    previous, out = claim.signature, b""

    def next_signature(kind: str, what: str) -> str:
        text = f"AWS4-HMAC-SHA256-{kind}\n{claim.timestamp}\n{claim.scope}\n{previous}\n{what}"
        return sign_text(text, claim, ROOT_SECRET)

    for chunk in [*data, b""]:
        out += f"{len(chunk):x}".encode()
        if is_signed:
            previous = next_signature("PAYLOAD", f"{EMPTY_SHA256}\n{sha256(chunk).hexdigest()}")
            out += f";chunk-signature={previous}".encode()
        out += b"\r\n" + chunk + (b"\r\n" if chunk else b"")
    for name, value in (trailers or {}).items():
        out += f"{name}:{value}\r\n".encode()
    if trailers and is_signed:
        lines = "".join(f"{name}:{value}\n" for name, value in trailers.items())
        out += f"x-amz-trailer-signature:{next_signature('TRAILER', sha256(lines.encode()).hexdigest())}\r\n".encode()
    return out + b"\r\n"
