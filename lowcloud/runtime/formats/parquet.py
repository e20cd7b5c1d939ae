"""Parquet channels: numeric columns, read in slices; the label is first in the first file, all others go by its names.

Columns in which pandas stores a table's index are no data.
"""

import importlib.util
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats.csv import is_file
from lowcloud.runtime.formats.table import DenseTable
from lowcloud.schemas import tables

if TYPE_CHECKING:
    import polars

SLICE_VALUES = 4 << 20


def read(stream: BinaryIO, name: str, table: DenseTable) -> None:
    """Append a file's rows to the table. Raises ClientError naming the invalid column or row."""
    if importlib.util.find_spec("polars") is None:
        raise ClientError(
            f"{name} is parquet, and polars, which reads it, is not installed where this runs. "
            "Install it (pip install 'lowcloud[data]'), or send CSV."
        )
    import polars  # here, because its threads must not start before the warm parent forks

    source = Path(stream.name) if is_file(stream) else BytesIO(stream.read())
    try:
        frame = polars.scan_parquet(source)
        schema = frame.collect_schema()
        index = index_columns(source, schema.names())
        if index:
            print(f"{name}: the column {', '.join(map(repr, index))} is an index and was left out.", flush=True)
        names = [column for column in schema.names() if column not in index]
        _check_types({column: schema[column] for column in names}, name)
        names = table.match(names, name)
        if table.columns is None:
            table.set_columns(len(names), name)
        elif table.columns != len(names):
            raise ClientError(f"{name} has {len(names)} columns; {table.columns} were expected.")
        _append(frame.select(names), names[0], name, table)
    except (polars.exceptions.PolarsError, OSError) as error:
        raise ClientError(f"{name} is not a valid Parquet file ({str(error)[:200]}). Write the file again.") from None


def index_columns(source: Path | BytesIO, names: list[str]) -> list[str]:
    """Return the columns that contain the index of the pandas table which was written."""
    import polars

    return tables.index_columns(names, polars.read_parquet_metadata(source).get("pandas"))


def _append(frame: "polars.LazyFrame", label: str, name: str, table: DenseTable) -> None:
    import polars

    rows = int(frame.select(polars.len()).collect().item())
    casts = [polars.col(label).cast(polars.Float64), polars.exclude(label).cast(polars.Float32)]
    step = max(1, SLICE_VALUES // (table.columns or 1))
    for start in range(0, rows, step):
        block = frame.slice(start, step).select(casts).collect()
        for column in block.get_columns():
            if column.null_count() and (table.empty is None or column.name == label):
                row = start + int(column.is_null().arg_max() or 0) + 1
                raise ClientError(
                    f"{name}, row {row}, column {column.name!r} is empty. Remove the row or fill in the value."
                )
        block = block if table.empty is None else block.fill_null(table.empty)
        table.append(block[:, 1:].to_numpy(), block.to_series(0).to_numpy(), name)


def _check_types(schema: dict[str, object], name: str) -> None:
    for column, data_type in schema.items():
        if not (getattr(data_type, "is_numeric", lambda: False)() or str(data_type) == "Boolean"):
            raise ClientError(f"{name}, column {column!r} has type {data_type}. Encode it as numbers or leave it out.")
