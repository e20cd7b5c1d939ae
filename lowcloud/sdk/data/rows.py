"""Encodes rows, in memory or in files, as bodies of prediction requests."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from lowcloud.sdk import wording
from lowcloud.sdk.data import cells, encoding, files, sources, tables, text_tables
from lowcloud.sdk.data.channels import ModelKind
from lowcloud.sdk.data.columns import RAW_COLUMNS, Columns
from lowcloud.sdk.data.files import RawTable
from lowcloud.sdk.data.reading import Places, Reading, say
from lowcloud.sdk.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray

Rows: TypeAlias = Union[
    "pd.DataFrame", "pd.Series", "pl.DataFrame", "NDArray[Any]", list[Any], Mapping[str, Any], str, Path
]

CSV, JSON, NPY = "text/csv", "application/json", "application/x-npy"
NAMED_CSV = f"{CSV}; header=present"
ACCEPT = {ModelKind.BUILT_IN: JSON, ModelKind.SCRIPT: JSON, ModelKind.FUNCTION: f"{NPY}, {JSON}"}
URL = re.compile(r"[A-Za-z0-9]{2,}:/")  # a Path has one slash of it
BODY_BYTES = 5 * 1024 * 1024  # of one request; endpoints accept at most 25 MB and take at most 60 seconds


def to_requests(
    rows: Rows,
    model_kind: ModelKind,
    columns: Columns | None = None,
    reading: Reading | None = None,
    *,
    allows_missing: bool = True,
) -> Iterator[tuple[bytes, str]]:
    """Yield request bodies with their content type, several if there are many rows.

    `columns` are those that a built-in algorithm was trained on; `allows_missing`: in features.
    Raises InvalidInputError.
    """
    reading = reading or Reading()
    rows = _normalize(rows)
    _check_rows(rows)
    if model_kind is ModelKind.BUILT_IN:
        names = (*columns.features, columns.target) if columns and columns != RAW_COLUMNS else ()
        known = tuple(name for name in names if isinstance(name, str))  # the number of a column is no name
        table = _raw_table(rows, known, reading)
        if columns and columns.features:
            yield from _of_known_columns(table, columns, reading, allows_missing=allows_missing)
            return
        if columns != RAW_COLUMNS and isinstance(rows, str | Path):
            table = replace(table, frame=_parsed(table, reading, {}))
        yield from _of_unknown_columns(table, has_transform=columns == RAW_COLUMNS)
        return
    if isinstance(rows, str | Path):
        table = _raw_table(rows, (), reading)
        frame = _parsed(table, reading, {})
        rows = frame if table.is_named else frame.to_numpy()
    if isinstance(rows, Mapping):
        given = rows if model_kind is ModelKind.SCRIPT else {name: _to_list(values) for name, values in rows.items()}
        yield from _to_json(given, model_kind)
    elif tables.library_of(rows) in ("pandas", "polars"):
        yield from _from_table(rows, model_kind)
    else:
        yield from _to_npy(_array(rows))


def library_of(rows: Rows) -> str:
    """Return the library of the table that answers such rows: pandas, polars, or "" for a dict."""
    if isinstance(rows, str | Path):
        return "polars"
    library = tables.library_of(rows)
    is_pandas = library == "pandas" or type(rows).__module__.partition(".")[0] == "pandas"
    return "pandas" if is_pandas else "polars" if library == "polars" else ""


def check_count(requests: list[tuple[bytes, str]], predictions: Any) -> None:
    """Raise InvalidInputError if an endpoint took the header for a row, because it does not know the column names."""
    if not requests or requests[0][1] != NAMED_CSV or not hasattr(predictions, "__len__"):
        return
    with text_tables.long_cells():
        count = sum(sum(1 for _ in csv.reader(StringIO(body.decode()))) - 1 for body, _ in requests)
    if len(predictions) != count:
        names = requests[0][0].partition(b"\n")[0].decode()
        raise InvalidInputError(
            f"The endpoint does not know some of the columns {names}; give the columns of its raw training rows."
        )


def _normalize(rows: Rows) -> Any:
    """Convert one row of a DataFrame to a table, and a list of dicts to a dict of columns."""
    if type(rows).__name__ == "Series" and hasattr(rows, "to_frame") and hasattr(rows, "iloc"):
        return rows.to_frame().T.infer_objects()
    if isinstance(rows, list) and rows and all(isinstance(row, Mapping) for row in rows):
        try:
            return {name: [row[name] for row in rows] for name in rows[0]}
        except KeyError as error:
            raise InvalidInputError(f"The rows have different keys: one lacks {error}.") from None
    return rows


def _check_rows(rows: Any) -> None:
    """Raise InvalidInputError if there are no rows, or if these are none."""
    if isinstance(rows, str | Path):
        accepted = wording.either("rows or a local file", "a local file")
        if URL.match(str(rows)):
            raise InvalidInputError(f"predict takes {accepted}, not {str(rows)!r}; download it first.")
        if not Path(rows).expanduser().exists():
            raise InvalidInputError(f"There is no file {str(rows)!r}; predict takes {accepted}.")
        return
    try:
        count = 1 if isinstance(rows, Mapping) else len(rows)
    except TypeError:
        raise InvalidInputError(
            f"Rows are a DataFrame, an array, a list of rows, a dict of columns or a file, not {rows!r}."
        ) from None
    if not count:
        raise InvalidInputError("There are no rows to predict.")


def _of_known_columns(
    table: RawTable, columns: Columns, reading: Reading, *, allows_missing: bool
) -> Iterator[tuple[bytes, str]]:
    """Yield rows with the columns of the training data, as CSV of numbers, or as JSON for the model's transform."""
    import polars as pl
    import polars.selectors as cs

    names = [str(name) for name in columns.features]
    frame = table.frame[:, columns.positions(table.names)]
    frame = frame.rename(dict(zip(frame.columns, names, strict=True)))
    kinds = dict(zip(names, columns.kinds or ["number"] * len(names), strict=True))
    frame = _parsed(replace(table, frame=frame), reading, kinds)
    if not allows_missing:
        tables.check_present(frame, (name for name in names if kinds[name] != "text"), table.places)
    say(encoding.unknown_notes(frame, columns.levels, table.places))
    for part in _slices(frame):
        if columns.is_encoded:
            rows = zip(*(cells.listed(part[name]) for name in names), strict=True)
            yield json.dumps({"instances": list(rows)}).encode(), JSON
        else:
            yield _csv(part.cast({cs.boolean(): pl.Int8}), is_named=False), CSV


def _of_unknown_columns(table: RawTable, *, has_transform: bool) -> Iterator[tuple[bytes, str]]:
    """Yield CSV. Text is sent unchanged, since the endpoint may have a transform, which gets the names too."""
    import polars as pl
    import polars.selectors as cs

    frame = table.frame
    has_texts = any(not (kind.is_numeric() or kind in (pl.Boolean, pl.Null)) for kind in frame.dtypes)
    if not has_texts:
        frame = frame.cast({cs.boolean(): pl.Int8})
    is_named = table.is_named and (has_texts or has_transform)
    for part in _slices(frame):
        yield _csv(part, is_named=is_named), NAMED_CSV if is_named else CSV


def _parsed(table: RawTable, reading: Reading, kinds: Mapping[str, str]) -> "pl.DataFrame":
    notes: list[str] = []
    frame = cells.parse(table.frame, reading, table.places, kinds, notes)
    say(notes)
    return frame


def _slices(frame: "pl.DataFrame") -> Iterator["pl.DataFrame"]:
    pieces = max(1, -(-max(int(frame.estimated_size()), frame.width * frame.height * 8) * 3 // BODY_BYTES))
    yield from frame.iter_slices(max(1, -(-frame.height // pieces)))


def _raw_table(rows: Any, known: tuple[str, ...], reading: Reading) -> RawTable:
    """Return rows of any form, or of a file or folder, as a table. Raises InvalidInputError."""
    if isinstance(rows, str | Path):
        paths = sources.local_files(rows, is_table=True)
        table = files.without_index(files.read(paths, Path(rows).name, reading, known), reading, known)
        say(table.notes)
        return table
    frame = _table_of(rows)
    names = tuple(name if isinstance(name, int) else str(name) for name in _names_of(rows) or range(frame.width))
    index = files.index_of(frame, reading) if _names_of(rows) else ()
    return files.without_index(RawTable(frame, names, Places("the rows"), index), reading, known)


def _names_of(rows: Any) -> list[Any]:
    """Return the column names of a table or a dict, empty for other rows."""
    if tables.library_of(rows) in ("pandas", "polars"):
        return list(rows.columns)
    return list(rows) if isinstance(rows, Mapping) else []


def _table_of(rows: Any) -> Any:
    """Convert rows of any form to a polars table."""
    import polars as pl

    if tables.library_of(rows) in ("pandas", "polars"):
        return tables.to_polars(rows)
    if not isinstance(rows, Mapping):
        array = _array(rows, "biufmMOU")
        if array.dtype.kind not in "OU":
            return tables.to_polars(array if array.ndim > 1 else array.reshape(1, -1))
        cells = rows.tolist() if hasattr(rows, "tolist") else list(rows)
        cells = cells if array.ndim > 1 else [cells]
        rows = {str(position): list(column) for position, column in enumerate(zip(*cells, strict=True))}
    try:
        return pl.DataFrame([pl.Series(str(name), _to_list(values), strict=False) for name, values in rows.items()])
    except pl.exceptions.ShapeError:
        raise InvalidInputError("The columns differ in length.") from None


def _from_table(frame: Any, model_kind: ModelKind) -> Iterator[tuple[bytes, str]]:
    if model_kind is ModelKind.FUNCTION:
        table = tables.to_polars(frame)
        yield from _to_json({name: table[name].to_list() for name in table.columns}, model_kind)
    else:
        yield from _to_npy(_numbers(frame))


def _to_json(columns: Mapping[str, Any], model_kind: ModelKind) -> Iterator[tuple[bytes, str]]:
    """Yield a dict of columns in JSON, in several parts for models of functions, in one for scripts."""
    body = json.dumps(columns, default=_plain).encode()
    count = max((len(values) for values in columns.values() if isinstance(values, list | tuple)), default=1)
    pieces = min(count, -(-len(body) // BODY_BYTES)) if model_kind is ModelKind.FUNCTION else 1
    for piece in range(pieces):
        begin, end = piece * count // pieces, (piece + 1) * count // pieces
        part = {name: values[begin:end] for name, values in columns.items()} if pieces > 1 else columns
        yield json.dumps(part, default=_plain).encode(), JSON


def _to_npy(rows: Any) -> Iterator[tuple[bytes, str]]:
    pieces = max(1, -(-rows.nbytes // BODY_BYTES))
    size = -(-len(rows) // pieces) if rows.ndim else 1
    for begin in range(0, len(rows), max(1, size)):
        yield tables.to_npy(rows[begin : begin + size]), NPY


def _numbers(frame: Any) -> Any:
    table = tables.to_polars(frame)
    for name, dtype in table.schema.items():
        if not (dtype.is_numeric() or str(dtype) == "Boolean"):
            raise _not_numeric(name)
    return table.to_numpy()


def _not_numeric(column: str) -> InvalidInputError:
    return InvalidInputError(
        f"The column {column!r} is not numeric; encode it as numbers in the same way as for training."
    )


def _array(rows: Any, kinds: str = tables.PLAIN_KINDS) -> Any:
    import numpy as np

    try:
        array = np.asarray(rows)
    except ValueError:
        raise InvalidInputError("The rows differ in length.") from None
    if array.dtype.kind not in kinds:
        raise InvalidInputError(f"The rows have dtype {array.dtype}; give numbers, or a DataFrame with column names.")
    return array


def _csv(table: "pl.DataFrame", *, is_named: bool) -> bytes:
    import polars.selectors as cs

    # A row whose only cell is missing would be a blank line, which is no row.
    missing = "nan" if table.width == 1 else ""
    filled = table.with_columns(cs.float().fill_nan(None))
    return filled.write_csv(include_header=is_named, null_value=missing).encode()


def _to_list(values: Any) -> Any:
    """Return the values of a column as a list; a single value is a column of one row."""
    if isinstance(values, list | tuple):
        return values
    if hasattr(values, "tolist"):
        return values.tolist() if getattr(values, "ndim", 1) else [values.tolist()]
    return values.to_list() if hasattr(values, "to_list") else [values]


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return value.tolist()
    raise InvalidInputError(f"A value of type {type(value).__name__} cannot be sent in a row; give numbers or strings.")
