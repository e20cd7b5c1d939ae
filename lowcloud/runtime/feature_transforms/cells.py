"""Parses cells of a raw table: numbers and times (NaN is missing), booleans (0, 1, NaN), texts (None is missing).

The same readers are used for a row of a request and for the distinct texts of a column, so both give the same values.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.feature_transforms import times
from lowcloud.schemas import tables
from lowcloud.schemas.tables import BLANKS

NUMBER = re.compile(tables.NUMBER)
BOOLEANS = {word: float(truth) for word, truth in tables.YES_NO.items()}

Numbers = NDArray[np.float64]
Value = float | str | None
Reader = Callable[[Any], Any]


@dataclass(frozen=True)
class Texts:
    """A column of texts: codes (rows,) are indices of the distinct `levels`; the level None is the missing value."""

    codes: NDArray[np.int64]
    levels: Sequence[str | None]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Any) -> "Texts":
        return Texts(self.codes[rows], self.levels)

    def map(self, function: Callable[[str | None], Any]) -> Numbers:
        """Return function(level) of every row, computed once per level: (rows,) or, for sequences, (rows, length)."""
        present, inverse = np.unique(self.codes, return_inverse=True)
        found = np.array([function(self.levels[code]) for code in present], np.float64)
        return found[inverse]


Vector = Numbers | Texts


@dataclass(frozen=True)
class ReadingRules:
    """Rules for parsing cells."""

    missing_words: frozenset[str] = frozenset()
    trim: bool = True
    date_format: str | None = None

    def reader(self, kind: str) -> Reader:
        """Return the function that parses a cell, a text or JSON value, of a column of this kind; it never raises."""
        if kind == "text":
            return self._read_text
        return {"number": self._number, "time": self._time, "boolean": self._boolean}[kind]()

    def is_missing(self, cell: Any) -> bool:
        """Return whether a cell means a missing value; others that cannot be parsed are invalid."""
        if cell.__class__ is not str:
            return cell is None or bool(cell != cell)
        text = cell.strip(BLANKS)
        return not text or text in self.missing_words

    def column(self, kind: str, cells: Sequence[Any]) -> Vector:
        """Parse the cells of one column."""
        read = self.reader(kind)
        if kind != "text":
            return np.array([read(cell) for cell in cells], np.float64)
        values = [read(cell) for cell in cells]
        levels = {value: code for code, value in enumerate(dict.fromkeys(values))}
        return Texts(np.array([levels[value] for value in values], np.int64), tuple(levels))

    def _read_text(self, cell: Any) -> str | None:
        if cell.__class__ is not str:
            if cell is None or cell != cell:
                return None
            cell = str(cell).lower() if cell.__class__ is bool else str(cell)
        if self.trim:
            cell = cell.strip(BLANKS)
        return None if not cell or cell in self.missing_words else cell

    def _number(self) -> Reader:
        words, matches = self.missing_words, NUMBER.fullmatch

        def read(cell: Any) -> float:
            if cell.__class__ is str:
                text = cell.strip(BLANKS)
                if not matches(text) or text in words:
                    return nan
                value = float(text)
                return value if value - value == 0.0 else nan
            return _to_number(cell)

        return read

    def _time(self) -> Reader:
        words, parse = self.missing_words, times.parser(self.date_format)

        def read(cell: Any) -> float:
            if cell.__class__ is not str:
                return _to_number(cell)
            text = cell.strip(BLANKS)
            return nan if not text or text in words else parse(text)

        return read

    def _boolean(self) -> Reader:
        words = self.missing_words

        def read(cell: Any) -> float:
            if cell.__class__ is not str:
                value = _to_number(cell)
                return value if value in (0.0, 1.0) else nan
            text = cell.strip(BLANKS)
            return nan if text in words else BOOLEANS.get(text.lower(), nan)

        return read


def _to_number(cell: Any) -> float:
    """Return a JSON value as a finite number, or NaN."""
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        return nan
    return value if value - value == 0.0 else nan
