"""CPU seconds of reading CSV into float32: Lowcloud's strict reader, polars and pandas, on plain and irregular text.

python benchmarks/csv_reading.py [ROWS]

The readers take turns, and each ratio is the median of those of the rounds. Reading is single-threaded in all of them.
"""

import io
import os
import random
import statistics
import sys
import time
from collections.abc import Callable

os.environ["POLARS_MAX_THREADS"] = "1"

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from lowcloud.runtime.formats import csv
from lowcloud.runtime.formats.table import DenseTable

COLUMNS = 20
ROUNDS = 5
SEED = 0
Matrix = NDArray[np.float32]
Cells = list[list[str]]


def plain(rows: Cells) -> Cells:
    return rows


def empty_cells(rows: Cells) -> Cells:
    draw = random.Random(SEED)
    return [[row[0], *("" if draw.random() < 0.1 else cell for cell in row[1:])] for row in rows]


def quoted(rows: Cells) -> Cells:
    return [[f'"{cell}"' for cell in row] for row in rows]


def one_quoted_column(rows: Cells) -> Cells:
    return [[*row[:-1], f'"{row[-1]}"'] for row in rows]


def quoted_and_empty_cells(rows: Cells) -> Cells:
    return [[f'"{cell}"' if cell else cell for cell in row] for row in empty_cells(rows)]


def without_leading_zeros(rows: Cells) -> Cells:
    return [[cell.replace("0.", ".") if cell.startswith(("0.", "-0.")) else cell for cell in row] for row in rows]


def read(data: bytes) -> Matrix:
    """Read as a training channel does, missing values included."""
    table = DenseTable(empty=float("nan"))
    csv.read(io.BytesIO(data), "train/a.csv", table)
    return table.features


def read_pandas(data: bytes) -> Matrix:
    return pd.read_csv(io.BytesIO(data), header=None, dtype=np.float32).to_numpy()[:, 1:]


def read_polars(data: bytes) -> Matrix:
    kinds = dict.fromkeys((f"column_{at + 1}" for at in range(COLUMNS)), pl.Float32)
    return pl.read_csv(io.BytesIO(data), has_header=False, schema=kinds).to_numpy()[:, 1:]


def measure(reader: Callable[[bytes], Matrix], data: bytes) -> tuple[float, Matrix]:
    started = time.process_time()
    found = reader(data)
    return time.process_time() - started, found


def compare(change: Callable[[Cells], Cells], rows: Cells) -> tuple[float, float, list[float]]:
    """Return the megabytes of the changed rows, our CPU seconds, and the ratios of pandas and polars to them."""
    data = "".join(",".join(row) + "\n" for row in change(rows)).encode()
    seconds: dict[Callable[[bytes], Matrix], list[float]] = {read: [], read_pandas: [], read_polars: []}
    for _ in range(ROUNDS):
        results = []
        for reader, taken in seconds.items():
            spent, found = measure(reader, data)
            taken.append(spent)
            results.append(found)
        for other in results[1:]:
            np.testing.assert_allclose(other, results[0], rtol=1e-6)
    ours, *others = seconds.values()
    ratios = [statistics.median(other / own for other, own in zip(one, ours, strict=True)) for one in others]
    return len(data) / 1e6, statistics.median(ours), ratios


def main(count: int = 200_000) -> None:
    draw = random.Random(SEED)
    rows = [[str(draw.randrange(2)), *(f"{draw.gauss(0, 1):.6f}" for _ in range(COLUMNS - 1))] for _ in range(count)]
    table = Table(f"{count} rows", "CPU s", "MB/s", "per byte", "pandas", "polars")
    plain_per_megabyte = None
    for change in (plain, empty_cells, one_quoted_column, quoted, quoted_and_empty_cells, without_leading_zeros):
        megabytes, seconds, ratios = compare(change, rows)
        plain_per_megabyte = plain_per_megabyte or seconds / megabytes
        table.add_row(
            change.__name__.replace("_", " "),
            f"{seconds:.2f}",
            f"{megabytes / seconds:.0f}",
            f"{seconds / megabytes / plain_per_megabyte:.1f}x",
            *(f"{ratio:.2f}x" for ratio in ratios),
        )
    Console().print(table)
    print("per byte: compared with plain; pandas, polars: their CPU seconds compared with Lowcloud's")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
