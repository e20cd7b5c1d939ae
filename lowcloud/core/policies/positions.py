"""Where the parts of a document are in its text, for answers that point at them."""

import json
import re
from dataclasses import dataclass

Path = tuple[str | int, ...]  # from the document to one of its values: ("Statement", 0, "Action")

MAX_DEPTH = 16

_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True)
class Position:
    """One place of a text. Lines count from 1, columns and offsets from 0."""

    line: int
    column: int
    offset: int


@dataclass(frozen=True)
class Span:
    """The text of one value, from its first character to the one after its last."""

    start: Position
    end: Position


class Positions:
    """The places of all values of a JSON text."""

    def __init__(self, text: str):
        """Read a text that json.loads accepts. What is deeper than any element of a policy has the place around it."""
        self._text = text
        self._offsets: dict[Path, tuple[int, int]] = {}
        self._read(self._after_blank(0), ())

    def of(self, path: Path) -> Span:
        """Return where the value of a path is, or the closest value around it."""
        while path not in self._offsets:
            path = path[:-1]
        start, end = self._offsets[path]
        return Span(self.at(start), self.at(end))

    def of_statement(self, number: int) -> Span:
        """Return where a policy's statement is; a policy may have one without a list."""
        return self.of(("Statement", number))

    def at(self, offset: int) -> Position:
        """Return a place by the number of characters before it."""
        return position_of(self._text, offset)

    def _read(self, start: int, path: Path) -> int:
        """Note where the values from `start` on are, and return the offset after them."""
        opening = self._text[start]
        if opening not in "{[" or len(path) == MAX_DEPTH:
            _, end = _DECODER.raw_decode(self._text, start)
        else:
            end = self._read_items(start, path, "}" if opening == "{" else "]")
        self._offsets[path] = start, end
        return end

    def _read_items(self, start: int, path: Path, closing: str) -> int:
        at, number = self._after_blank(start + 1), 0
        while self._text[at] != closing:
            key: str | int = number
            if closing == "}":
                key, at = _DECODER.raw_decode(self._text, at)
                at = self._after_blank(self._after_blank(at) + 1)  # after the colon
            at = self._after_blank(self._read(at, (*path, key)))
            if self._text[at] == ",":
                at = self._after_blank(at + 1)
            number += 1
        return at + 1

    def _after_blank(self, offset: int) -> int:
        match = _BLANK.match(self._text, offset)
        assert match is not None
        return match.end()


def position_of(text: str, offset: int) -> Position:
    """Return a place of a text by the number of characters before it."""
    return Position(text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1), offset)
