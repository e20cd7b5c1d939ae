"""Values on their way to PostgreSQL and back, where psycopg and SQLite differ.

PostgreSQL's text holds every character but NUL. Here NUL becomes two characters, U+0001 U+0001, and U+0001 becomes
U+0001 U+0002: order, prefixes and equality of texts stay what they are. Sums of integers come back as integers.
"""

import re
from typing import Any

from psycopg import Connection
from psycopg.adapt import Buffer, Loader
from psycopg.types.string import StrDumperUnknown, TextLoader

NUL, ESCAPE = "\0", "\1"
ENCODED = {NUL: "\1\1", ESCAPE: "\1\2"}
DECODED = {code: character for character, code in ENCODED.items()}


def register(connection: Connection[Any]) -> None:
    """Have a connection treat values so."""
    connection.adapters.register_dumper(str, AnyText)
    for kind in ("text", "varchar"):
        connection.adapters.register_loader(kind, AnyTextLoader)
    connection.adapters.register_loader("numeric", NumberLoader)


class AnyText(StrDumperUnknown):
    """Text that may hold NUL."""

    def dump(self, obj: str) -> Buffer | None:
        """Its bytes for PostgreSQL."""
        return super().dump(encode(obj))


class AnyTextLoader(TextLoader):
    """Text that `AnyText` has written."""

    def load(self, data: Buffer) -> bytes | str:
        """The text as it was."""
        text = super().load(data)
        return decode(text) if isinstance(text, str) else text


class NumberLoader(Loader):
    """Sums and means, which are of no type that a column here has."""

    def load(self, data: Buffer) -> int | float:
        """An int where it is whole."""
        text = bytes(data)
        return int(text) if text.lstrip(b"-").isdigit() else float(text)


def encode(text: str) -> str:
    """Text without NUL, that stands for any text."""
    if NUL not in text and ESCAPE not in text:
        return text
    return re.sub("[\0\1]", lambda found: ENCODED[found[0]], text)


def decode(text: str) -> str:
    """The text that `encode` was given."""
    if ESCAPE not in text:
        return text
    return re.sub("\1[\1\2]", lambda found: DECODED[found[0]], text)
