"""Converts columns of a raw table to values: detects their kinds, and parses numbers, times, booleans and texts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms import times
from lowcloud.runtime.feature_transforms.cells import NUMBER, Numbers, ReadingRules, Texts, Vector
from lowcloud.schemas.tables import BLANKS, CODE, DATE_LIKE, NUMBER_LIKE, OTHER_DATE, TRUTH_PAIRS, TRUTHS

SAMPLE_CELLS = 200  # distinct cells that are checked before a complete column is parsed as times


@dataclass(frozen=True)
class TypedColumn:
    """One raw column: its kind and values, and the number of cells that could not be parsed."""

    name: str
    kind: str
    values: Vector
    unreadable: int = 0


def read(series: pl.Series, rules: ReadingRules, kind: str | None, tolerance: float) -> TypedColumn:
    """Read the column of a series; `kind` None detects it. Raises ClientError for unsupported types."""
    found = _read_typed(series)
    if found is None:
        return _read_texts(series.cast(pl.String), rules, kind, tolerance)
    own, numbers = found
    if kind == "text":
        return _read_texts(_to_texts(series), rules, kind, tolerance)
    kept = {"number": "number", "time": "time", "boolean": "boolean"}[kind or own]
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    is_other = ~np.isin(numbers, (0, 1)) & ~np.isnan(numbers) & (kept == "boolean")
    return TypedColumn(series.name, kept, np.where(is_other, np.nan, numbers), int(is_other.sum()))


def _read_typed(series: pl.Series) -> tuple[str, Numbers] | None:
    """Return kind and numbers of a series with a Parquet type other than text; None for texts."""
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
        f"Column {series.name!r} has type {kind}, which is not supported. Convert it, or leave it out with drop."
    )


def _to_texts(series: pl.Series) -> pl.Series:
    """Convert a series of numbers, booleans or times to texts, as they would be in a request."""
    if not series.dtype.is_float():
        return series.cast(pl.String)
    distinct = series.unique().drop_nulls()
    return series.replace_strict(distinct, [str(x) for x in distinct], default=None, return_dtype=pl.String)


def _read_texts(series: pl.Series, rules: ReadingRules, kind: str | None, tolerance: float) -> TypedColumn:
    if kind in (None, "number"):
        numbers, filled, bad = _numbers(series, rules)
        is_code = kind is None and bool(series.str.strip_chars(BLANKS).str.contains(CODE).any())
        if kind == "number" or (filled and bad <= tolerance * filled and not is_code):
            return TypedColumn(series.name, "number", numbers, bad)
    texts = _texts(series, rules)
    if kind in (None, "boolean") and (kind or _are_booleans(texts)):
        return _parse_levels(series.name, "boolean", texts, rules)
    if kind == "time" or (kind is None and _look_like_times(texts, rules)):
        moments = _parse_levels(series.name, "time", texts, rules)
        filled = sum(level is not None for level in texts.levels)
        if kind == "time" or moments.unreadable <= tolerance * filled:
            _check_offsets(series.name, texts, rules)
            return moments
    if kind is None:
        _check_kind(series, rules)
    return TypedColumn(series.name, "text", texts)


def _numbers(series: pl.Series, rules: ReadingRules) -> tuple[Numbers, int, int]:
    """Return the numbers of texts, the number of cells that are not missing, and how many of them are not numbers.

    polars parses most cells; the others are parsed as a request's cells are, so that both give the same values.
    """
    texts = _cleaned(series, rules)
    numbers = texts.cast(pl.Float64, strict=False)
    numbers = numbers.set(~numbers.is_finite(), None)
    left = numbers.is_null() & texts.is_not_null()
    if left.any():
        read = rules.reader("number")
        distinct = texts.filter(left).unique()
        again = texts.replace_strict(distinct, [read(text) for text in distinct], default=None, return_dtype=pl.Float64)
        numbers = numbers.zip_with(~left, again)
    found = numbers.fill_null(np.nan).to_numpy()
    return found, len(texts) - texts.null_count(), int((np.isnan(found) & left.to_numpy()).sum())


def _cleaned(series: pl.Series, rules: ReadingRules, blanks: str = BLANKS) -> pl.Series:
    """Return texts without blanks around them, null for those that mean a missing value."""
    texts = series.str.strip_chars(blanks)
    return texts.set((texts == "") | texts.is_in(list(rules.missing_words)), None)


def _check_kind(series: pl.Series, rules: ReadingRules) -> None:
    """Raise ClientError for a column of texts of which half look like dates or numbers, as the Python SDK does."""
    texts = _cleaned(series, rules).drop_nulls()
    are_dates = texts.str.contains(OTHER_DATE) | texts.str.contains(DATE_LIKE)
    numbers = texts.cast(pl.Float64, strict=False)
    are_numbers = numbers.is_finite().fill_null(False)
    if are_dates.any() and are_dates.sum() * 2 >= len(texts):
        read = rules.reader("time")
        wrong = next((text for text in texts.unique(maintain_order=True) if np.isnan(read(text))), texts[0])
        kind, word, advice = (
            "a time in the format of date_format (ISO 8601)",
            "time",
            ", pass date_format=%d/%m/%Y",
        )
    elif not are_numbers.all() and texts.str.contains(NUMBER_LIKE).sum() * 2 >= len(texts):
        wrong = texts.filter(~are_numbers)[0]
        kind, word, advice = "a number", "number", ""
    else:
        return
    raise ClientError(
        f"Column {series.name!r}: {wrong[:40]!r} is not {kind}, but at least half of the cells look like one. Correct "
        f"it{advice}, or pass types={series.name}=text, which reads texts, or types={series.name}={word}, with which "
        "such cells are missing values."
    )


def _check_offsets(name: str, texts: Texts, rules: ReadingRules) -> None:
    """Raise ClientError for a column in which some times have a UTC offset and others do not."""
    if rules.date_format:
        return
    examples = {times.has_offset(level): level for level in texts.levels if level is not None}
    if examples.keys() >= {True, False}:
        raise ClientError(
            f"Column {name!r} has times with a UTC offset ({examples[True]}) and without ({examples[False]}). Write "
            "all with their offset, or all without it: then they are in UTC."
        )


def _texts(series: pl.Series, rules: ReadingRules) -> Texts:
    texts = _cleaned(series, rules, BLANKS if rules.trim else "")
    levels = texts.unique().drop_nulls().sort()
    codes = texts.replace_strict(levels, np.arange(len(levels)), default=len(levels), return_dtype=pl.Int64)
    has_missing = bool(texts.null_count())
    return Texts(codes.to_numpy(), (*levels.to_list(), *([None] if has_missing else [])))


def _are_booleans(texts: Texts) -> bool:
    words = [level for level in texts.levels if level is not None]
    lowered = {word.lower() for word in words}
    return bool(words) and (lowered <= TRUTHS.keys() or (lowered in TRUTH_PAIRS and len(words) == 2))


def _look_like_times(texts: Texts, rules: ReadingRules) -> bool:
    words = [level for level in texts.levels if level is not None][:SAMPLE_CELLS]
    read = rules.reader("time")
    wrong = sum(np.isnan(read(word)) for word in words)
    return bool(words) and wrong <= len(words) // 50 and not all(map(NUMBER.fullmatch, words))


def _parse_levels(name: str, kind: str, texts: Texts, rules: ReadingRules) -> TypedColumn:
    """Parse texts level by level to numbers."""
    values = texts.map(rules.reader(kind)) if len(texts) else np.empty(0)
    is_present = texts.map(lambda level: level is not None) if len(texts) else np.empty(0)
    return TypedColumn(name, kind, values, int((np.isnan(values) & (is_present == 1)).sum()))


def length(columns: Mapping[str, Vector]) -> int:
    """Return the number of rows of a table."""
    return len(next(iter(columns.values()), ()))
