"""Delimited text (CSV, TSV): RFC 4180 with any line ends, as columns of texts with the line of each row."""

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

from lowcloud.schemas.tables import BLANKS, DELIMITERS, NUMBER_LIKE, QUOTED
from lowcloud.sdk import wording
from lowcloud.sdk.data.reading import Reading
from lowcloud.sdk.errors import InvalidInputError

if TYPE_CHECKING:
    import polars as pl

DELIMITER_NAMES = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?\s*")
LINES_SEEN = 50  # by which a delimiter is recognised
COUNTED = 4  # columns whose first line 0,1,2,3 is hardly a row
CHUNK_ROWS = 50_000
CELL_CHARACTERS = 16 << 20  # the longest cell
_LIMIT = Lock()  # held while csv's limit is changed


@dataclass(frozen=True)
class TextTable:
    """Columns of texts; `names` is None if the file has no header. `lines` has the line number of each row."""

    frame: "pl.DataFrame"
    names: list[str] | None
    lines: Sequence[int]
    notes: tuple[str, ...] = ()


def read(data: bytes, name: str, reading: Reading, known: Collection[str] = (), *, is_tsv: bool = False) -> TextTable:
    """Read the rows of a file; `known` names show that a first line is a header. Raises InvalidInputError."""
    text = _decode(data, name)
    notes: list[str] = []
    skipped = _leading_comments(text, name, reading, known, notes)
    start = 0
    for _ in range(skipped):
        start = text.index("\n", start) + 1 if "\n" in text[start:] else len(text)
    body = text[start:]
    delimiter = _delimiter(body, name, reading, notes, is_tsv=is_tsv)
    frame, lines = _split(body, name, delimiter, reading, skipped)
    if not len(frame):
        raise InvalidInputError(f"There are no rows in {name}.")
    first = [cell or "" for cell in frame.row(0)]
    second = [cell or "" for cell in frame.row(1)] if len(frame) > 1 else None
    if not _is_header(first, second, name, reading, known):
        return TextTable(frame, None, lines, tuple(notes))
    if reading.header is None and all((frame[column][1:] == frame[column][0]).any() for column in frame.columns):
        raise InvalidInputError(
            f"{name}: the texts of the first line ({', '.join(first)[:60]!r}) occur again below it: it can be the "
            f"header or a row. {_either_header()}"
        )
    return TextTable(frame[1:], first, lines[1:], tuple(notes))


def is_number(cell: str) -> bool:
    """Return whether a cell is a number, with a point or a comma."""
    return NUMBER.fullmatch(cell) is not None


def _decode(data: bytes, name: str) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4096]:
        raise InvalidInputError(f"{name} is UTF-16 or binary; save it as text in UTF-8.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInputError(f"{name}, line {line} is not valid UTF-8; save the file in UTF-8.") from None
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _leading_comments(text: str, name: str, reading: Reading, known: Collection[str], notes: list[str]) -> int:
    """Return how many lines before the header are comments."""
    mark = "#" if reading.comment is None else reading.comment
    if not mark or not text.startswith(mark):
        return 0
    head = list(islice(_lines(text), LINES_SEEN))
    names = {*known, *(f'"{name}"' for name in known)}
    count = next(
        (
            at
            for at, line in enumerate(head)
            if not line.startswith(mark) or names.intersection(re.split(f"[{DELIMITERS}]", line))
        ),
        len(head),
    )
    if not count:
        return 0
    if reading.comment is None:
        following = head[count] if count < len(head) else ""
        if any(one in following and head[count - 1].count(one) == following.count(one) for one in DELIMITERS):
            raise InvalidInputError(
                f"{name}, line {count} begins with # and can be a comment or the header: {head[count - 1][:60]!r}. "
                f"{wording.reading(comment='#')} skips such lines, {wording.reading(comment='')} reads them."
            )
        notes.append(f"{name}: {count} comment line{'s' * (count > 1)} at the beginning skipped")
    return count


def _delimiter(text: str, name: str, reading: Reading, notes: list[str], *, is_tsv: bool) -> str:
    """Return the delimiter: as given, or as seen in the first lines. Raises InvalidInputError if it is in doubt."""
    if reading.delimiter:
        return reading.delimiter
    lines = [re.sub(QUOTED, "", line) for line in islice(filter(str.strip, _lines(text)), LINES_SEEN)]
    first = lines[0] if lines else ""
    seen = [one for one in DELIMITERS if one in first]
    if is_tsv and "\t" in seen:
        return "\t"
    if len(seen) > 1:
        seen = [one for one in seen if all(line.count(one) == first.count(one) for line in lines)] or [","]
    if len(seen) > 1:
        raise InvalidInputError(
            f"{name}: its columns can be separated by {' or '.join(map(repr, seen))} ({first[:60]!r}); say which: "
            f"{wording.reading(delimiter=seen[-1])}."
        )
    delimiter = seen[0] if seen else ","
    if delimiter != ",":
        notes.append(f"{name}: columns are separated by {DELIMITER_NAMES[delimiter]}")
    return delimiter


def _split(
    text: str, name: str, delimiter: str, reading: Reading, skipped: int
) -> tuple["pl.DataFrame", Sequence[int]]:
    """Split text into cells. Only lines with quotes need a parser, unless a quoted cell contains line ends."""
    import polars as pl

    lines = pl.Series("line", text.split("\n"), dtype=pl.String)
    kept = lines.str.strip_chars(BLANKS.replace(delimiter, "")) != ""  # a line of delimiters is a row of empty cells
    if reading.comment:
        kept &= ~lines.str.starts_with(reading.comment)
    numbers = pl.int_range(skipped + 1, skipped + 1 + len(lines), eager=True).filter(kept)
    lines = lines.filter(kept)
    if not len(lines):
        return pl.DataFrame(), []
    if (lines.str.count_matches('"', literal=True) % 2 == 1).any():
        return _split_records(text, name, delimiter, reading, skipped)
    quoted = lines.str.contains('"', literal=True)
    reader = csv.reader(lines.filter(quoted), delimiter=delimiter, strict=True)
    places = numbers.filter(quoted)
    try:
        with long_cells():
            rows = list(reader)
    except csv.Error as error:
        raise _quote_error(name, places[reader.line_num - 1], error) from None
    widths = lines.str.count_matches(delimiter, literal=True) + 1
    widths = widths.scatter(quoted.arg_true(), [len(row) for row in rows]) if rows else widths
    if (wrong := widths != widths[0]).any():
        at = int(wrong.arg_max() or 0)
        raise _width_error(name, numbers[at], widths[at], numbers[0], widths[0], lines[at])
    plain = lines.filter(~quoted).str.split_exact(delimiter, widths[0] - 1).struct.unnest()
    plain = plain.rename({old: str(at) for at, old in enumerate(plain.columns)})
    if not rows:
        return plain, numbers.to_list()
    order = pl.concat([(~quoted).arg_true(), quoted.arg_true()]).arg_sort()
    return pl.concat([plain, _to_frame(rows)])[order], numbers.to_list()


def _split_records(
    text: str, name: str, delimiter: str, reading: Reading, skipped: int
) -> tuple["pl.DataFrame", Sequence[int]]:
    """Split text whose quoted cells may contain line ends."""
    import polars as pl

    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    frames: list[pl.DataFrame] = []
    numbers: list[int] = []
    rows: list[list[str]] = []
    width = 0
    with long_cells():
        for line, row in _records(reader, name, skipped):
            is_blank = not row or (len(row) == 1 and row[0].isspace())  # "" is an empty cell
            if is_blank or (reading.comment and row[0].startswith(reading.comment)):
                continue
            width = width or len(row)
            if len(row) != width:
                raise _width_error(name, line, len(row), numbers[0], width, delimiter.join(row))
            rows.append(row)
            numbers.append(line)
            if len(rows) == CHUNK_ROWS:
                frames.append(_to_frame(rows))
                rows = []
    frames += [_to_frame(rows)] if rows else []
    return pl.concat(frames) if frames else pl.DataFrame(), numbers


@contextmanager
def long_cells() -> Iterator[None]:
    """Let csv, whose limit is one for the process, read cells of up to CELL_CHARACTERS."""
    with _LIMIT:
        before = csv.field_size_limit(CELL_CHARACTERS)
        try:
            yield
        finally:
            csv.field_size_limit(before)


def _records(reader: Any, name: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the number of its first line. Raises InvalidInputError for quotes that do not pair."""
    line = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _quote_error(name, skipped + line, error) from None
        yield skipped + line, row
        line = reader.line_num + 1


def _quote_error(name: str, line: int, error: Exception) -> InvalidInputError:
    if "field larger" in str(error):
        return InvalidInputError(
            f"{name}, line {line} has a cell of more than {CELL_CHARACTERS:,} characters, or a quote is not closed."
        )
    return InvalidInputError(
        f"{name}, line {line}: its quotes do not pair ({error}). A cell with the delimiter or a quote is quoted "
        'as a whole, and quotes in it are doubled: "say ""yes"", please".'
    )


def _to_frame(rows: list[list[str]]) -> "pl.DataFrame":
    import polars as pl

    columns = zip(*rows, strict=True)
    return pl.DataFrame([pl.Series(str(at), cells, dtype=pl.String) for at, cells in enumerate(columns)])


def _width_error(name: str, line: int, cells: int, first_line: int, width: int, text: str) -> InvalidInputError:
    hint = " It may be a comment: " + wording.reading(comment="#") + " skips it." if text.startswith("#") else ""
    return InvalidInputError(
        f"{name}, line {line} has {cells} cells, line {first_line} has {width}. Give every line the same number of "
        f"cells; quote a cell that contains the delimiter.{hint}"
    )


def _is_header(
    first: Sequence[str], second: Sequence[str] | None, name: str, reading: Reading, known: Collection[str]
) -> bool:
    """Return whether the first row has the names of the columns. Raises InvalidInputError if that is in doubt."""
    if reading.header is not None:
        return reading.header
    if any(cell in known for cell in first):
        return True
    names = first[1:] if first[0] == "" else first
    if len(names) >= COUNTED and list(names) == [str(at) for at in range(len(names))]:
        raise InvalidInputError(
            f"{name}: the first line counts {', '.join(names[:3])}, ...: it can be the header that pandas writes for "
            f"columns without names, or a row. {_either_header()}"
        )
    texts = [at for at, cell in enumerate(first) if cell.strip() not in reading.missing and not is_number(cell)]
    if not texts:
        return False
    doubtful = [at for at in texts if re.search(NUMBER_LIKE, first[at].strip())]  # "." or "$5": hardly a name
    if not any(map(is_number, first)) and len(doubtful) < len(texts):
        return True
    if second is not None and not doubtful and all(is_number(second[at]) for at in texts):
        return True  # below the texts are numbers
    raise InvalidInputError(
        f"{name}: the first line has texts and numbers ({', '.join(first)[:60]!r}); it can be the header or a row. "
        f"{_either_header()}"
    )


def _either_header() -> str:
    return f"{wording.reading(header=True)} or {wording.reading(header=False)} says which."


def _lines(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end + 1
