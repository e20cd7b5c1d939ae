"""The values of columns: texts become numbers, booleans or times, by the same rules whatever the table's source."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from lowcloud.schemas.tables import (
    BLANKS,
    CODE,
    DATE_LIKE,
    DECIMAL_COMMA,
    NUMBER_LIKE,
    OTHER_DATE,
    TRUTH_PAIRS,
    TRUTHS,
    YES_NO,
)
from lowcloud.sdk import wording
from lowcloud.sdk.data.reading import Places, Reading
from lowcloud.sdk.errors import InvalidInputError

if TYPE_CHECKING:
    import polars as pl

GROUPED = r"^[+-]?[0-9]{1,3},[0-9]{3}$"  # 1,234 is a number with a decimal comma, or one with a separator of thousands


def parse(
    frame: "pl.DataFrame", reading: Reading, places: Places, kinds: Mapping[str, str], notes: list[str]
) -> "pl.DataFrame":
    """Return the table with typed columns: numbers, booleans, times (UTC) and texts.

    `kinds` are the types of columns that are known, from an earlier table or from `reading`; others are recognised.
    Raises InvalidInputError naming row and column of the first cell that does not fit.
    """
    import polars as pl

    frame = frame.with_columns(_plain(frame[name], places) for name in frame.columns)
    texts = _cleaned(frame.select(pl.col(pl.String)), reading)
    possible = texts.select(name for name in texts.columns if kinds.get(name, "number") == "number")
    found = _all_numbers(possible)
    for name in _codes(possible.select(name for name in found if name not in kinds), places, notes):
        del found[name]
        kinds = {**kinds, name: "text"}
    found |= _with_decimal_commas(possible, found, reading, places, notes)
    typed, of_text = [], set(texts.columns)
    for name in frame.columns:
        if name in found:
            typed.append(found[name])
        elif name in of_text:
            typed.append(_parse_texts(texts[name], kinds.get(name), places))
        else:
            typed.append(_as_kind(frame[name], kinds.get(name), places))
    values = pl.DataFrame(typed)
    _check_finite(values, places)
    return values


def kind_of(column: "pl.Series") -> str:
    """Return the kind of a typed column: number, text, time or boolean."""
    import polars as pl

    if column.dtype == pl.Boolean:
        return "boolean"
    if column.dtype == pl.String:
        return "boolean" if _are_yes_and_no(column) else "text"
    return "time" if column.dtype.is_temporal() else "number"


def yes_or_no(column: "pl.Series", places: Places) -> "pl.Series":
    """Return a column of the kind boolean as booleans. Raises InvalidInputError for other words."""
    import polars as pl

    if column.dtype == pl.Boolean:
        return column
    words = column.cast(pl.String).str.to_lowercase()
    known = words.replace_strict(YES_NO, default=None, return_dtype=pl.Boolean)
    _refuse(words, known, column, places, "is neither yes nor no (true, false)")
    return known


def _plain(column: "pl.Series", places: Places) -> "pl.Series":
    """Return the column with a type that can be read: numbers, booleans, texts or times."""
    import polars as pl

    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    kind = column.dtype
    if column.null_count() == len(column):
        return pl.Series(column.name, [None] * len(column), dtype=pl.Float64)
    if isinstance(kind, pl.Datetime):
        naive = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if kind.time_zone else column
        return naive.cast(pl.Datetime("us"))
    if kind.is_float():
        return column.fill_nan(None)
    if kind.is_numeric() or kind in (pl.Boolean, pl.String, pl.Date):
        return column
    seconds = wording.either("give its seconds, such as .dt.total_seconds()", "give its seconds")
    advice = seconds if kind == pl.Duration else "give numbers or texts"
    raise InvalidInputError(
        f"The column {column.name!r} in {places.what} has type {kind}; {advice}, or leave the column out."
    )


def _cleaned(texts: "pl.DataFrame", reading: Reading) -> "pl.DataFrame":
    """Return columns of texts without blanks around them, and without the words for missing values."""
    import polars as pl

    stripped = pl.all().str.strip_chars(BLANKS)
    return texts.select(pl.when(~stripped.is_in(list(reading.missing))).then(stripped))


def _all_numbers(texts: "pl.DataFrame") -> dict[str, "pl.Series"]:
    """Return the columns whose texts are all numbers: as integers if all are, otherwise as floating-point numbers."""
    import polars as pl

    found: dict[str, pl.Series] = {}
    for numbers in (pl.all().cast(pl.Int64, strict=False), pl.all().cast(pl.Float64, strict=False)):
        rest = texts.select(name for name in texts.columns if name not in found)
        parsed = rest.select(numbers)
        if parsed.width and parsed.dtypes[0] == pl.Float64:
            parsed = parsed.select(pl.when(pl.all().is_finite()).then(pl.all()))
        for name, here, there in zip(rest.columns, rest.null_count().row(0), parsed.null_count().row(0), strict=True):
            if here == there and (here < len(texts) or parsed[name].dtype == pl.Float64):
                found[name] = parsed[name]
    return found


def _codes(numbers: "pl.DataFrame", places: Places, notes: list[str]) -> list[str]:
    """Return the columns of numbers that are codes, such as 007: as numbers they would lose their zeros."""
    import polars as pl

    are_codes = numbers.select(pl.all().str.contains(CODE).any())
    found = [name for name in are_codes.columns if are_codes[name][0]]
    for name in found:
        example = numbers[name].filter(numbers[name].str.contains(CODE))[0]
        notes.append(
            f"{places.what}: {name!r} was read as texts, because of leading zeros ({example}); "
            f"{wording.reading(types={name: 'number'})} reads numbers"
        )
    return found


def _with_decimal_commas(
    texts: "pl.DataFrame", numbers: Mapping[str, "pl.Series"], reading: Reading, places: Places, notes: list[str]
) -> dict[str, "pl.Series"]:
    """Return the columns of numbers with decimal commas; refuse those that are in doubt."""
    import polars as pl

    if reading.decimal == ".":
        return {}
    found: dict[str, pl.Series] = {}
    for name in texts.columns:
        if name not in numbers and _has_decimal_commas(texts[name], reading, places):
            found |= _all_numbers(texts.select(pl.col(name).str.replace(",", ".", literal=True)))
    if not found and reading.decimal is None:
        return {}
    for name in numbers:
        points = texts[name].str.contains(".", literal=True)
        if points.any():
            row = int(points.arg_max() or 0)
            raise InvalidInputError(
                f"{places.cell(row, name)}: {texts[name][row]!r} has a point, but other numbers of the table have "
                "decimal commas. Write all numbers in one way."
            )
    if reading.decimal is None:
        notes.append(f"{places.what}: decimal commas read in {', '.join(map(repr, found))}")
    return found


def _has_decimal_commas(column: "pl.Series", reading: Reading, places: Places) -> bool:
    """Return whether a column has numbers with decimal commas. Raises InvalidInputError if that is in doubt."""
    import polars as pl

    commas = column.str.contains(DECIMAL_COMMA)
    others = column.filter(~commas)
    if not commas.any() or others.cast(pl.Float64, strict=False).null_count() > others.null_count():
        return False
    row = int(commas.arg_max() or 0)
    if others.str.contains(".", literal=True).any():
        raise InvalidInputError(
            f"{places.cell(row, column.name)}: {column[row]!r} has a comma, other cells have a point. Write all with a "
            "decimal point and without separators of thousands."
        )
    if reading.decimal is None and column.filter(commas).str.contains(GROUPED).all():
        raise InvalidInputError(
            f"{places.cell(row, column.name)}: {column[row]!r} can be {column[row].replace(',', '.')} or "
            f"{column[row].replace(',', '')}. {wording.reading(decimal=',')} reads decimal commas; otherwise "
            "write numbers without separators of thousands."
        )
    return True


def _parse_texts(column: "pl.Series", kind: str | None, places: Places) -> "pl.Series":
    """Return a column of texts with its values: as `kind`, or as they are recognised."""
    import polars as pl

    if kind == "text":
        return column
    if kind == "boolean":
        return yes_or_no(column, places)
    if kind == "time":
        return _times(column, places)
    present = column.drop_nulls()
    if kind is None and present.str.contains(OTHER_DATE).sum() * 2 >= len(present):
        row = int(column.is_not_null().arg_max() or 0)
        raise InvalidInputError(
            f"{places.cell(row, column.name)}: {column[row][:40]!r} looks like a date or a time. Write dates as "
            f"2024-12-31 or 2024-12-31T18:00; {wording.reading(types={column.name: 'text'})} reads texts."
        )
    if kind == "number" or present.str.contains(NUMBER_LIKE).sum() * 2 >= len(present):
        as_texts = wording.reading(types={column.name: "text"})
        advice = " Correct it, or leave the cell empty if the value is missing"
        numbers = column.cast(pl.Float64, strict=False)
        numbers = numbers.set(~numbers.is_finite().fill_null(True), None)
        _refuse(
            column, numbers, column, places, "is not a number", advice + ("." if kind else f"; {as_texts} reads texts.")
        )
    lowered = present.str.to_lowercase()
    if lowered.is_in(list(TRUTHS)).all():
        return column.str.to_lowercase().replace_strict(TRUTHS, default=None, return_dtype=pl.Boolean)
    if present.str.contains(DATE_LIKE).sum() * 2 >= len(present):
        return _times(column, places)
    return column


def _times(column: "pl.Series", places: Places) -> "pl.Series":
    import polars as pl

    distinct = column.drop_nulls().unique(maintain_order=True)
    moments = [_moment(text) for text in distinct]
    check_offsets(column.name, zip(distinct, moments, strict=True), places)
    times = column.replace_strict(
        distinct, [in_utc(moment) for moment in moments], default=None, return_dtype=pl.Datetime("us")
    )
    _refuse(column, times, column, places, "is not a date or time (ISO 8601)")
    return times


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def in_utc(moment: datetime | None) -> datetime | None:
    """Return the moment in UTC, without an offset; one without an offset is in UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment and moment.tzinfo else moment


def check_offsets(name: str, moments: Iterable[tuple[Any, datetime | None]], places: Places) -> None:
    """Raise InvalidInputError if some moments, given with their spellings, have a UTC offset and others do not."""
    examples = {moment.tzinfo is None: spelling for spelling, moment in moments if moment is not None}
    if len(examples) > 1:
        raise InvalidInputError(
            f"The column {name!r} in {places.what} has times with a UTC offset ({examples[False]}) and without "
            f"({examples[True]}). Write all with their offset, or all without it: then they are in UTC."
        )


def _as_kind(column: "pl.Series", kind: str | None, places: Places) -> "pl.Series":
    """Return a column that has a type already as the kind that is known."""
    import polars as pl

    if column.null_count() == len(column):
        return column.cast(_type_of(kind))
    if kind is None or kind == kind_of(column):
        return column
    if kind == "number" and column.dtype == pl.Boolean:
        return column.cast(pl.Int8)
    if kind == "boolean" and column.dtype.is_numeric():
        known = (column == 1).set((column != 1) & (column != 0), None)
        _refuse(column, known, column, places, "is neither yes nor no (1, 0)")
        return known
    if kind == "text":
        return column.cast(pl.String)
    raise InvalidInputError(
        f"The column {column.name!r} in {places.what} has type {column.dtype}; it was a {kind} in the training data."
    )


def _type_of(kind: str | None) -> "pl.DataType":
    """Return the type of a column without values, of which only the kind is known."""
    import polars as pl

    types = {"text": pl.String(), "time": pl.Datetime("us"), "boolean": pl.Boolean()}
    return types.get(kind or "number", pl.Float64())


def _check_finite(table: "pl.DataFrame", places: Places) -> None:
    import polars.selectors as cs

    found = table.select(cs.float().is_infinite().any())
    if name := next((name for name in found.columns if found[name][0]), None):
        row = int(table[name].is_infinite().arg_max() or 0)
        raise InvalidInputError(f"{places.cell(row, name)} is infinite. Correct it, or remove the row.")


def _refuse(
    texts: "pl.Series", parsed: "pl.Series", column: "pl.Series", places: Places, what: str, advice: str = ""
) -> None:
    """Raise InvalidInputError for the first cell that has a text but no value."""
    wrong = texts.is_not_null() & parsed.is_null()
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        cell = str(column[row])[:40]
        raise InvalidInputError(f"{places.cell(row, column.name)}: {cell!r} {what}.{advice or ' Correct it.'}")


def _are_yes_and_no(column: "pl.Series") -> bool:
    words = column.drop_nulls().unique()
    lowered = set(words.head(3).str.to_lowercase())
    return lowered in TRUTH_PAIRS and len(words) == 2


def to_plain(value: Any) -> Any:
    """Return a value as JSON has it; times are texts."""
    return value.isoformat() if isinstance(value, date | datetime) else value


def listed(column: "pl.Series") -> Sequence[Any]:
    """Return the values of a column as JSON has them."""
    return [to_plain(value) for value in column] if column.dtype.is_temporal() else column.to_list()
