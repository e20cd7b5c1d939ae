"""Pages of a list that is read whole: the token of a page is the number of items before it."""

from collections.abc import Sequence
from typing import TypeVar

from lowcloud.core.errors import InvalidPageTokenError

DIGITS_LIMIT = 9

Item = TypeVar("Item")


def page_of(items: Sequence[Item], token: str | None, limit: int) -> tuple[Sequence[Item], str | None]:
    """Return a page and the token of the next one (None: this is the last one). Raises InvalidPageTokenError."""
    start, end = _read(token), _read(token) + limit
    return items[start:end], str(end) if end < len(items) else None


def _read(token: str | None) -> int:
    if token is None:
        return 0
    if not (token.isascii() and token.isdecimal() and len(token) <= DIGITS_LIMIT):
        raise InvalidPageTokenError("The token is not one of this list.")
    return int(token)
