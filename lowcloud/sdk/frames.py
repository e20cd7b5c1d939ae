"""Tables of pandas and polars, and arrays of numpy: told apart, split, and written to be read as they were."""

import importlib.util
import random
from io import BytesIO
from typing import TYPE_CHECKING, Any

from lowcloud.sdk.errors import InvalidInputError

if TYPE_CHECKING:
    import polars as pl

SEED = 0  # of the rows that a fraction takes: the same data gives the same rows
PLAIN = "biufmM"  # kinds of numpy types that go and come as they are


def library(data: object) -> str:
    """The library whose table or array this is: "pandas", "polars" or "numpy"; else ""."""
    kind = type(data)
    name = kind.__module__.partition(".")[0]
    return name if (name, kind.__name__) in _TABLES or _is_array(data) else ""


def require_polars() -> None:
    """Raises InvalidInputError where tables cannot be read or sent."""
    if importlib.util.find_spec("polars") is None:
        raise InvalidInputError("Tables need polars, which is not installed: pip install 'lowcloud[data]'.")


def split(data: Any, fraction: float) -> tuple[Any, Any]:
    """The rows of a table without a random fraction of them, and these; both in their order.

    Raises InvalidInputError.
    """
    count = len(data)
    taken = round(count * fraction)
    if not 0 < taken < count:
        raise InvalidInputError(f"A fraction of {fraction} of {count} rows is {taken}; give one between 0 and 1.")
    chosen = set(random.Random(SEED).sample(range(count), taken))
    rest = [row for row in range(count) if row not in chosen]
    return _rows(data, rest), _rows(data, sorted(chosen))


def to_polars(data: Any) -> "pl.DataFrame":
    """A table, or an array of (rows, columns), as polars holds it; columns of an array are "0", "1" and so on.

    Raises InvalidInputError naming the column that cannot be.
    """
    require_polars()
    import polars as pl

    match library(data):
        case "polars":
            table: pl.DataFrame = data
            return table
        case "numpy":
            if data.ndim != 2 or data.dtype.kind not in PLAIN:
                raise InvalidInputError(
                    f"The array has shape {data.shape} and type {data.dtype}; give numbers (rows, columns)."
                )
            return pl.DataFrame(data, schema=[str(column) for column in range(data.shape[1])], orient="row")
        case _:
            _check_names(data)
            return pl.DataFrame([_column(str(name), data.iloc[:, at]) for at, name in enumerate(data.columns)])


def to_parquet(data: Any) -> tuple[bytes, dict[str, Any]]:
    """A table as Parquet, and what makes the very same table of it again (program.py reads both)."""
    if library(data) == "polars":
        return _written(to_polars(data)), {"kind": "polars"}
    frame, index = _without_index(data)
    _check_names(frame)
    if odd := [name for name in frame.columns if not isinstance(name, str | int)]:
        raise InvalidInputError(f"The column {odd[0]!r} has no plain name; name columns by texts or whole numbers.")
    columns = [_description(name, frame.iloc[:, at]) for at, name in enumerate(frame.columns)]
    return _written(to_polars(frame)), {"kind": "pandas", "columns": columns, "index": index}


_TABLES = {("pandas", "DataFrame"), ("polars", "DataFrame")}


def _is_array(data: object) -> bool:
    return type(data).__module__.partition(".")[0] == "numpy" and hasattr(data, "__array_interface__")


def _rows(data: Any, rows: list[int]) -> Any:
    return data.iloc[rows] if library(data) == "pandas" else data[rows]


def _written(table: "pl.DataFrame") -> bytes:
    target = BytesIO()
    table.write_parquet(target, statistics=False)
    return target.getvalue()


def _without_index(frame: Any) -> tuple[Any, list[str | None] | None]:
    """The table with its index as columns in front, and the index's names; None for rows that are only counted."""
    import pandas as pd

    if isinstance(frame.index, pd.RangeIndex) and frame.index.start == 0 and frame.index.step == 1:
        return frame, None
    names = list(frame.index.names)
    return frame.reset_index(names=[f"__index_{number}" for number in range(len(names))]), names


def _check_names(frame: Any) -> None:
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInputError(
            f"The table has several columns of the same name, {twice!r}; give each one a name of its own."
        )


def _description(name: str | int, column: Any) -> dict[str, Any]:
    dtype = column.dtype
    described = {"name": name, "type": str(dtype), "is_plain": _is_plain(dtype)}
    if str(dtype) == "category":
        described |= {"categories": dtype.categories.tolist(), "is_ordered": bool(dtype.ordered)}
    return described


def _is_plain(dtype: Any) -> bool:
    return type(dtype).__module__.startswith("numpy") and dtype.kind in PLAIN


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
    try:
        return pl.Series(name, values)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        said = str(error).splitlines()[0]
        raise InvalidInputError(
            f"The column {name!r} of type {column.dtype} cannot be sent: {said}. Make it one kind of value, such as "
            "numbers or texts."
        ) from None
