"""Rows to predict, as a request's body, and the answer's body as an array."""

import json
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from lowcloud.sdk import frames
from lowcloud.sdk.data import Style
from lowcloud.sdk.errors import InvalidInput, PredictionFailed

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray

Rows: TypeAlias = Union["pd.DataFrame", "pd.Series", "pl.DataFrame", "NDArray[Any]", list[Any], Mapping[str, Any]]

CSV, JSON, NPY = "text/csv", "application/json", "application/x-npy"
ACCEPT = {Style.BUILT_IN: JSON, Style.SCRIPT: JSON, Style.FUNCTION: f"{NPY}, {JSON}"}
BODY_BYTES = 5 * 1024 * 1024  # of one request; an endpoint takes 25 MB at most, and 60 seconds


def requests(rows: Rows, style: Style) -> Iterator[tuple[bytes, str]]:
    """Bodies and their content type, several where the rows are many. Raises InvalidInput."""
    rows = _told_plainly(rows)
    if isinstance(rows, Mapping):
        given = rows if style is Style.SCRIPT else {name: _listed(values) for name, values in rows.items()}
        yield from _of_columns(given, style)
    elif frames.library(rows) in ("pandas", "polars"):
        yield from _of_frame(rows, style)
    else:
        yield from _of_array(_array(rows), style)


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
            raise InvalidInput(f"The rows differ: one has no {error}.") from None
    return rows


def _of_frame(frame: Any, style: Style) -> Iterator[tuple[bytes, str]]:
    if style is Style.FUNCTION:
        table = frames.to_polars(frame)
        yield from _of_columns({name: table[name].to_list() for name in table.columns}, style)
    else:
        yield from _of_array(_numbers(frame), style)


def _of_columns(columns: Mapping[str, Any], style: Style) -> Iterator[tuple[bytes, str]]:
    """Columns by their names, as functions' models are asked; scripts are given them as they are."""
    if style is Style.BUILT_IN:
        import numpy as np

        yield from _of_array(np.column_stack([np.atleast_1d(values) for values in columns.values()]), style)
        return
    body = json.dumps(columns, default=_plain).encode()
    count = max((len(values) for values in columns.values() if isinstance(values, list | tuple)), default=1)
    pieces = min(count, -(-len(body) // BODY_BYTES)) if style is Style.FUNCTION else 1
    for piece in range(pieces):
        begin, end = piece * count // pieces, (piece + 1) * count // pieces
        part = {name: values[begin:end] for name, values in columns.items()} if pieces > 1 else columns
        yield json.dumps(part, default=_plain).encode(), JSON


def _of_array(array: Any, style: Style) -> Iterator[tuple[bytes, str]]:
    rows = array if array.ndim > 1 or style is not Style.BUILT_IN else array.reshape(1, -1)
    pieces = max(1, -(-rows.nbytes * (3 if style is Style.BUILT_IN else 1) // BODY_BYTES))
    size = -(-len(rows) // pieces) if rows.ndim else 1
    for begin in range(0, len(rows), max(1, size)):
        part = rows[begin : begin + size]
        yield (_csv(part), CSV) if style is Style.BUILT_IN else (_npy(part), NPY)


def _numbers(frame: Any) -> Any:
    table = frames.to_polars(frame)
    if odd := [name for name, kind in table.schema.items() if not (kind.is_numeric() or str(kind) == "Boolean")]:
        raise InvalidInput(f"The column {odd[0]!r} is not numeric; make numbers of it as before training.")
    return table.to_numpy()


def _array(rows: Any) -> Any:
    import numpy as np

    try:
        array = np.asarray(rows)
    except ValueError:
        raise InvalidInput("The rows differ in length.") from None
    if array.dtype.kind not in frames.PLAIN:
        raise InvalidInput(f"The rows are of {array.dtype}; give numbers, or a DataFrame of named columns.")
    return array


def _csv(rows: Any) -> bytes:
    return frames.to_polars(rows).fill_nan(None).write_csv(include_header=False).encode()


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
    raise InvalidInput(f"A value of type {type(value).__name__} cannot be sent in a row; give numbers or texts.")


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
        raise PredictionFailed(f"The endpoint's answer is no JSON: {body[:80]!r}.") from None
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
