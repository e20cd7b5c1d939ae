"""The files of a table: CSV, TSV, JSON and Parquet, plain or gzip, single or several that are one table."""

import gzip
import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lowcloud.schemas.tables import UNNAMED_INDEX, index_columns
from lowcloud.sdk import wording
from lowcloud.sdk.data import tables, text_tables
from lowcloud.sdk.data.reading import Places, Reading, check_distinct, format_names
from lowcloud.sdk.errors import InvalidInputError

if TYPE_CHECKING:
    import polars as pl

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    "": "csv",  # parts of other systems, such as part-00000
}
ACCEPTED = ".csv, .tsv, .json, .jsonl or .parquet, also with .gz"
UNNAMED = "Unnamed: 0"  # what pandas calls a column without a name
Content = bytes | Path


@dataclass(frozen=True)
class RawTable:
    """The rows of a source, before texts are parsed. Columns without names have numbers in `names`."""

    frame: "pl.DataFrame"
    names: tuple[str | int, ...]
    places: Places
    index: tuple[str, ...] = ()  # columns that are the index of a pandas table
    notes: tuple[str, ...] = ()

    @property
    def is_named(self) -> bool:
        return any(isinstance(name, str) for name in self.names)


def without_index(table: RawTable, reading: Reading, known: Collection[str]) -> RawTable:
    """Return the table without the index that pandas wrote, unless it is to be kept or is a `known` column."""
    left_out = [name for name in table.index if reading.index != "keep" and name not in known]
    if not left_out:
        return replace(table, index=())
    note = (
        f"{table.places.what}: {format_names(left_out)} is the index of a pandas table and was left out "
        f"({wording.reading(index='keep')} keeps it)"
    )
    names = tuple(name for name in table.names if name not in left_out)
    return RawTable(table.frame.drop(left_out), names, table.places, notes=(*table.notes, note))


def numbered(frame: "pl.DataFrame") -> "pl.DataFrame":
    """Return a table without column names with names that no row can be mistaken for: column_0, column_1 ..."""
    return frame.rename({name: f"column_{at}" for at, name in enumerate(frame.columns)})


def format_of(name: str) -> str | None:
    """Return the format of a table's file by its name: csv, tsv, json or parquet; None for other files."""
    return FORMATS.get(suffix_of(name))


def suffix_of(name: str) -> str:
    """Return the suffix of a file's name, of the compressed file if it ends in .gz."""
    return Path(name[:-3] if name.lower().endswith(".gz") else name).suffix.lower()


def read(files: Mapping[str, Content], what: str, reading: Reading, known: Collection[str] = ()) -> RawTable:
    """Read files as one table: columns are matched by name, or by position if no file has names.

    Raises InvalidInputError.
    """
    tables.require_polars()
    import polars as pl

    read_tables = [_read_one(name, content, reading, known) for name, content in sorted(files.items())]
    first = read_tables[0]
    frames, parts, rows = [], [], 0
    for table in read_tables:
        frames.append(table.frame if table is first else _like(table, first))
        parts.append((rows, *table.places.parts[0][1:]))
        rows += len(table.frame)
    notes = (*(note for table in read_tables for note in table.notes), *_of_partitions(files, what))
    try:
        frame = pl.concat(frames, how="vertical_relaxed") if len(frames) > 1 else frames[0]
    except pl.exceptions.PolarsError:
        raise _different_types(read_tables) from None
    index = tuple(name for name in first.index if all(name in table.index for table in read_tables))
    return RawTable(frame, first.names, Places(what, tuple(parts)), index, notes)


def _of_partitions(names: Collection[str], what: str) -> tuple[str, ...]:
    """Return what to say of files in folders such as year=2024, whose values only the names of the folders have."""
    parts = (part for name in names for part in name.split("/")[:-1])
    columns = sorted({name for name, equals, _ in (part.partition("=") for part in parts) if name and equals})
    if not columns:
        return ()
    return (f"{what}: the folders' names have values of {format_names(columns)}, which are not read",)


def _read_one(name: str, content: Content, reading: Reading, known: Collection[str]) -> RawTable:
    data = content.read_bytes() if isinstance(content, Path) else content
    if name.lower().endswith(".gz") or data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise InvalidInputError(f"{name} is a damaged gzip file ({error}).") from None
    if data[:2] == b"PK" or data[:4] == b"\xd0\xcf\x11\xe0":
        raise InvalidInputError(f"{name} is a spreadsheet or an archive; save its table as CSV.")
    kind = "parquet" if data[:4] == b"PAR1" else format_of(name)
    if kind == "parquet":
        return _read_parquet(name, data, reading)
    if kind == "json":
        return _read_json(name, data, reading)
    found = text_tables.read(data, name, reading, known, is_tsv=kind == "tsv")
    if not len(found.frame):
        raise InvalidInputError(f"There are no rows in {name}.")
    places = Places(name, ((0, name, found.lines),))
    if found.names is None:
        return RawTable(numbered(found.frame), tuple(range(found.frame.width)), places, notes=found.notes)
    names = [UNNAMED if at == 0 and not given.strip() else given for at, given in enumerate(found.names)]
    if nameless := next((at for at, given in enumerate(names) if not given.strip()), None):
        raise InvalidInputError(f"{name}: column {nameless + 1} of the header has no name. Give it one, or remove it.")
    check_distinct(names, name)
    frame = found.frame.rename(dict(zip(found.frame.columns, names, strict=True)))
    _check_index(found.names[0], frame, places, reading, known)
    return RawTable(frame, tuple(names), places, index_of(frame, reading), found.notes)


def index_of(frame: "pl.DataFrame", reading: Reading) -> tuple[str, ...]:
    """Return the columns that pandas wrote as the index of a table."""
    return tuple(
        name
        for name in frame.columns
        if UNNAMED_INDEX.fullmatch(name)
        or (name == UNNAMED and (reading.index == "drop" or tables.counts_rows(frame[name])))
    )


def _check_index(name: str, frame: "pl.DataFrame", places: Places, reading: Reading, known: Collection[str]) -> None:
    """Raise InvalidInputError for a first column without a name that is no index."""
    if name.strip() or reading.index or UNNAMED in known or tables.counts_rows(frame[UNNAMED]):
        return
    raise InvalidInputError(
        f"The first column of {places.what} has no name, and is no index: its values are not distinct whole numbers. "
        f"Give it a name, or say what to do: {wording.reading(index='keep')} or {wording.reading(index='drop')}."
    )


def _read_parquet(name: str, data: bytes, reading: Reading) -> RawTable:
    import polars as pl

    try:
        frame = pl.read_parquet(BytesIO(data))
        written = index_columns(frame.columns, pl.read_parquet_metadata(BytesIO(data)).get("pandas"))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InvalidInputError(f"{name} is not a valid Parquet file: {str(error).splitlines()[0][:200]}.") from None
    if not len(frame):
        raise InvalidInputError(f"There are no rows in {name}.")
    index = tuple(dict.fromkeys((*written, *index_of(frame, reading))))
    return RawTable(frame, tuple(frame.columns), Places(name, ((0, name, None),)), index)


def _read_json(name: str, data: bytes, reading: Reading) -> RawTable:
    """Read JSON Lines, or an array of objects."""
    import polars as pl

    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInputError(f"{name} is not valid UTF-8.") from None
    if text.lstrip()[:1] == "[":
        records, lines = _load_json(text, name, None), None
    else:
        numbered = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        records = [_load_json(line, name, number) for number, line in numbered]
        lines = [number for number, _ in numbered]
    if not records:
        raise InvalidInputError(f"There are no rows in {name}.")
    places = Places(name, ((0, name, lines),))
    first = records[0]
    for row, record in enumerate(records):
        if not isinstance(record, dict):
            raise InvalidInputError(f'{places.row(row)}: each row must be an object such as {{"column": value}}.')
        if record.keys() != first.keys():
            other = sorted(first.keys() ^ record.keys())
            raise InvalidInputError(
                f"{places.row(row)} has other columns than the first row ({format_names(other)}); give every row the "
                "same columns, with null for missing values."
            )
    columns = [_column(column, [record[column] for record in records], places) for column in first]
    frame = pl.DataFrame(columns)
    return RawTable(frame, tuple(frame.columns), places, index_of(frame, reading))


def _load_json(text: str, name: str, line: int | None) -> Any:
    def to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        check_distinct([key for key, _ in pairs], f"{name}, line {line}" if line else name)
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=to_object)
    except (ValueError, RecursionError) as error:
        where = f"{name}, line {line}" if line else name
        raise InvalidInputError(
            f"{where} is not valid JSON ({error}). A table is an array of objects, or one object in each line."
        ) from None


def _column(name: str, values: Sequence[Any], places: Places) -> "pl.Series":
    """Return a column of JSON values of one type."""
    import polars as pl

    types = {type(value) for value in values if value is not None}
    if types & {dict, list}:
        row = next(at for at, value in enumerate(values) if isinstance(value, dict | list))
        raise InvalidInputError(f"{places.cell(row, name)} is a list or an object; a table has one value in each cell.")
    if str in types and len(types) > 1:
        texts = [None if value is None else value if isinstance(value, str) else json.dumps(value) for value in values]
        return pl.Series(name, texts, dtype=pl.String)
    if types in ({bool, int}, {bool, float}):
        row = next(at for at, value in enumerate(values) if type(value) is not type(values[0]))
        raise InvalidInputError(f"{places.cell(row, name)}: the column mixes numbers and booleans; give one of them.")
    try:
        return pl.Series(name, values, strict=False) if types <= {int, float} else pl.Series(name, values)
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        return pl.Series(name, [None if value is None else float(value) for value in values])


def _like(table: RawTable, first: RawTable) -> "pl.DataFrame":
    """Return the rows of a file with the columns of the first file, in its order."""
    what, other = table.places.what, first.places.what
    if table.is_named != first.is_named:
        named, bare = (what, other) if table.is_named else (other, what)
        raise InvalidInputError(f"{named} has a header and {bare} has none; all files of a table need one, or none.")
    if not table.is_named:
        if table.frame.width != first.frame.width:
            raise InvalidInputError(
                f"{what} has {table.frame.width} columns, {other} has {first.frame.width}; the files of a table need "
                "the same columns."
            )
        return table.frame
    lacking = [name for name in first.frame.columns if name not in table.frame.columns]
    extra = [name for name in table.frame.columns if name not in first.frame.columns]
    if lacking or extra:
        difference = f"lacks {format_names(lacking)}" if lacking else f"has {format_names(extra)}"
        raise InvalidInputError(
            f"{what} {difference}, compared with {other}; the files of a table need the same columns."
        )
    return table.frame.select(first.frame.columns)


def _different_types(read_tables: Sequence[RawTable]) -> InvalidInputError:
    first = read_tables[0]
    for table in read_tables[1:]:
        for name, kind in first.frame.schema.items():
            other = table.frame.schema[name]
            if other != kind and not (other.is_numeric() and kind.is_numeric()):
                return InvalidInputError(
                    f"The column {name!r} has type {kind} in {first.places.what} and {other} in {table.places.what}; "
                    "give all files of a table the same types."
                )
    return InvalidInputError(f"The files of {first.places.what} have columns of different types.")
