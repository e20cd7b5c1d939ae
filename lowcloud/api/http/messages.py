"""The head of an HTTP request and an HTTP response, independent of the HTTP server."""

import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Content = bytes | Iterator[bytes] | AsyncIterator[bytes]


def new_request_id() -> str:
    """Return a random request id in the form of a UUID."""
    text = secrets.token_hex(16)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """The head of a request. `path` and `query` are as the client sent them, percent-encoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]  # names in lower case, repeated ones joined by commas
    client: str = ""  # the address of the other end of the connection; "": a socket without one
    is_secure: bool = False  # over TLS
    id: str = field(default_factory=new_request_id)

    @property
    def host(self) -> str:
        return self.headers.get("host", "")


@dataclass(slots=True)
class HttpResponse:
    """A response; a body that is an iterator is streamed."""

    status: int
    headers: dict[str, str]
    body: Content = b""


def request_head(scope: Mapping[str, Any]) -> HttpRequest:
    """Return the head of an ASGI HTTP scope."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), _text(raw_value)
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    raw_path = scope.get("raw_path") or scope["path"].encode()
    client = (scope.get("client") or ("",))[0]
    is_secure = scope.get("scheme") == "https"
    return HttpRequest(scope["method"], _text(raw_path), _text(scope["query_string"]), headers, client, is_secure)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
