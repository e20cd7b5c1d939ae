"""Encodes rows as bodies of prediction requests, and decodes the bodies of responses to arrays."""

import csv
import json
from collections.abc import Iterator, Mapping
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from lowcloud.sdk.data import tables
from lowcloud.sdk.data.channels import ModelKind
from lowcloud.sdk.data.columns import RAW_COLUMNS, Columns, have_names
from lowcloud.sdk.errors import InvalidInputError, PredictionFailedError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray

Rows: TypeAlias = Union["pd.DataFrame", "pd.Series", "pl.DataFrame", "NDArray[Any]", list[Any], Mapping[str, Any]]

CSV, JSON, NPY = "text/csv", "application/json", "application/x-npy"
NAMED_CSV = f"{CSV}; header=present"
ACCEPT = {ModelKind.BUILT_IN: JSON, ModelKind.SCRIPT: JSON, ModelKind.FUNCTION: f"{NPY}, {JSON}"}
BODY_BYTES = 5 * 1024 * 1024  # of one request; endpoints accept at most 25 MB and take at most 60 seconds


def to_requests(rows: Rows, model_kind: ModelKind, columns: Columns | None = None) -> Iterator[tuple[bytes, str]]:
    """Yield request bodies with their content type, several if there are many rows.

    `columns` are those that a built-in algorithm was trained on. Raises InvalidInputError.
    """
    rows = _normalize(rows)
    if model_kind is ModelKind.BUILT_IN:
        yield from _to_csv(rows, columns)
    elif isinstance(rows, Mapping):
        given = rows if model_kind is ModelKind.SCRIPT else {name: _to_list(values) for name, values in rows.items()}
        yield from _to_json(given, model_kind)
    elif tables.library_of(rows) in ("pandas", "polars"):
        yield from _from_table(rows, model_kind)
    else:
        yield from _to_npy(_array(rows))


def check_count(requests: list[tuple[bytes, str]], predictions: Any) -> None:
    """Raise InvalidInputError if an endpoint took the header for a row, because it does not know the column names."""
    if not requests or requests[0][1] != NAMED_CSV or not hasattr(predictions, "__len__"):
        return
    if len(predictions) != sum(sum(1 for _ in csv.reader(StringIO(body.decode()))) - 1 for body, _ in requests):
        names = requests[0][0].partition(b"\n")[0].decode()
        raise InvalidInputError(
            f"The endpoint does not know some of the columns {names}; give the columns of its raw training rows."
        )


def to_predictions(responses: list[tuple[bytes, str]]) -> Any:
    """Decode responses to one array with an item for each row, or to a list if they do not form an array."""
    import numpy as np

    parts = [_decode(body, content_type) for body, content_type in responses]
    if all(isinstance(part, np.ndarray) for part in parts):
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
    return parts[0] if len(parts) == 1 else [row for part in parts for row in part]


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


def _to_csv(rows: Any, columns: Columns | None) -> Iterator[tuple[bytes, str]]:
    """Yield CSV with the columns in training order. Text is sent unchanged, since the endpoint may have a transform."""
    tables.require_polars()
    import polars as pl
    import polars.selectors as cs

    table, names = _table_of(rows), _names_of(rows)
    known = None if columns == RAW_COLUMNS else columns
    if known and names:
        table = table[:, known.positions(names)]
    elif known:
        known.check_width(table.width)
    not_numeric = [
        name for name, dtype in table.schema.items() if not (dtype.is_numeric() or str(dtype) in ("Boolean", "Null"))
    ]
    if not_numeric and known:
        raise _not_numeric(not_numeric[0])
    if not not_numeric:
        table = table.cast({cs.boolean(): pl.Int8})
    is_named = have_names(names) and (bool(not_numeric) or columns == RAW_COLUMNS)
    pieces = max(1, -(-max(table.estimated_size(), table.width * table.height * 8) * 3 // BODY_BYTES))
    for part in table.iter_slices(max(1, -(-table.height // pieces))):
        yield _csv(part, is_named=is_named), NAMED_CSV if is_named else CSV


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
        yield _npy(rows[begin : begin + size]), NPY


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

    return table.with_columns(cs.float().fill_nan(None)).write_csv(include_header=is_named).encode()


def _npy(array: Any) -> bytes:
    import numpy as np

    target = BytesIO()
    np.save(target, array, allow_pickle=False)
    return target.getvalue()


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


def _decode(body: bytes, content_type: str) -> Any:
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
        raise PredictionFailedError(f"The endpoint's response is not valid JSON: {body[:80]!r}.") from None
    if isinstance(found, dict) and set(found) == {"predictions"}:
        found = [_prediction(item) for item in found["predictions"]]
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


def _prediction(item: Any) -> Any:
    """Return a built-in algorithm's prediction for one row: the label if it decides on one, otherwise the score."""
    return item.get("predicted_label", item.get("score", item)) if isinstance(item, dict) else item
