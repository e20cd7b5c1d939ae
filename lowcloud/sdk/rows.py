"""Rows to predict, as a request's body, and the answer's body as an array."""

import csv
import json
from collections.abc import Iterator, Mapping
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from lowcloud.sdk import frames
from lowcloud.sdk.columns import RAW, Columns, are_names
from lowcloud.sdk.data import Style
from lowcloud.sdk.errors import InvalidInputError, PredictionFailedError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray

Rows: TypeAlias = Union["pd.DataFrame", "pd.Series", "pl.DataFrame", "NDArray[Any]", list[Any], Mapping[str, Any]]

CSV, JSON, NPY = "text/csv", "application/json", "application/x-npy"
NAMED_CSV = f"{CSV}; header=present"
ACCEPT = {Style.BUILT_IN: JSON, Style.SCRIPT: JSON, Style.FUNCTION: f"{NPY}, {JSON}"}
BODY_BYTES = 5 * 1024 * 1024  # of one request; an endpoint takes 25 MB at most, and 60 seconds


def requests(rows: Rows, style: Style, columns: Columns | None = None) -> Iterator[tuple[bytes, str]]:
    """Bodies and their content type, several where the rows are many; `columns` are those of a built-in's training.

    Raises InvalidInputError.
    """
    rows = _told_plainly(rows)
    if style is Style.BUILT_IN:
        yield from _for_built_in(rows, columns)
    elif isinstance(rows, Mapping):
        given = rows if style is Style.SCRIPT else {name: _listed(values) for name, values in rows.items()}
        yield from _of_columns(given, style)
    elif frames.library(rows) in ("pandas", "polars"):
        yield from _of_frame(rows, style)
    else:
        yield from _of_array(_array(rows))


def check_count(asked: list[tuple[bytes, str]], answers: Any) -> None:
    """Raises InvalidInputError where an endpoint has taken names of columns for a row, since it does not know them."""
    if not asked or asked[0][1] != NAMED_CSV or not hasattr(answers, "__len__"):
        return
    if len(answers) != sum(sum(1 for _ in csv.reader(StringIO(body.decode()))) - 1 for body, _ in asked):
        names = asked[0][0].partition(b"\n")[0].decode()
        raise InvalidInputError(f"The endpoint does not know all of the columns {names}; give those of its raw rows.")


def answer(bodies: list[tuple[bytes, str]]) -> Any:
    """One array of all answers: a row for each row that was asked; a list where they make no array."""
    import numpy as np

    parts = [_decoded(body, kind) for body, kind in bodies]
    if all(isinstance(part, np.ndarray) for part in parts):
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
    return parts[0] if len(parts) == 1 else [row for part in parts for row in part]


def _told_plainly(rows: Rows) -> Any:
    """One row of a DataFrame as a table of it, and a list of dicts as columns."""
    if type(rows).__name__ == "Series" and hasattr(rows, "to_frame") and hasattr(rows, "iloc"):
        return rows.to_frame().T.infer_objects()
    if isinstance(rows, list) and rows and all(isinstance(row, Mapping) for row in rows):
        try:
            return {name: [row[name] for row in rows] for name in rows[0]}
        except KeyError as error:
            raise InvalidInputError(f"The rows differ: one has no {error}.") from None
    return rows


def _for_built_in(rows: Any, columns: Columns | None) -> Iterator[tuple[bytes, str]]:
    """CSV: numbers in the order of training; texts, which a transform of the endpoint's may read, as they are."""
    frames.require_polars()
    import polars as pl
    import polars.selectors as cs

    table, names = _table_of(rows), _names_of(rows)
    known = None if columns == RAW else columns
    if known and names:
        table = table[:, known.places(names)]
    elif known:
        known.check_width(table.width)
    odd = [name for name, kind in table.schema.items() if not (kind.is_numeric() or str(kind) in ("Boolean", "Null"))]
    if odd and known:
        raise InvalidInputError(f"The column {odd[0]!r} is not numeric; make numbers of it as before training.")
    if not odd:
        table = table.cast({cs.boolean(): pl.Int8})
    is_named = are_names(names) and (bool(odd) or columns == RAW)
    pieces = max(1, -(-max(table.estimated_size(), table.width * table.height * 8) * 3 // BODY_BYTES))
    for part in table.iter_slices(max(1, -(-table.height // pieces))):
        yield _csv(part, is_named=is_named), NAMED_CSV if is_named else CSV


def _names_of(rows: Any) -> list[Any]:
    """Of the columns of a table or a mapping; else none."""
    if frames.library(rows) in ("pandas", "polars"):
        return list(rows.columns)
    return list(rows) if isinstance(rows, Mapping) else []


def _table_of(rows: Any) -> Any:
    """Rows of any form as a table of polars."""
    import polars as pl

    if frames.library(rows) in ("pandas", "polars"):
        return frames.to_polars(rows)
    if not isinstance(rows, Mapping):
        array = _array(rows, "biufmMOU")
        if array.dtype.kind not in "OU":
            return frames.to_polars(array if array.ndim > 1 else array.reshape(1, -1))
        cells = rows.tolist() if hasattr(rows, "tolist") else list(rows)
        cells = cells if array.ndim > 1 else [cells]
        rows = {str(place): list(column) for place, column in enumerate(zip(*cells, strict=True))}
    try:
        return pl.DataFrame([pl.Series(str(name), _listed(values), strict=False) for name, values in rows.items()])
    except pl.exceptions.ShapeError:
        raise InvalidInputError("The columns differ in length.") from None


def _of_frame(frame: Any, style: Style) -> Iterator[tuple[bytes, str]]:
    if style is Style.FUNCTION:
        table = frames.to_polars(frame)
        yield from _of_columns({name: table[name].to_list() for name in table.columns}, style)
    else:
        yield from _of_array(_numbers(frame))


def _of_columns(columns: Mapping[str, Any], style: Style) -> Iterator[tuple[bytes, str]]:
    """Columns by their names, as functions' models are asked; scripts are given them as they are."""
    body = json.dumps(columns, default=_plain).encode()
    count = max((len(values) for values in columns.values() if isinstance(values, list | tuple)), default=1)
    pieces = min(count, -(-len(body) // BODY_BYTES)) if style is Style.FUNCTION else 1
    for piece in range(pieces):
        begin, end = piece * count // pieces, (piece + 1) * count // pieces
        part = {name: values[begin:end] for name, values in columns.items()} if pieces > 1 else columns
        yield json.dumps(part, default=_plain).encode(), JSON


def _of_array(rows: Any) -> Iterator[tuple[bytes, str]]:
    pieces = max(1, -(-rows.nbytes // BODY_BYTES))
    size = -(-len(rows) // pieces) if rows.ndim else 1
    for begin in range(0, len(rows), max(1, size)):
        yield _npy(rows[begin : begin + size]), NPY


def _numbers(frame: Any) -> Any:
    table = frames.to_polars(frame)
    if odd := [name for name, kind in table.schema.items() if not (kind.is_numeric() or str(kind) == "Boolean")]:
        raise InvalidInputError(f"The column {odd[0]!r} is not numeric; make numbers of it as before training.")
    return table.to_numpy()


def _array(rows: Any, kinds: str = frames.PLAIN) -> Any:
    import numpy as np

    try:
        array = np.asarray(rows)
    except ValueError:
        raise InvalidInputError("The rows differ in length.") from None
    if array.dtype.kind not in kinds:
        raise InvalidInputError(f"The rows are of {array.dtype}; give numbers, or a DataFrame of named columns.")
    return array


def _csv(table: "pl.DataFrame", *, is_named: bool) -> bytes:
    import polars.selectors as cs

    return table.with_columns(cs.float().fill_nan(None)).write_csv(include_header=is_named).encode()


def _npy(array: Any) -> bytes:
    import numpy as np

    target = BytesIO()
    np.save(target, array, allow_pickle=False)
    return target.getvalue()


def _listed(values: Any) -> Any:
    """The values of a column; a single one is a column of one."""
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
    raise InvalidInputError(f"A value of type {type(value).__name__} cannot be sent in a row; give numbers or texts.")


def _decoded(body: bytes, content_type: str) -> Any:
    import numpy as np

    kind = content_type.partition(";")[0]
    if kind == NPY:
        return np.load(BytesIO(body), allow_pickle=False)
    if kind == CSV:
        return _from_csv(body.decode())
    if kind != JSON:
        return body
    try:
        found = json.loads(body)
    except ValueError:
        raise PredictionFailedError(f"The endpoint's answer is no JSON: {body[:80]!r}.") from None
    if isinstance(found, dict) and set(found) == {"predictions"}:
        found = [_prediction(one) for one in found["predictions"]]
    if not isinstance(found, list):
        return found
    try:
        array = np.array(found)
    except ValueError:
        return found
    return found if array.dtype == object else array


def _from_csv(text: str) -> Any:
    import numpy as np

    rows = [line.split(",") for line in text.splitlines()]
    if len({len(row) for row in rows}) > 1:
        return rows
    table = np.array(rows)
    cells = table[:, 0] if table.ndim == 2 and table.shape[1] == 1 else table
    try:
        return cells.astype(float)
    except ValueError:
        return cells


def _prediction(told: Any) -> Any:
    """What a built-in says of a row: the label that it decides on, else its score."""
    return told.get("predicted_label", told.get("score", told)) if isinstance(told, dict) else told
