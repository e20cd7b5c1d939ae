"""The features of a fitted transform: the numbers computed from each column.

Every kind of feature has the `names` of its numbers, computes those of one row (`emitter`, in plain Python, which is
faster than numpy for one row) and those of many rows (`block`), bitwise identically.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import nan
from typing import Any, Protocol
from zlib import crc32

import numpy as np

from lowcloud.runtime.feature_transforms.cells import Numbers, Texts, Value, Vector

RowValues = Sequence[Value]
LevelTable = dict[str | None, list[float]]
Emit = Callable[[RowValues, list[float]], None]  # appends a row's numbers


class Feature(Protocol):
    """The output columns computed from one column."""

    @property
    def column(self) -> str: ...

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the output columns."""

    def emitter(self, position: int) -> Emit:
        """Return a function that appends the numbers of a row, with the column at `position`."""

    def block(self, column: Vector) -> Numbers:
        """Compute the numbers of many rows, (rows, names)."""


@dataclass(frozen=True)
class Scaled:
    """(x - shift) / scale, with x clipped to low..high and missing values filled; optionally a missing indicator."""

    column: str
    low: float | None = None
    high: float | None = None
    fill: float | None = None  # None: stays missing, NaN
    indicator: bool = False
    shift: float = 0.0
    scale: float = 1.0

    @property
    def names(self) -> tuple[str, ...]:
        return (self.column, f"{self.column} is missing") if self.indicator else (self.column,)

    def emitter(self, position: int) -> Emit:
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        fill = nan if self.fill is None else (self.fill - self.shift) / self.scale
        shift, scale, indicator = self.shift, self.scale, self.indicator

        def emit(row: RowValues, out: list[float]) -> None:
            x: float = row[position]  # type: ignore[assignment]
            if x != x:
                out.append(fill)
                if indicator:
                    out.append(1.0)
                return
            out.append(((low if x < low else high if x > high else x) - shift) / scale)
            if indicator:
                out.append(0.0)

        return emit

    def block(self, column: Vector) -> Numbers:
        assert not isinstance(column, Texts)
        missing = np.isnan(column)
        x = np.where(missing, nan if self.fill is None else self.fill, self.limit(column))
        x = (x - self.shift) / self.scale
        return np.column_stack([x, missing]) if self.indicator else x[:, None]

    def limit(self, column: Numbers) -> Numbers:
        """Clip the column to low..high."""
        if self.low is None or self.high is None:
            return column
        return np.clip(column, self.low, self.high)


@dataclass(frozen=True)
class OneHot:
    """One column per level of a text, which is 1 for rows with that level; `other` adds one for all other levels."""

    column: str
    levels: tuple[str | None, ...]  # None is the missing value, if that is a level
    fill: str | None = None  # replaces a missing text
    other: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        names = tuple(f"{self.column}={'(missing)' if level is None else level}" for level in self.levels)
        return (*names, f"{self.column}=(other)") if self.other else names

    def emitter(self, position: int) -> Emit:
        return _emit_text(self._table(), self._unknown(), self.fill, position)

    def block(self, column: Vector) -> Numbers:
        return _block_text(self._table(), self._unknown(), self.fill, column)

    def _table(self) -> dict[str | None, list[float]]:
        width = len(self.names)
        return {level: [float(i == position) for i in range(width)] for position, level in enumerate(self.levels)}

    def _unknown(self) -> list[float]:
        return [*[0.0] * len(self.levels), *([1.0] if self.other else [])]


@dataclass(frozen=True)
class Lookup:
    """Numbers for each level of a text: its index (ordinal), or means of the target (target encoding)."""

    column: str
    names: tuple[str, ...]
    levels: tuple[str | None, ...]
    values: tuple[tuple[float, ...], ...]  # of each level
    unknown: tuple[float, ...]
    fill: str | None = None

    def emitter(self, position: int) -> Emit:
        return _emit_text(self._table(), list(self.unknown), self.fill, position)

    def block(self, column: Vector) -> Numbers:
        return _block_text(self._table(), list(self.unknown), self.fill, column)

    def _table(self) -> dict[str | None, list[float]]:
        return {level: list(values) for level, values in zip(self.levels, self.values, strict=True)}


@dataclass(frozen=True)
class Hashed:
    """`buckets` columns, with 1 in the bucket given by the text's CRC-32, and only zeros for a missing text."""

    column: str
    buckets: int
    fill: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.column}#{bucket}" for bucket in range(self.buckets))

    def emitter(self, position: int) -> Emit:
        encode = self._encode

        def emit(row: RowValues, out: list[float]) -> None:
            out.extend(encode(row[position]))  # type: ignore[arg-type]

        return emit

    def block(self, column: Vector) -> Numbers:
        assert isinstance(column, Texts)
        return column.map(self._encode)

    def _encode(self, text: str | None) -> list[float]:
        numbers = [0.0] * self.buckets
        text = self.fill if text is None else text
        if text is not None:
            numbers[crc32(text.encode("utf-8", "surrogatepass")) % self.buckets] = 1.0
        return numbers


FEATURE_KINDS: dict[str, type[Any]] = {"scaled": Scaled, "one_hot": OneHot, "lookup": Lookup, "hashed": Hashed}


def to_document(feature: Feature) -> dict[str, Any]:
    """Return the feature as plain JSON."""
    kind = next(name for name, kind in FEATURE_KINDS.items() if isinstance(feature, kind))
    return {"kind": kind, **asdict(feature)}  # type: ignore[call-overload]


def from_document(document: dict[str, Any]) -> Feature:
    """Return the feature from the JSON of to_document. Raises KeyError, TypeError and ValueError if it is invalid."""
    fields = {name: _frozen(value) for name, value in document.items() if name != "kind"}
    feature: Feature = FEATURE_KINDS[document["kind"]](**fields)
    if not feature.names or any(not isinstance(name, str) for name in (feature.column, *feature.names)):
        raise ValueError(f"The feature of column {feature.column!r} has no names.")
    return feature


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _emit_text(table: LevelTable, unknown: list[float], fill: str | None, position: int) -> Emit:
    if fill is not None:
        table = {**table, None: table.get(fill, unknown)}
    look = table.get

    def emit(row: RowValues, out: list[float]) -> None:
        out.extend(look(row[position], unknown))  # type: ignore[arg-type]

    return emit


def _block_text(table: LevelTable, unknown: list[float], fill: str | None, column: Vector) -> Numbers:
    assert isinstance(column, Texts)
    if fill is not None:
        table = {**table, None: table.get(fill, unknown)}
    return column.map(lambda level: table.get(level, unknown))
