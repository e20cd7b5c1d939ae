"""Percent-decoding of paths and query strings, strict about UTF-8."""

from collections.abc import Iterable
from urllib.parse import unquote, unquote_plus


class MalformedUrlError(ValueError):
    """A percent-encoded part of the URL is not UTF-8."""


def decode(text: str) -> str:
    """Undo percent-encoding. Raises MalformedUrlError."""
    if "%" not in text:
        return text
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise MalformedUrlError(f"{text!r} does not decode as UTF-8.") from error


def query_pairs(query: str) -> Iterable[tuple[str, str]]:
    """Yield the decoded (name, value) pairs of a query string or a form, in order. Raises MalformedUrlError."""
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
