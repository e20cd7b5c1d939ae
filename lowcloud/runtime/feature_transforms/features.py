"""What a fitted transform makes of each column: numbers in a row of the model's input.

Every kind of feature says how many numbers it gives (`names`), gives those of one row (`emitter`, plain Python: a call
into numpy would cost more than the sum) and those of many rows (`block`), to the same bit.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import nan
from typing import Any, Protocol
from zlib import crc32

import numpy as np

from lowcloud.runtime.feature_transforms.cells import Numbers, Texts, Value, Vector

Row = Sequence[Value]
Table = dict[str | None, list[float]]
Emit = Callable[[Row, list[float]], None]  # appends a row's numbers


class Feature(Protocol):
    """One column's part in the output."""

    @property
    def column(self) -> str: ...

    @property
    def names(self) -> tuple[str, ...]:
        """Of the numbers that it gives."""

    def emitter(self, place: int) -> Emit:
        """The function that appends the numbers of a row, whose column stands at `place`."""

    def block(self, column: Vector) -> Numbers:
        """The numbers of many rows, (rows, names)."""


@dataclass(frozen=True)
class Scaled:
    """(x limited to low..high, filled where missing, - shift) / scale; and whether it was missing, if asked for."""

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

    def emitter(self, place: int) -> Emit:
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        fill = nan if self.fill is None else (self.fill - self.shift) / self.scale
        shift, scale, indicator = self.shift, self.scale, self.indicator

        def emit(row: Row, out: list[float]) -> None:
            x: float = row[place]  # type: ignore[assignment]
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
        """The column within low..high."""
        if self.low is None or self.high is None:
            return column
        return np.clip(column, self.low, self.high)


@dataclass(frozen=True)
class OneHot:
    """A number for each level of a text, 1 for the row's own; `other` is one more for every other level."""

    column: str
    levels: tuple[str | None, ...]  # None is the missing value, where that is a level
    fill: str | None = None  # what a missing text becomes
    other: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        named = tuple(f"{self.column}={'(missing)' if level is None else level}" for level in self.levels)
        return (*named, f"{self.column}=(other)") if self.other else named

    def emitter(self, place: int) -> Emit:
        return _emit_text(self._table(), self._unknown(), self.fill, place)

    def block(self, column: Vector) -> Numbers:
        return _block_text(self._table(), self._unknown(), self.fill, column)

    def _table(self) -> dict[str | None, list[float]]:
        width = len(self.names)
        return {level: [float(i == place) for i in range(width)] for place, level in enumerate(self.levels)}

    def _unknown(self) -> list[float]:
        return [*[0.0] * len(self.levels), *([1.0] if self.other else [])]


@dataclass(frozen=True)
class Lookup:
    """Numbers that stand for each level of a text: its place (ordinal), or means of the target (target encoding)."""

    column: str
    names: tuple[str, ...]
    levels: tuple[str | None, ...]
    values: tuple[tuple[float, ...], ...]  # of each level
    unknown: tuple[float, ...]
    fill: str | None = None

    def emitter(self, place: int) -> Emit:
        return _emit_text(self._table(), list(self.unknown), self.fill, place)

    def block(self, column: Vector) -> Numbers:
        return _block_text(self._table(), list(self.unknown), self.fill, column)

    def _table(self) -> dict[str | None, list[float]]:
        return {level: list(values) for level, values in zip(self.levels, self.values, strict=True)}


@dataclass(frozen=True)
class Hashed:
    """`buckets` numbers, 1 in the bucket that the text's CRC-32 falls into; a missing text has none."""

    column: str
    buckets: int
    fill: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.column}#{bucket}" for bucket in range(self.buckets))

    def emitter(self, place: int) -> Emit:
        encode = self._encode

        def emit(row: Row, out: list[float]) -> None:
            out.extend(encode(row[place]))  # type: ignore[arg-type]

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


KINDS: dict[str, type[Any]] = {"scaled": Scaled, "one_hot": OneHot, "lookup": Lookup, "hashed": Hashed}


def to_document(feature: Feature) -> dict[str, Any]:
    """The feature as plain JSON."""
    kind = next(name for name, kind in KINDS.items() if isinstance(feature, kind))
    return {"kind": kind, **asdict(feature)}  # type: ignore[call-overload]


def from_document(document: dict[str, Any]) -> Feature:
    """What `to_document` wrote. Raises KeyError, TypeError and ValueError where it is something else."""
    fields = {name: _frozen(value) for name, value in document.items() if name != "kind"}
    feature: Feature = KINDS[document["kind"]](**fields)
    if not feature.names or any(not isinstance(name, str) for name in (feature.column, *feature.names)):
        raise ValueError(f"The feature of column {feature.column!r} has no names.")
    return feature


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _emit_text(table: Table, unknown: list[float], fill: str | None, place: int) -> Emit:
    if fill is not None:
        table = {**table, None: table.get(fill, unknown)}
    look = table.get

    def emit(row: Row, out: list[float]) -> None:
        out.extend(look(row[place], unknown))  # type: ignore[arg-type]

    return emit


def _block_text(table: Table, unknown: list[float], fill: str | None, column: Vector) -> Numbers:
    assert isinstance(column, Texts)
    if fill is not None:
        table = {**table, None: table.get(fill, unknown)}
    return column.map(lambda level: table.get(level, unknown))
