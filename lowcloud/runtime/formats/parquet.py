"""Parquet channels: numeric columns, the label first, read in slices."""

import importlib.util
from io import BytesIO
from typing import BinaryIO

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats.csv import is_file
from lowcloud.runtime.formats.table import DenseTable

SLICE_VALUES = 4 << 20


def read(stream: BinaryIO, name: str, table: DenseTable) -> None:
    """Append a file's rows to the table. Raises ClientError naming the invalid column or row."""
    if importlib.util.find_spec("polars") is None:
        raise ClientError(
            f"{name} is parquet, and polars, which reads it, is not installed where this runs. "
            "Install it (pip install 'lowcloud[data]'), or send CSV."
        )
    import polars  # here, because its threads must not start before the warm parent forks

    try:
        frame = polars.scan_parquet(stream.name if is_file(stream) else BytesIO(stream.read()))
        schema = frame.collect_schema()
        rows = int(frame.select(polars.len()).collect().item())
        _check_types(dict(schema), name)
        label = schema.names()[0]
        if table.columns is None:
            table.set_columns(len(schema), name)
        elif table.columns != len(schema):
            raise ClientError(f"{name} has {len(schema)} columns; {table.columns} were expected.")
        casts = [polars.col(label).cast(polars.Float64), polars.exclude(label).cast(polars.Float32)]
        step = max(1, SLICE_VALUES // len(schema))
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
    except (polars.exceptions.PolarsError, OSError) as error:
        raise ClientError(f"{name} is not a valid Parquet file ({str(error)[:200]}). Write the file again.") from None


def _check_types(schema: dict[str, object], name: str) -> None:
    for column, data_type in schema.items():
        if not (getattr(data_type, "is_numeric", lambda: False)() or str(data_type) == "Boolean"):
            raise ClientError(f"{name}, column {column!r} has type {data_type}. Encode it as numbers or leave it out.")
