"""CSV channels: numbers without a header, the label first. Polars reads what is big, this module the rest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats.table import Table

CHUNK_BYTES = 4 << 20  # small enough that turning polars' columns into rows stays in the cache
SMALL_BYTES = 1 << 20  # below this, importing polars (0.15 s) costs more than it saves


def read(stream: BinaryIO, name: str, table: Table) -> None:
    """Append a file's rows to the table. Raises ClientError naming file, line and column."""
    line = 1
    for chunk in _chunks(stream):
        if table.columns is None:
            table.set_columns(chunk.split(b"\n", 1)[0].count(b",") + 1, f"{name}, line 1")
        block = None if len(chunk) < SMALL_BYTES else _read_fast(chunk, table.columns)
        if block is None:
            block = read_exact(chunk, name, line, table.columns)
        table.append(block, name)
        line += chunk.count(b"\n")


def read_exact(chunk: bytes, name: str, first_line: int, columns: int | None) -> NDArray[np.float64]:
    """Rows of a chunk of whole lines, (rows, columns), every cell checked. Raises ClientError at the first fault."""
    lines = [(number, line) for number, line in enumerate(_decode(chunk, name).split("\n"), first_line) if line.strip()]
    try:
        rows = np.array([[float(cell) for cell in line.split(",")] for _, line in lines])
        if rows.ndim == 2 and rows.shape[1] == columns and np.isfinite(rows).all():
            return rows
    except ValueError:
        pass  # told apart below
    return np.array([_exact_row(line, name, number, columns) for number, line in lines]).reshape(len(lines), -1)


def _exact_row(line: str, name: str, number: int, columns: int | None) -> list[float]:
    cells = line.split(",")
    row = []
    for column, cell in enumerate(cells, 1):
        text = cell.strip().strip('"')
        try:
            value = float(text)
        except ValueError:
            raise _bad_cell(line, name, number, column, text) from None
        if not np.isfinite(value):
            raise ClientError(
                f"{name}, line {number}, column {column}: {text} is not a finite number. "
                "Remove the row or replace the value."
            )
        row.append(value)
    if columns is not None and len(row) != columns:
        raise ClientError(
            f"{name}, line {number} has {len(row)} columns where {columns} were expected "
            f"(the label and {columns - 1} features). Give every line the same number of columns."
        )
    return row


def _bad_cell(line: str, name: str, number: int, column: int, text: str) -> ClientError:
    place = f"{name}, line {number}, column {column}"
    if not text:
        return ClientError(f"{place} is empty. Remove the row or fill the value in.")
    if number == 1:
        cells = line.split(",")
        if len(cells) == 1 and any(separator in text for separator in ";\t |"):
            return ClientError(f"{place}: {text[:60]!r} is not a number. Separate the columns by commas.")
        if sum(not _is_number(cell) for cell in cells) * 2 > len(cells):
            return ClientError(
                f"{name}, line 1 looks like a header ({line.strip()[:60]!r}). "
                "CSV is read without one: remove the first line, and put the label in the first column."
            )
    return ClientError(f"{place}: {text[:60]!r} is not a number. Encode text columns as numbers, or remove the row.")


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().strip('"'))
    except ValueError:
        return False
    return True


def _read_fast(chunk: bytes, columns: int | None) -> Any | None:
    """The chunk as a polars frame, or None where something in it needs a closer look."""
    import polars  # lazily: its threads must not be started before the warm parent forks

    schema = {"label": polars.Float64} | {str(i): polars.Float32 for i in range(1, columns or 1)}
    try:
        frame = polars.read_csv(chunk, has_header=False, schema=schema)
    except polars.exceptions.PolarsError:
        return None
    return None if any(column.null_count() for column in frame.get_columns()) else frame


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Pieces of about CHUNK_BYTES that end with a whole line."""
    rest = b""
    while piece := stream.read(CHUNK_BYTES):
        cut = piece.rfind(b"\n") + 1
        if not cut:
            rest += piece
            continue
        yield rest + piece[:cut] if rest else piece[:cut]
        rest = piece[cut:]
    if rest.strip():
        yield rest


def _decode(chunk: bytes, name: str) -> str:
    try:
        return chunk.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ClientError(
            f"{name} is not text (byte {error.start} of a block is {chunk[error.start]:#04x}). "
            "Send CSV as UTF-8, or name the right ContentType."
        ) from None


def line_of(path_stream: BinaryIO, row: int) -> int:
    """The line number of the row with this index: blank lines hold no row."""
    for number, line in enumerate(path_stream, 1):
        if line.strip():
            if row == 0:
                return number
            row -= 1
    raise AssertionError("the row was read from this file")


def name_of(path: Path, channel: Path) -> str:
    """How messages name a file: relative to its channel."""
    return str(path.relative_to(channel.parent))
