"""Columns of a raw table into values: which kind each is, and its numbers or texts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms.cells import BLANKS, BOOLEANS, NUMBER, Numbers, Rules, Texts, Vector

SAMPLE = 200  # distinct cells that are looked at before a whole column is read as times
CODE = r"^[+-]?0[0-9]"  # a number that begins so is a code, such as a postcode


@dataclass(frozen=True)
class Column:
    """One raw column: its kind and values, and how many of its cells could not be read as that kind."""

    name: str
    kind: str
    values: Vector
    unreadable: int = 0


def read(series: pl.Series, rules: Rules, kind: str | None, tolerance: float) -> Column:
    """The column of a series; `kind` None guesses it. Raises ClientError for types that have no values of ours."""
    found = _known(series)
    if found is None:
        return _read_texts(series.cast(pl.String), rules, kind, tolerance)
    own, numbers = found
    if kind == "text":
        return _read_texts(_written(series), rules, kind, tolerance)
    kept = {"number": "number", "time": "time", "boolean": "boolean"}[kind or own]
    return Column(series.name, kept, np.where(np.isfinite(numbers), numbers, np.nan))


def _known(series: pl.Series) -> tuple[str, Numbers] | None:
    """Kind and numbers of a series of a parquet type that is no text."""
    kind = series.dtype
    if kind in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        return None
    if kind.is_numeric() or kind == pl.Boolean:
        numbers = series.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
        return ("boolean" if kind == pl.Boolean else "number"), numbers
    if kind in (pl.Date, pl.Datetime):
        micros = series.cast(pl.Datetime("us")).to_physical()
        return "time", micros.cast(pl.Float64).fill_null(np.nan).to_numpy() / 1e6
    raise ClientError(
        f"Column {series.name!r} holds {kind}, which is not read here. Convert it, or leave it out with drop."
    )


def _written(series: pl.Series) -> pl.Series:
    """A series of numbers, booleans or times as the texts that a row of a request would be read from."""
    if not series.dtype.is_float():
        return series.cast(pl.String)
    distinct = series.unique().drop_nulls()
    return series.replace_strict(distinct, [str(x) for x in distinct], default=None, return_dtype=pl.String)


def _read_texts(series: pl.Series, rules: Rules, kind: str | None, tolerance: float) -> Column:
    if kind in (None, "number"):
        numbers, filled, bad = _numbers(series, rules)
        is_code = kind is None and bool(series.str.strip_chars(BLANKS).str.contains(CODE).any())
        if kind == "number" or (filled and bad <= tolerance * filled and not is_code):
            return Column(series.name, "number", numbers, bad)
    texts = _texts(series, rules)
    if kind in (None, "boolean") and (kind or _are_booleans(texts)):
        return _mapped(series.name, "boolean", texts, rules)
    if kind == "time" or (kind is None and _look_like_times(texts, rules)):
        times = _mapped(series.name, "time", texts, rules)
        filled = sum(level is not None for level in texts.levels)
        if kind == "time" or times.unreadable <= tolerance * filled:
            return times
    return Column(series.name, "text", texts)


def _numbers(series: pl.Series, rules: Rules) -> tuple[Numbers, int, int]:
    """The numbers of texts, how many cells are not missing, and how many of these are no number.

    polars reads the bulk; what it does not take is read as a request's cell is, so both give the same.
    """
    texts = series.str.strip_chars(BLANKS)
    is_missing = texts.is_null() | (texts == "") | texts.is_in(list(rules.missing_words))
    texts = texts.set(is_missing, None)
    numbers = texts.cast(pl.Float64, strict=False)
    numbers = numbers.set(~numbers.is_finite(), None)
    left = numbers.is_null() & texts.is_not_null()
    if left.any():
        read = rules.reader("number")
        distinct = texts.filter(left).unique()
        again = texts.replace_strict(distinct, [read(text) for text in distinct], default=None, return_dtype=pl.Float64)
        numbers = numbers.zip_with(~left, again)
    found = numbers.fill_null(np.nan).to_numpy()
    return found, int((~is_missing).sum()), int((np.isnan(found) & left.to_numpy()).sum())


def _texts(series: pl.Series, rules: Rules) -> Texts:
    texts = series.str.strip_chars(BLANKS) if rules.trim else series
    texts = texts.set((texts == "") | texts.is_in(list(rules.missing_words)), None)
    levels = texts.unique().drop_nulls().sort()
    codes = texts.replace_strict(levels, np.arange(len(levels)), default=len(levels), return_dtype=pl.Int64)
    has_missing = bool(texts.null_count())
    return Texts(codes.to_numpy(), (*levels.to_list(), *([None] if has_missing else [])))


def _are_booleans(texts: Texts) -> bool:
    words = {level.lower() for level in texts.levels if level is not None}
    return len(words) == 2 and words <= BOOLEANS.keys()


def _look_like_times(texts: Texts, rules: Rules) -> bool:
    words = [level for level in texts.levels if level is not None][:SAMPLE]
    read = rules.reader("time")
    wrong = sum(np.isnan(read(word)) for word in words)
    return bool(words) and wrong <= len(words) // 50 and not all(map(NUMBER.fullmatch, words))


def _mapped(name: str, kind: str, texts: Texts, rules: Rules) -> Column:
    """The numbers of texts that are read level by level."""
    values = texts.map(rules.reader(kind)) if len(texts) else np.empty(0)
    given = texts.map(lambda level: level is not None) if len(texts) else np.empty(0)
    return Column(name, kind, values, int((np.isnan(values) & (given == 1)).sum()))


def length(columns: Mapping[str, Vector]) -> int:
    """The rows of a table."""
    return len(next(iter(columns.values()), ()))
