"""One HTTP exchange as the dialect sees it: the request's head, the answer, and the identifiers of both."""

import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, unquote_plus

Content = bytes | Iterator[bytes] | AsyncIterator[bytes]


def new_request_id() -> str:
    """Random, in the form of a UUID."""
    text = secrets.token_hex(16)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """The head of a request. `path` and `query` are as the client sent them, percent-encoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]  # names in lower case, repeated ones joined by commas
    id: str = field(default_factory=new_request_id)

    @property
    def host(self) -> str:
        return self.headers.get("host", "")


@dataclass(slots=True)
class HttpResponse:
    """An answer; a body that is an iterator is sent as it comes."""

    status: int
    headers: dict[str, str]
    body: Content = b""


class MalformedUrlError(ValueError):
    """A percent-encoded part of the URL is not UTF-8."""


def request_head(scope: Mapping[str, Any]) -> HttpRequest:
    """The head of an ASGI HTTP scope."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), _text(raw_value)
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    raw_path = scope.get("raw_path") or scope["path"].encode()
    return HttpRequest(scope["method"], _text(raw_path), _text(scope["query_string"]), headers)


def decode(text: str) -> str:
    """Undo percent-encoding. Raises MalformedUrlError."""
    if "%" not in text:
        return text
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise MalformedUrlError(f"{text!r} does not decode as UTF-8.") from error


def query_pairs(query: str) -> Iterable[tuple[str, str]]:
    """The decoded (name, value) pairs of a query string or a form, in their order. Raises MalformedUrlError."""
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            yield _decode_form(name), _decode_form(value)


def _decode_form(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError as error:
        raise MalformedUrlError(f"{text!r} does not decode as UTF-8.") from error


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
