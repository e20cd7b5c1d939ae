"""CSV channels: numbers without a header, the label first.

Each chunk of lines is parsed by simdjson if possible, otherwise by polars if it is installed, otherwise line by line
with exact errors.
"""

import importlib.util
import os
from collections.abc import Iterator
from io import BufferedReader
from math import isnan
from mmap import ACCESS_READ, MADV_DONTNEED, PAGESIZE, mmap
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO

import numpy as np
import simdjson
from numpy.typing import NDArray

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats.table import DenseTable

CHUNK_BYTES = 1 << 19  # stays in the processor's cache until it is in the table
SMALL_BYTES = 1 << 18  # below this, importing polars (0.15 s) costs more than it saves
LINE_MARK = 9e-307  # a number that does not occur in real data
LINE_END = b",9e-307,"
EMPTY_MARK = 9e-306
EMPTY = b"9e-306"

Block = tuple[NDArray[Any], NDArray[Any]]  # features (rows, features) and labels (rows,)


def read(stream: BinaryIO, name: str, table: DenseTable, other_delimiters: bytes = b"") -> None:
    """Append a file's rows to the table. Raises ClientError naming file, line and column.

    Columns are separated by commas or, if the first line has none, by the first of `other_delimiters` in it.
    """
    line = 1
    is_lenient = False
    parser = simdjson.Parser()  # one for all chunks: it reuses its memory
    delimiter: bytes | None = None
    for chunk in chunks(stream):
        if delimiter is None:
            delimiter = _delimiter(chunk, other_delimiters)
        if delimiter != b",":
            chunk = chunk.replace(delimiter, b",")  # noqa: PLW2901
        if table.columns is None:
            _set_columns(chunk, name, table)
        if table.columns is None:
            line += chunk.count(b"\n")  # only blank lines
            continue
        block = None if is_lenient else _read_fast(chunk, table.columns, parser, table.empty)
        if block is None and len(chunk) >= SMALL_BYTES:
            block = _read_lenient(chunk, table.columns, table.empty)
            is_lenient |= block is not None
        if block is None:
            rows = read_exact(chunk, name, line, table.columns, table.empty)
            block = rows[:, 1:], rows[:, 0]
            line += chunk.count(b"\n") - len(rows)
        features, labels = block
        line += len(labels)  # the other parsers accept no blank lines
        table.append(features, labels, name)


def read_exact(
    chunk: bytes, name: str, first_line: int, columns: int, empty: float | None = None
) -> NDArray[np.float64]:
    """Parse a chunk of complete lines into (rows, columns), checking every cell. Raises ClientError at the first error.

    `empty` is the value of empty cells and of nan; None forbids them.
    """
    lines = [(number, line) for number, line in enumerate(_decode(chunk, name).split("\n"), first_line) if line.strip()]
    try:
        rows = np.array([[float(cell) for cell in line.split(",")] for _, line in lines])
        if b"_" not in chunk and rows.ndim == 2 and rows.shape[1] == columns and np.isfinite(rows).all():
            return rows
    except ValueError:
        pass  # reported below
    exact = [_exact_row(line, name, number, columns, empty) for number, line in lines]
    return np.array(exact).reshape(len(lines), columns)


def _exact_row(line: str, name: str, number: int, columns: int, empty: float | None) -> list[float]:
    cells = line.split(",")
    row = []
    for column, cell in enumerate(cells, 1):
        text = cell.strip().strip('"')
        value = _number(text)
        if empty is not None and (not text or (value is not None and isnan(value))):
            value = empty
        elif value is None:
            raise _cell_error(line, name, number, column, text)
        elif not np.isfinite(value):
            raise ClientError(
                f"{name}, line {number}, column {column}: {text} is not a finite number. "
                "Remove the row or replace the value."
            )
        row.append(value)
    if len(row) != columns:
        raise ClientError(
            f"{name}, line {number} has {len(row)} columns; {columns} were expected "
            f"(the label and {columns - 1} features). Give every line the same number of columns."
        )
    return row


def _cell_error(line: str, name: str, number: int, column: int, text: str) -> ClientError:
    place = f"{name}, line {number}, column {column}"
    if not text:
        return ClientError(f"{place} is empty. Remove the row or fill in the value.")
    if number == 1:
        cells = line.split(",")
        if len(cells) == 1 and any(separator in text for separator in ";\t |"):
            return ClientError(f"{place}: {text[:60]!r} is not a number. Separate the columns by commas.")
        if sum(_number(cell.strip().strip('"')) is None for cell in cells) * 2 > len(cells):
            return ClientError(
                f"{name}, line 1 looks like a header ({line.strip()[:60]!r}). "
                "CSV files must not have one: remove the first line, and put the label in the first column."
            )
    return ClientError(f"{place}: {text[:60]!r} is not a number. Encode text columns as numbers, or remove the row.")


def _number(text: str) -> float | None:
    """Parse a number, but not Python's form 1_000; None if it is invalid."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _set_columns(chunk: bytes, name: str, table: DenseTable) -> None:
    """Set the number of columns from the first line, after checking that it consists of numbers."""
    first = chunk.lstrip().partition(b"\n")[0]
    if not first:
        return
    columns = first.count(b",") + 1
    line = 1 + chunk[: len(chunk) - len(chunk.lstrip())].count(b"\n")
    read_exact(first, name, line, columns, table.empty)
    table.set_columns(columns, f"{name}, line 1")


def _delimiter(chunk: bytes, others: bytes) -> bytes:
    """Detect the delimiter from the first line."""
    first = chunk.lstrip(b"\r\n").partition(b"\n")[0]
    return next((bytes([other]) for other in others if b"," not in first and bytes([other]) in first), b",")


def _read_fast(chunk: bytes, columns: int, parser: simdjson.Parser, empty: float | None) -> Block | None:
    """Parse the chunk with _read_numbers; if empty cells are allowed, again with a placeholder in each."""
    block = _read_numbers(chunk, columns, parser)
    if block is not None or empty is None:
        return block
    block = _read_numbers(_mark_empty_cells(chunk), columns, parser)
    if block is None:
        return None
    features, labels = (part.copy() for part in block)
    features[features == EMPTY_MARK] = empty
    labels[labels == EMPTY_MARK] = empty
    return features, labels


def _mark_empty_cells(chunk: bytes) -> bytes:
    text = b"\n" + chunk.replace(b"\r\n", b"\n").rstrip(b"\n") + b"\n"
    for _ in range(2):  # the second pass finds cells that share a comma with one found before
        text = text.replace(b",,", b"," + EMPTY + b",")
    return text.replace(b"\n,", b"\n" + EMPTY + b",").replace(b",\n", b"," + EMPTY + b"\n")[1:]


def _read_numbers(chunk: bytes, columns: int, parser: simdjson.Parser) -> Block | None:
    """Parse the chunk with simdjson, as one JSON array of numbers in which a mark number ends each line.

    This is twice as fast as the fastest CSV parser (docs/decisions). Returns None if a number is not valid JSON or the
    marks show that a line has another number of columns.
    """
    if b"[" in chunk:
        return None  # would nest arrays
    text = b"[" + (chunk if chunk.endswith(b"\n") else chunk + b"\n").replace(b"\n", LINE_END)[:-1] + b"]"
    try:
        numbers = np.frombuffer(parser.parse(text).as_buffer(of_type="d"))  # type: ignore[union-attr]
    except (ValueError, TypeError, RuntimeError):  # RuntimeError: an integer of more than 64 bits
        return None
    if len(numbers) % (columns + 1):
        return None
    rows = numbers.reshape(-1, columns + 1)
    return (rows[:, 1:-1], rows[:, 0]) if (rows[:, -1] == LINE_MARK).all() else None


def _read_lenient(chunk: bytes, columns: int, empty: float | None) -> Block | None:
    """Parse the chunk with polars, which accepts .5, +1 and quoted numbers; None if it must be checked line by line."""
    if importlib.util.find_spec("polars") is None:
        return None
    import polars  # here, because its threads must not start before the warm parent forks

    schema = {"label": polars.Float64} | {str(i): polars.Float32 for i in range(1, columns)}
    try:
        frame = polars.read_csv(chunk, has_header=False, schema=schema)
    except polars.exceptions.PolarsError:
        return None
    if empty is not None:
        frame = frame.fill_null(empty)
        return frame[:, 1:].to_numpy(), frame.to_series(0).to_numpy()
    if any(column.null_count() for column in frame.get_columns()):
        return None
    features, labels = frame[:, 1:].to_numpy(), frame.to_series(0).to_numpy()
    with np.errstate(over="ignore", invalid="ignore"):
        return (features, labels) if np.isfinite(features.sum() + labels.sum()) else None


def chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Split a stream into chunks of complete lines, of about CHUNK_BYTES."""
    if not is_file(stream):  # decompressed gzip, or a pipe
        while piece := stream.read(CHUNK_BYTES):
            yield piece + stream.readline()
        return
    with mmap(stream.fileno(), 0, access=ACCESS_READ) as content:
        start = 0
        while start < len(content):
            end = content.rfind(b"\n", start, start + CHUNK_BYTES) + 1 or content.find(b"\n", start) + 1 or len(content)
            end = len(content) if start + CHUNK_BYTES >= len(content) else end
            yield content[start:end]
            start = end
            if start >= PAGESIZE:  # pages that were read should not count as this program's memory
                content.madvise(MADV_DONTNEED, 0, start - start % PAGESIZE)


def is_file(stream: BinaryIO) -> bool:
    """Return whether the stream is a regular file, which can be mapped into memory or opened again."""
    return isinstance(stream, BufferedReader) and S_ISREG(os.fstat(stream.fileno()).st_mode)


def _decode(chunk: bytes, name: str) -> str:
    try:
        return chunk.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ClientError(
            f"{name} is not text (byte {error.start} of a block is {chunk[error.start]:#04x}). "
            "Send CSV as UTF-8, or name the right ContentType."
        ) from None


def find_line(stream: BinaryIO, row: int) -> int:
    """Return the line number of the row with this index, since blank lines are not rows."""
    for number, line in enumerate(stream, 1):
        if line.strip():
            if row == 0:
                return number
            row -= 1
    raise AssertionError("the row was read from this file")


def display_name(path: Path, channel: Path) -> str:
    """Return the name of a file in messages, which includes its channel."""
    return str(path.relative_to(channel.parent))
