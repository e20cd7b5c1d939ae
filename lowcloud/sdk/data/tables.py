"""pandas and polars tables and numpy arrays: recognised, split, and written so that they can be restored."""

import importlib.util
import random
from collections.abc import Iterable
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

from lowcloud.sdk import wording
from lowcloud.sdk.data import cells
from lowcloud.sdk.data.reading import Places
from lowcloud.sdk.errors import InvalidInputError

if TYPE_CHECKING:
    import polars as pl

SEED = 0  # fixed, so that the same data is always split in the same way
PLAIN_KINDS = "biufmM"  # kinds of numpy dtypes that need no conversion


def library_of(data: object) -> str:
    """Return the library of a table or array, "pandas", "polars" or "numpy", or "" for other data."""
    kind = type(data)
    name = kind.__module__.partition(".")[0]
    return name if (name, kind.__name__) in _TABLES or _is_array(data) else ""


def split_rows(data: Any, fraction: float) -> tuple[Any, Any]:
    """Split off a random fraction of the rows. Returns the other rows and those, both in their original order.

    Raises InvalidInputError if either part would be empty.
    """
    count = len(data)
    size = round(count * fraction)
    if not 0 < size < count:
        raise InvalidInputError(
            f"A fraction of {fraction} of {count} rows is {size} rows; give one between 0 and 1 that leaves rows."
        )
    chosen = set(random.Random(SEED).sample(range(count), size))
    rest = [row for row in range(count) if row not in chosen]
    return _rows(data, rest), _rows(data, sorted(chosen))


def counts_rows(column: "pl.Series") -> bool:
    """Return whether a column has distinct whole numbers, as the index of a table has."""
    import polars as pl

    numbers = column.cast(pl.Int64, strict=False) if column.dtype == pl.String else column
    return numbers.dtype.is_integer() and not numbers.null_count() and numbers.n_unique() == len(numbers)


def check_present(table: "pl.DataFrame", names: Iterable[str], places: Places) -> None:
    """Raise InvalidInputError for the first of these columns that lacks a value."""
    for name in names:
        if table[name].null_count():
            row = int(table[name].is_null().arg_max() or 0)
            raise InvalidInputError(
                f"The column {name!r} has no value in {places.row(row)}. Drop such rows or fill in values, for "
                "example with pandas' dropna or fillna."
            )


def require_polars() -> None:
    """Raise InvalidInputError if polars, which converts tables, is not installed."""
    if importlib.util.find_spec("polars") is None:
        raise InvalidInputError(
            "Tables need polars, which is not installed: pip install 'lowcloud[data]'. "
            f"{wording.argument('raw', True)} sends a file of numbers as it is."
        )


def to_polars(data: Any) -> "pl.DataFrame":
    """Convert a table, or an array of shape (rows, columns), to polars; array columns are named "0", "1" and so on.

    Raises InvalidInputError naming a column that cannot be converted.
    """
    require_polars()
    import polars as pl

    match library_of(data):
        case "polars":
            table: pl.DataFrame = data
            return table
        case "numpy":
            if data.ndim != 2 or data.dtype.kind not in PLAIN_KINDS:
                raise InvalidInputError(
                    f"The array has shape {data.shape} and dtype {data.dtype}; give numbers of shape (rows, columns)."
                )
            return pl.DataFrame(data, schema=[str(column) for column in range(data.shape[1])], orient="row")
        case _:
            _check_names(data)
            return pl.DataFrame([_column(str(name), data.iloc[:, at]) for at, name in enumerate(data.columns)])


def to_npy(array: Any) -> bytes:
    """Write an array in numpy's format. Raises InvalidInputError for one of Python objects."""
    import numpy as np

    target = BytesIO()
    try:
        np.save(target, array, allow_pickle=False)
    except ValueError:
        raise InvalidInputError(
            f"An array of {array.dtype} cannot be sent; convert it to numbers or strings."
        ) from None
    return target.getvalue()


def to_parquet(data: Any) -> tuple[bytes, dict[str, Any]]:
    """Write a table as Parquet. Returns it with a description from which job_program.py restores the same table."""
    if library_of(data) == "polars":
        return _written(to_polars(data)), {"kind": "polars"}
    frame, index = _without_index(data)
    _check_names(frame)
    if invalid := [name for name in frame.columns if not isinstance(name, str | int)]:
        raise InvalidInputError(f"The column name {invalid[0]!r} is neither a string nor an integer.")
    columns = [_description(name, frame.iloc[:, at]) for at, name in enumerate(frame.columns)]
    return _written(to_polars(frame)), {"kind": "pandas", "columns": columns, "index": index}


_TABLES = {("pandas", "DataFrame"), ("polars", "DataFrame")}


def _is_array(data: object) -> bool:
    return type(data).__module__.partition(".")[0] == "numpy" and hasattr(data, "__array_interface__")


def _rows(data: Any, rows: list[int]) -> Any:
    return data.iloc[rows] if library_of(data) == "pandas" else data[rows]


def _written(table: "pl.DataFrame") -> bytes:
    target = BytesIO()
    table.write_parquet(target, statistics=False)
    return target.getvalue()


def _without_index(frame: Any) -> tuple[Any, list[str | None] | None]:
    """Return the table with its index as first columns, and the index names; None for a default index."""
    import pandas as pd

    if isinstance(frame.index, pd.RangeIndex) and frame.index.start == 0 and frame.index.step == 1:
        return frame, None
    names = list(frame.index.names)
    return frame.reset_index(names=[f"__index_{number}" for number in range(len(names))]), names


def _check_names(frame: Any) -> None:
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        duplicate = next(name for name in names if names.count(name) > 1)
        raise InvalidInputError(
            f"The table has several columns named {duplicate!r}; give each column a different name."
        )


def _description(name: str | int, column: Any) -> dict[str, Any]:
    dtype = column.dtype
    described = {"name": name, "type": str(dtype), "is_plain": _is_plain(dtype)}
    if str(dtype) == "category":
        described |= {"categories": dtype.categories.tolist(), "is_ordered": bool(dtype.ordered)}
    return described


def _is_plain(dtype: Any) -> bool:
    return type(dtype).__module__.startswith("numpy") and dtype.kind in PLAIN_KINDS


def _column(name: str, column: Any) -> "pl.Series":
    import polars as pl

    values: Any
    if _is_plain(column.dtype):
        values = column.to_numpy()
    else:
        missing = column.isna()
        values = [
            None if is_missing else value for value, is_missing in zip(column.astype(object), missing, strict=True)
        ]
        moments = ((str(value), value) for value in values if isinstance(value, datetime))
        cells.check_offsets(name, moments, Places("the table"))  # polars would take all as UTC
    try:
        return pl.Series(name, values)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        types = sorted({type(value).__name__ for value in values if value is not None})
        raise InvalidInputError(
            f"The column {name!r} of type {column.dtype} has values of the types {', '.join(types)}, which cannot be "
            "sent. Convert it to values of one type, such as numbers or strings."
        ) from None
