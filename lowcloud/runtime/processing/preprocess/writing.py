"""Writes processed parts to files: the label first, then the features, block by block."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl

from lowcloud.runtime.feature_transforms import Transform
from lowcloud.runtime.feature_transforms.cells import Numbers, Vector
from lowcloud.runtime.processing.preprocess.splitting import RowIndices
from lowcloud.schemas.tables import distinct_names

BLOCK_VALUES = 4 << 20  # limits memory, since the complete output may be large


def write(
    folder: Path,
    part: str,
    transform: Transform,
    columns: Mapping[str, Vector],
    labels: Numbers | None,
    rows: RowIndices,
    out_of_fold: Mapping[str, Numbers],
    format_: str,
) -> None:
    """Write the rows of a part; `out_of_fold` has feature values that replace the transform's for these rows."""
    (folder / part).mkdir(parents=True, exist_ok=True)
    blocks = _blocks(transform, columns, labels, rows, out_of_fold)
    if format_ == "parquet":
        for i, block in enumerate(blocks):
            block.write_parquet(folder / part / f"part-{i:05}.parquet")
        return
    with (folder / part / f"{part}.csv").open("wb") as file:
        for block in blocks:
            _append(block, file)


def _append(block: pl.DataFrame, file: BinaryIO) -> None:
    integers = [
        series.name
        for series in block.get_columns()
        if bool(((series == series.floor()) & (series.abs() < 1e15)).fill_null(True).all())
    ]
    block.with_columns(pl.col(integers).cast(pl.Int64)).write_csv(file, include_header=False)


def _blocks(
    transform: Transform,
    columns: Mapping[str, Vector],
    labels: Numbers | None,
    rows: RowIndices,
    out_of_fold: Mapping[str, Numbers],
) -> Iterator[pl.DataFrame]:
    names = [*([transform.target.name] if transform.target and labels is not None else []), *transform.names]
    used = {source.name for source in transform.used}
    step = max(1, BLOCK_VALUES // len(names))
    for start in range(0, len(rows), step):
        chosen = rows[start : start + step]
        block = transform.block({name: column[chosen] for name, column in columns.items() if name in used})
        place = 0
        for feature in transform.features:
            width = len(feature.names)
            if feature.column in out_of_fold:
                block[:, place : place + width] = out_of_fold[feature.column][start : start + step]
            place += width
        if labels is not None:
            block = np.column_stack([labels[chosen], block])
        yield pl.DataFrame(block, schema=distinct_names(names), orient="row").fill_nan(None)
