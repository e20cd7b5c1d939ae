"""libsvm channels: lines of `label[:weight] [qid:group] column:value ...`, columns counted from 0 as XGBoost does.

A chunk of lines is parsed as one list of numbers, by simdjson or otherwise by NumPy; the separators distinguish columns
from values. Only an invalid chunk is parsed line by line, to report the error.
"""

import re
from typing import BinaryIO

import numpy as np
import simdjson
from numpy.typing import NDArray

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats.csv import chunks
from lowcloud.runtime.formats.sparse import SparseRows, SparseTable

MAX_COLUMN = 2**31 - 2
QID_COLUMN = 2**32 - 1  # replaces the word qid, where a column is expected
COLON, SPACE, LINE = b": \n"
TO_COMMAS = bytes.maketrans(b": \n", b",,,")
TO_SPACES = bytes.maketrans(b":\t\r\v\f", b"     ")
WHITESPACE = bytes.maketrans(b"\t\r\v\f", b"    ")
IRREGULAR = re.compile(rb"[\t\r\v\f#]|  | \n|\n[ \n]|^[ \n]")
COMMENT = re.compile(rb"#[^\n]*")
SPACES_AND_LINES = re.compile(rb" *\n[ \n]*")


def read(stream: BinaryIO, name: str, table: SparseTable) -> None:
    """Append a file's rows to the table. Raises ClientError naming file and line."""
    parser = simdjson.Parser()
    line = 1
    for chunk in chunks(stream):
        rows = parse(chunk, parser)
        if rows is None or (len(rows.labels) and table.has_groups not in (None, rows.queries is not None)):
            raise _first_error(chunk, name, line, table.has_groups)
        line += chunk.count(b"\n")
        if len(rows.labels):
            table.append(rows, name)


def parse(chunk: bytes, parser: simdjson.Parser) -> SparseRows | None:
    """Parse complete lines; None if they are invalid."""
    text = _normalise(chunk)
    if not text:
        return _no_rows()
    queries_count = text.count(b" qid:")
    text = text.replace(b" qid:", b" %d:" % QID_COLUMN)
    raw = np.frombuffer(text, np.uint8)
    separators = raw[(raw == COLON) | (raw == SPACE) | (raw == LINE)]  # separators[i] follows number i
    before = np.concatenate([np.array([LINE], np.uint8), separators[:-1]])
    # A number after a space is a column, so a colon follows; a number after a colon is a value, so none follows.
    if (((before == SPACE) & (separators != COLON)) | ((before == COLON) & (separators == COLON))).any():
        return None
    numbers = _numbers(text, parser)
    if numbers is None or len(numbers) != len(separators):
        return None
    return _rows(numbers, separators, queries_count)


def _normalise(chunk: bytes) -> bytes:
    """Return the text with single spaces and newlines and without blank lines, comments and plus signs."""
    text = chunk if chunk.endswith(b"\n") else chunk + b"\n"
    if IRREGULAR.search(text):
        text = COMMENT.sub(b"", text).translate(WHITESPACE).strip() + b"\n"
        while b"  " in text:
            text = text.replace(b"  ", b" ")
        text = SPACES_AND_LINES.sub(b"\n", text).lstrip(b"\n")
    if b"\n+" in text or text.startswith(b"+"):
        text = text.replace(b"\n+", b"\n").removeprefix(b"+")
    return text


def _numbers(text: bytes, parser: simdjson.Parser) -> NDArray[np.float64] | None:
    if b"[" in text or b"," in text or b"_" in text:
        return None
    try:
        parsed = parser.parse(b"[" + text[:-1].translate(TO_COMMAS) + b"]")
        return np.frombuffer(parsed.as_buffer(of_type="d"))  # type: ignore[union-attr]
    except (ValueError, TypeError, RuntimeError):
        pass  # not valid in JSON, such as .5 or nan, or too large for it, such as 100000000000000000000
    try:
        return np.array(text.translate(TO_SPACES).split()).astype(np.float64)
    except ValueError:
        return None


def _rows(numbers: NDArray[np.float64], separators: NDArray[np.uint8], queries_count: int) -> SparseRows | None:
    ends = np.flatnonzero(separators == LINE) + 1
    starts = np.concatenate([[0], ends[:-1]])
    weighted = separators[starts] == COLON
    is_entry = np.ones(len(numbers), bool)
    is_entry[starts] = False
    is_entry[starts[weighted] + 1] = False
    entries = numbers[is_entry]
    columns, values = entries[0::2], entries[1::2]
    counts = (ends - starts - 1 - weighted) // 2
    weights = np.where(weighted, numbers[np.minimum(starts + 1, len(numbers) - 1)], 1.0) if weighted.any() else None
    queries = None
    grouped = columns == QID_COLUMN
    if np.count_nonzero(grouped) != queries_count:
        return None  # a column has this number
    if queries_count:
        groups = values[grouped]
        if not ((groups == np.floor(groups)) & (groups >= 0) & (groups < 2**32)).all():
            return None
        group_rows = np.repeat(np.arange(len(counts)), counts)[grouped]
        if not np.array_equal(group_rows, np.arange(len(counts))):
            return None  # a row has several groups or none
        queries = groups.astype(np.int64)
        counts = counts - 1
        columns, values = columns[~grouped], values[~grouped]
    indices = columns.astype(np.int64)
    labels = numbers[starts]
    if _have_repeated(indices, counts):
        return None
    is_valid = (indices == columns).all() and not ((indices < 0) | (indices > MAX_COLUMN)).any()
    if not (is_valid and np.isfinite(labels).all() and not np.isinf(values).any()):
        return None
    if weights is not None and not (weights >= 0).all():
        return None
    return SparseRows(counts, indices, values, labels, weights, queries)


def _have_repeated(indices: NDArray[np.int64], counts: NDArray[np.int64]) -> bool:
    """Return whether a row has a column twice."""
    is_after = np.diff(indices) > 0
    borders = np.cumsum(counts)[:-1] - 1  # between the last column of a row and the first of the next
    is_after[borders[(borders >= 0) & (borders < len(is_after))]] = True
    if is_after.all():
        return False
    places = np.column_stack([np.repeat(np.arange(len(counts)), counts), indices])
    return len(np.unique(places, axis=0)) < len(places)


def _no_rows() -> SparseRows:
    empty = np.empty(0, np.int64)
    return SparseRows(empty, empty, np.empty(0), np.empty(0))


def _first_error(chunk: bytes, name: str, first_line: int, has_groups: bool | None) -> ClientError:
    """Return the first error of an invalid chunk, or of one whose rows differ in having groups from those before."""
    parser = simdjson.Parser()
    for number, line in enumerate(chunk.split(b"\n"), first_line):
        place = f"{name}, line {number}"
        rows = parse(line, parser)
        if rows is None:
            return _line_error(line, place)
        if not len(rows.labels):
            continue
        if has_groups not in (None, rows.queries is not None):
            what = "no group, but those before it have one" if has_groups else "a group, but those before it have none"
            return ClientError(f"{place}: the row has {what}. Give every row qid:group, or none.")
        has_groups = rows.queries is not None
    raise AssertionError("an invalid chunk has an invalid line")


def _line_error(line: bytes, place: str) -> ClientError:
    """Return the error of an invalid line."""
    tokens = [token.decode(errors="replace") for token in COMMENT.sub(b"", line).split()]  # at ASCII whitespace only
    label, *entries = tokens
    if "," in line.decode(errors="replace") and ":" not in label:
        return ClientError(
            f"{place} ({line[:60]!r}) looks like CSV, but is parsed as libsvm. Set "
            "the channel's ContentType to text/csv."
        )
    if not all(_is_number(part) for part in label.split(":")) or label.count(":") > 1:
        return ClientError(f"{place}: {label[:60]!r} is not a label. Begin each line with label or label:weight.")
    seen: set[str | float] = set()
    for entry in entries:
        column, colon, value = entry.partition(":")
        if column == "qid" and not (value.isascii() and value.isdigit() and int(value) < 2**32):
            return ClientError(f"{place}: {entry[:60]!r} is not qid:group with a whole number from 0.")
        if colon and _is_number(column) and float(column) > MAX_COLUMN:
            return ClientError(
                f"{place}: {entry[:60]!r} has a column above {MAX_COLUMN}, the largest possible. Renumber the columns."
            )
        if not (colon and _is_number(value)) or not (column == "qid" or _is_column(column)):
            return ClientError(
                f"{place}: {entry[:60]!r} is not column:value with a non-negative integer column and a finite value. "
                "Correct the line or the channel's ContentType."
            )
        place_in_row = column if column == "qid" else float(column)
        if place_in_row in seen:
            return ClientError(f"{place}: {column[:60]!r} occurs twice. Give each column of a row one value.")
        seen.add(place_in_row)
    return ClientError(
        f"{place}: the label or weight {label[:60]!r} is invalid: both must be finite, and a weight not negative."
    )


def _is_number(text: str) -> bool:
    try:
        return "_" not in text and not np.isinf(float(text))
    except ValueError:
        return False


def _is_column(text: str) -> bool:
    return _is_number(text) and float(text) == np.floor(float(text)) and 0 <= float(text) <= MAX_COLUMN
