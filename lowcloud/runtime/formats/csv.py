"""CSV channels: numbers without a header, the label first.

A chunk of lines is parsed by simdjson if possible, otherwise by Python's float, as one list of numbers; what they
refuse is read cell by cell (csv_rows.py), which alone decides what is valid and reports errors.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from mmap import ACCESS_READ, MADV_DONTNEED, PAGESIZE, mmap
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO

import numpy as np
import simdjson
from numpy.typing import NDArray

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats import csv_rows
from lowcloud.runtime.formats.table import DenseTable

CHUNK_BYTES = 1 << 19  # stays in the processor's cache until it is in the table
LINE_MARK = 9e-307  # ends each line; a chunk that contains this number itself is read cell by cell
LINE_END = b",9e-307,"
COMMA, LINE, POINT, QUOTE, ZERO = b',\n."0'
NO_STRUCTURE = bytes(set(range(256)) - set(b'",\r\n'))
IS_DIGIT, TAKES_ZERO, SEPARATES = (
    np.isin(np.arange(256), np.frombuffer(some, np.uint8)) for some in (b"0123456789", b",\n-", b",\r\n")
)

Block = tuple[NDArray[Any], NDArray[Any]]  # features (rows, features) and labels (rows,)
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """How the lines of a file are read; `empty` is the value of empty cells and of nan, None forbids them."""

    name: str
    columns: int | None
    empty: float | None = None
    delimiter: bytes = csv_rows.COMMA
    first_line: int = 1  # the first that is not blank


def read(stream: BinaryIO, name: str, table: DenseTable, other_delimiters: bytes = b"") -> None:
    """Append a file's rows to the table. Raises ClientError naming file, line and column.

    Columns are separated by commas or, if the first line has none, by the first of `other_delimiters` in it.
    """
    line = 1
    parser = simdjson.Parser()  # one for all chunks: it reuses its memory
    layout: Layout | None = None
    for chunk in chunks(stream):
        ends = chunk.count(b"\n")
        layout = layout or _find_layout(chunk, line, name, table, other_delimiters)
        if layout is not None:
            block = read_fast(chunk, ends + (not chunk.endswith(b"\n")), layout, parser)
            if block is None:
                rows = read_exact(chunk, layout, line)
                block = rows[:, 1:], rows[:, 0]
            features, labels = block
            table.append(features, labels, name)
        line += ends


def read_exact(chunk: bytes, layout: Layout, line: int = 1) -> Numbers:
    """Parse a chunk of complete lines into (rows, columns), cell by cell. Raises ClientError at the first error."""
    lines = enumerate(chunk.split(b"\n"), line)
    rows = [_read_row(text, number, layout) for number, text in lines if not csv_rows.is_blank(text)]
    return np.array(rows, np.float64).reshape(len(rows), layout.columns or -1)


def read_fast(chunk: bytes, lines: int, layout: Layout, parser: simdjson.Parser) -> Block | None:
    """Parse a chunk of so many lines as read_exact does, or return None."""
    if layout.delimiter != csv_rows.COMMA:
        if csv_rows.COMMA in chunk:
            return None
        chunk = chunk.replace(layout.delimiter, csv_rows.COMMA)
    if b"[" in chunk:  # would nest arrays
        return None
    numbers = _parse_json(chunk, parser)
    if numbers is None:
        numbers = _parse_irregular(chunk, layout.empty, parser)
    return None if numbers is None else _split_block(numbers, lines, layout.columns or 0)


def _parse_irregular(chunk: bytes, empty: float | None, parser: simdjson.Parser) -> Numbers | None:
    """Parse a chunk with quoted fields, empty cells or numbers that JSON does not have; None if it cannot."""
    if b"_" in chunk:  # as in 1_000
        return None
    if b'"' in chunk:
        if not _are_quoted_fields(chunk):
            return None
        chunk = chunk.translate(None, b'"')
        if (numbers := _parse_json(chunk, parser)) is not None:
            return numbers
    text, places = _fill_empty_cells(chunk)
    if len(places) and empty is None:
        return None
    numbers = _parse_json(text, parser)
    if numbers is None:
        with_zeros = _with_leading_zeros(text)
        if with_zeros is None:
            return None
        numbers = _parse_json(with_zeros, parser)
        if numbers is None:
            numbers = _parse_floats(text, empty)
    if numbers is not None and len(places):
        numbers = numbers.copy()
        numbers[places] = empty
    return numbers


def _find_layout(chunk: bytes, line: int, name: str, table: DenseTable, others: bytes) -> Layout | None:
    """Return the layout of a file by its first line, which is checked, and set the columns of an empty table."""
    for number, first in enumerate(chunk.split(b"\n"), line):
        if not csv_rows.is_blank(first):
            layout = Layout(name, None, table.empty, csv_rows.find_delimiter(first, others), number)
            columns = len(_read_row(first, number, layout))
            if table.columns is None:
                table.set_columns(columns, f"{name}, line {number}")
            return Layout(name, table.columns, table.empty, layout.delimiter, number)
    return None


def _read_row(text: bytes, line: int, layout: Layout) -> list[float]:
    try:
        return csv_rows.read_row(text, layout.columns, layout.empty, layout.delimiter)
    except csv_rows.RowError as error:
        raise _error(error, text, line, layout) from None


def _error(error: csv_rows.RowError, text: bytes, line: int, layout: Layout) -> ClientError:
    place = f"{layout.name}, line {line}"
    try:
        text.decode()
    except UnicodeDecodeError as invalid:
        return ClientError(
            f"{place} is not text (byte {invalid.start} of the line is {text[invalid.start]:#04x}). "
            "Send CSV as UTF-8, or name the right ContentType."
        )
    if line == layout.first_line and csv_rows.looks_like_header(text, layout.delimiter):
        return ClientError(
            f"{place} looks like a header ({csv_rows.shown(text.strip())}). "
            "CSV files must not have one: remove the first line, and put the label in the first column."
        )
    if isinstance(error, csv_rows.WidthError) and layout.columns is not None:
        return ClientError(
            f"{place} has {error.cells} columns; {layout.columns} were expected (the label and {layout.columns - 1} "
            f"features). {error.remedy}"
        )
    place = place if error.column is None else f"{place}, column {error.column}"
    return ClientError(f"{place}{error.problem}. {error.remedy}")


def _fill_empty_cells(chunk: bytes) -> tuple[bytes, NDArray[np.int64]]:
    """Return the chunk with 0 in empty cells, and the places of these among its numbers and the marks of lines."""
    chunk = chunk.replace(b"\r\n", b"\n") if b"\r" in chunk else chunk
    raw = np.frombuffer(b"\n" + chunk + (b"" if chunk.endswith(b"\n") else b"\n"), np.uint8)
    separators = np.flatnonzero((raw == COMMA) | (raw == LINE))
    cells = np.flatnonzero(np.diff(separators) == 1)  # cell i follows separator i
    if not len(cells):
        return chunk, cells
    lines = np.cumsum(raw[separators] == LINE)[cells] - 1  # before each
    return np.insert(raw, separators[cells] + 1, ZERO)[1:].tobytes(), cells + lines


def _with_leading_zeros(text: bytes) -> bytes | None:
    """Return the text with 0.5 for .5, as JSON requires; None if it has a point without digits, which is no number."""
    raw = np.frombuffer(b"\n" + text + b"\n", np.uint8)
    points = np.flatnonzero(raw == POINT)
    has_digit = IS_DIGIT[raw[points - 1]]
    if not (has_digit | IS_DIGIT[raw[points + 1]]).all():
        return None
    return np.insert(raw, points[~has_digit & TAKES_ZERO[raw[points - 1]]], ZERO)[1:-1].tobytes()


def _are_quoted_fields(chunk: bytes) -> bool:
    """Return whether all quotation marks are at the ends of fields that have two, and no separators within."""
    raw = np.frombuffer(b"\n" + chunk + b"\n", np.uint8)
    quotes = np.flatnonzero(raw == QUOTE)
    opening, closing = quotes[::2], quotes[1::2]
    if len(opening) != len(closing):
        return False
    are_ends = SEPARATES[raw[opening - 1]].all() and SEPARATES[raw[closing + 1]].all()
    return bool(are_ends) and chunk.translate(None, NO_STRUCTURE).count(b'""') == len(opening)


def _parse_json(chunk: bytes, parser: simdjson.Parser) -> Numbers | None:
    """Parse the chunk with simdjson, as one JSON array of numbers; None if one is not valid JSON, such as .5 or nan.

    This is twice as fast as the fastest CSV parser (docs/decisions). The numbers are valid until the next call.
    """
    try:
        return np.frombuffer(parser.parse(b"[" + _joined(chunk) + b"]").as_buffer(of_type="d"))  # type: ignore[union-attr]
    except (ValueError, TypeError, RuntimeError):  # RuntimeError: an integer of more than 64 bits
        return None


def _parse_floats(chunk: bytes, empty: float | None) -> Numbers | None:
    """Parse the chunk as a list of Python's floats, with `empty` for nan; None if one is invalid."""
    try:
        numbers = np.array(list(map(float, _joined(chunk).split(csv_rows.COMMA))))
    except ValueError:
        return None
    if empty is not None:
        numbers[np.isnan(numbers)] = empty
        return None if np.isinf(numbers).any() else numbers
    return numbers if np.isfinite(numbers).all() else None


def _joined(chunk: bytes) -> bytes:
    """Return the lines as one list of numbers, in which a mark ends each line."""
    return (chunk if chunk.endswith(b"\n") else chunk + b"\n").replace(b"\n", LINE_END)[:-1]


def _split_block(numbers: Numbers, lines: int, columns: int) -> Block | None:
    """Return features and labels; None if the marks show that a line has another number of columns."""
    if len(numbers) != lines * (columns + 1):
        return None
    rows = numbers.reshape(lines, columns + 1)
    is_mark = rows == LINE_MARK
    return (rows[:, 1:-1], rows[:, 0]) if is_mark[:, -1].all() and np.count_nonzero(is_mark) == lines else None


def chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Split a stream, without its byte order mark, into chunks of complete lines, of about CHUNK_BYTES."""
    mark = csv_rows.BYTE_ORDER_MARK
    if not is_file(stream):  # decompressed gzip, or a pipe
        while piece := stream.read(CHUNK_BYTES):
            yield (piece + stream.readline()).removeprefix(mark)
            mark = b""
        return
    with mmap(stream.fileno(), 0, access=ACCESS_READ) as content:
        start = len(mark) if content[: len(mark)] == mark else 0
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


def find_line(stream: BinaryIO, row: int) -> int:
    """Return the line number of the row with this index, since blank lines are not rows."""
    for number, line in enumerate(stream, 1):
        if not csv_rows.is_blank(line.rstrip(b"\n")):
            if row == 0:
                return number
            row -= 1
    raise AssertionError("the row was read from this file")


def display_name(path: Path, channel: Path) -> str:
    """Return the name of a file in messages, which includes its channel."""
    return str(path.relative_to(channel.parent))
