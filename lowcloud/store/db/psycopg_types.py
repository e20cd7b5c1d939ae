"""Conversion of values to and from PostgreSQL, where psycopg and SQLite differ.

PostgreSQL's text cannot contain NUL. Here NUL becomes two characters, U+0001 U+0001, and U+0001 becomes
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
    """Register these conversions with a connection."""
    connection.adapters.register_dumper(str, TextDumper)
    for kind in ("text", "varchar"):
        connection.adapters.register_loader(kind, TextWithNulLoader)
    connection.adapters.register_loader("numeric", NumberLoader)


class TextDumper(StrDumperUnknown):
    """Dumps text that may contain NUL."""

    def dump(self, obj: str) -> Buffer | None:
        """Return the text's bytes for PostgreSQL."""
        return super().dump(encode(obj))


class TextWithNulLoader(TextLoader):
    """Loads text that `TextDumper` has written."""

    def load(self, data: Buffer) -> bytes | str:
        """Return the original text."""
        text = super().load(data)
        return decode(text) if isinstance(text, str) else text


class NumberLoader(Loader):
    """Loads sums and means, which PostgreSQL returns as numeric."""

    def load(self, data: Buffer) -> int | float:
        """Return an int for a whole number, otherwise a float."""
        text = bytes(data)
        return int(text) if text.lstrip(b"-").isdigit() else float(text)


def encode(text: str) -> str:
    """Encode text so that it contains no NUL."""
    if NUL not in text and ESCAPE not in text:
        return text
    return re.sub("[\0\1]", lambda found: ENCODED[found[0]], text)


def decode(text: str) -> str:
    """Undo `encode`."""
    if ESCAPE not in text:
        return text
    return re.sub("\1[\1\2]", lambda found: DECODED[found[0]], text)
