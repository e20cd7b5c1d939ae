"""CSV files of raw tables, with cells as texts.

polars reads regular files. It would fill short lines with missing values and make rows of blank lines, so the lines are
checked first; an irregular file is read by Python's csv, which reports its first error or skips its blank lines.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO, cast

import polars as pl

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms.cells import NUMBER
from lowcloud.runtime.processing.program import Arguments
from lowcloud.schemas.tables import BLANKS, DECIMAL_COMMA, DELIMITERS, LONGEST_CELL, QUOTED

GZIP_MAGIC = b"\x1f\x8b"
CHUNK_ROWS = 20_000
OTHER_DELIMITERS = DELIMITERS.replace(",", "")


@dataclass(frozen=True)
class CsvFile:
    """A file, its name in messages, and how its cells are separated."""

    path: Path
    name: str
    delimiter: str
    comment: str  # begins lines that are skipped; "" for none

    def open(self) -> TextIO:
        """Open the text, decompressing gzip."""
        with self.path.open("rb") as file:
            is_packed = file.read(2) == GZIP_MAGIC
        if is_packed:
            return cast(TextIO, gzip.open(self.path, "rt", encoding="utf-8-sig", newline=""))
        return self.path.open(encoding="utf-8-sig", newline="")

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the cells of each row with the number of its last line, without blank lines and comments.

        Raises ClientError.
        """
        line = 0

        def lines(file: TextIO) -> Iterator[str]:
            nonlocal line
            for line, text in enumerate(file, 1):  # noqa: B007 - the number is for messages
                if not (self.comment and text.startswith(self.comment)):
                    yield text

        csv.field_size_limit(LONGEST_CELL)
        try:
            with self.open() as file:
                for row in csv.reader(lines(file), delimiter=self.delimiter, strict=True):
                    if row and (len(row) > 1 or row[0].strip(BLANKS) or not row[0]):
                        yield line, row
        except UnicodeDecodeError:
            raise ClientError(f"{self.name} is not valid UTF-8 after line {line}. Write it again in UTF-8.") from None
        except csv.Error as error:
            raise ClientError(
                f"{self.name}, line {line}: a quotation mark is not closed or not doubled ({error}). Enclose complete "
                "cells in quotation marks, and double those inside."
            ) from None
        except (OSError, EOFError, zlib.error) as error:
            raise ClientError(f"{self.name} cannot be read after line {line}: {error}.") from None


def read(path: Path, name: str, settings: Arguments, allow_missing_header: bool) -> pl.DataFrame:
    """Read the rows of one file. Raises ClientError."""
    file = CsvFile(path, name, settings.delimiter, settings.text("comment"))
    first_line, cells = next(file.rows(), (0, []))
    first = tuple(cell.strip(BLANKS) for cell in cells)
    given_names, header = settings.names("columns"), settings.text("header")
    has_header = header == "true" or (header == "auto" and (not given_names or first == given_names))
    are_numbers = has_header and not given_names and header == "auto" and all(map(NUMBER.fullmatch, first))
    if are_numbers and allow_missing_header:
        has_header = False
    elif are_numbers:
        raise ClientError(
            f"{name}, line {first_line} contains numbers instead of column names ({','.join(first)[:60]!r}). "
            "Pass the names in columns, or header=false."
        )
    names = given_names or (first if has_header else tuple(f"column_{i}" for i in range(len(first))))
    if len(names) != len(first):
        raise ClientError(f"{name} has {len(first)} columns, but columns has {len(names)} names.{_hint(file, first)}")
    _check_delimiter(file, first, first_line, settings)
    has_index = has_header and len(names) > 1 and not names[0]
    _check_names(names[1:] if has_index else names, f"{name}, line {first_line}")
    frame = _read_regular(file, names, has_header, first_line)
    if frame is None:
        frame = _read_exactly(file, names, has_header, first)
    if has_index:
        frame = _without_index(frame, name)
    return _with_decimal_points(frame, name, settings.text("decimal"))


def width(path: Path, settings: Arguments) -> int:
    """Return the number of columns."""
    _, cells = next(CsvFile(path, path.name, settings.delimiter, settings.text("comment")).rows(), (0, []))
    return len(cells)


def _check_delimiter(file: CsvFile, first: tuple[str, ...], line: int, settings: Arguments) -> None:
    other = next(
        (one for one in OTHER_DELIMITERS if len(first) == 1 and one in first[0] and one != file.delimiter), None
    )
    if other and not settings.names("columns"):
        word = "tab" if other == "\t" else other
        raise ClientError(
            f"{file.name}, line {line} has one column, with {first[0].count(other)} {word!r} in it "
            f"({first[0][:60]!r}). Pass delimiter={word} if that separates the columns, otherwise the column's name in "
            "columns."
        )


def _check_names(names: Sequence[str], place: str) -> None:
    for name in names:
        if not name or names.count(name) > 1:
            problem = "occurs twice" if name else "is empty"
            raise ClientError(f"{place}: the column name {name!r} {problem}. Give each column a name of its own.")


def _read_regular(file: CsvFile, names: Sequence[str], has_header: bool, first_line: int) -> pl.DataFrame | None:
    """Read a file with polars; None if its lines are not all rows of one width."""
    blank_lines = _count_blank_end(file, len(names)) if first_line == 1 else None
    if blank_lines is None:
        return None
    try:
        frame = pl.read_csv(
            file.path,
            separator=file.delimiter,
            comment_prefix=file.comment or None,
            has_header=False,
            skip_lines=1 if has_header else 0,
            new_columns=[name or "column" for name in names],
            infer_schema=False,
            encoding="utf8",
            glob=False,
        )
    except pl.exceptions.NoDataError:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    except (pl.exceptions.PolarsError, OSError):
        return None
    return frame.head(len(frame) - blank_lines)


def _count_blank_end(file: CsvFile, columns: int) -> int | None:
    """Return the number of blank lines at the end; None if others are blank or have not this number of cells."""
    try:
        lines = pl.scan_csv(
            file.path,
            separator="\x01",
            has_header=False,
            quote_char=None,
            infer_schema=False,
            new_columns=["line"],
            truncate_ragged_lines=True,
            glob=False,
            encoding="utf8-lossy",
        ).with_row_index("number", 1)
        line = pl.col("line").fill_null("").str
        if file.comment:
            lines = lines.filter(~line.starts_with(file.comment))
        blank = line.strip_chars(" \r\v\f") == ""
        plain = pl.col("line").fill_null("").str.replace_all(QUOTED, "").str
        is_wrong = (plain.count_matches(file.delimiter, literal=True) != columns - 1) | plain.contains(
            '"', literal=True
        )
        summary = lines.select(
            (is_wrong & ~blank).any().alias("wrong"),
            blank.sum().alias("blank"),
            pl.col("number").filter(~blank).max().fill_null(0).alias("end"),
            pl.col("number").max().alias("last"),
        ).collect(engine="streaming")
    except pl.exceptions.NoDataError:
        return 0
    except (pl.exceptions.PolarsError, OSError):
        return None
    wrong, blanks, end, last = summary.row(0)
    is_regular = not wrong and (not blanks or (blanks == last - end and not file.comment))
    return int(blanks) if is_regular else None


def _read_exactly(file: CsvFile, names: Sequence[str], has_header: bool, first: tuple[str, ...]) -> pl.DataFrame:
    """Read a file row by row; a part of the rows at a time, since Python's lists take many times the memory."""
    rows = _checked(file, len(names), first)
    if has_header:
        next(rows, None)
    frames = [_to_frame([], names)]
    while part := list(islice(rows, CHUNK_ROWS)):
        frames.append(_to_frame(part, names))
    return pl.concat(frames)


def _checked(file: CsvFile, width: int, first: tuple[str, ...]) -> Iterator[list[str]]:
    """Yield the rows of a file. Raises ClientError for one of another width."""
    for line, row in file.rows():
        if len(row) != width:
            raise ClientError(
                f"{file.name}, line {line} has {len(row)} cells; {width} were expected. Give every line the same "
                f"number of cells.{_hint(file, first, row)}"
            )
        yield row


def _to_frame(rows: Sequence[Sequence[str]], names: Sequence[str]) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    cells = {name or "column": [cell or None for cell in column] for name, column in zip(names, columns, strict=True)}
    return pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))


def _hint(file: CsvFile, *rows: Sequence[str]) -> str:
    """Return the argument that would read these rows, if they show one."""
    if any(row and row[0].lstrip().startswith("#") for row in rows) and not file.comment:
        return " A line begins with #: pass comment=# if that is a comment."
    separator = next(
        (one for one in OTHER_DELIMITERS if one != file.delimiter and all(one in "".join(row) for row in rows)), None
    )
    if separator is None:
        return ""
    return f" Pass delimiter={'tab' if separator == chr(9) else separator} if that separates the columns."


def _without_index(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return the frame without its first column, which has no name, if that is an index as pandas writes it."""
    index = frame.to_series(0).cast(pl.Int64, strict=False)
    if index.null_count() or not index.is_unique().all():
        raise ClientError(
            f"{name}, line 1: the name of the first column is empty, and its values are not those of an index (whole "
            "numbers that occur once). Give the column a name."
        )
    print(f"{name}: the first column, without a name, is an index and was left out.", flush=True)
    return frame[:, 1:]


def _with_decimal_points(frame: pl.DataFrame, name: str, decimal: str) -> pl.DataFrame:
    """Return the frame with decimal points for the commas of numbers, if the argument says so.

    Raises ClientError for a column of numbers with decimal commas if it does not: it would be taken for texts.
    """
    if decimal == ".":
        return frame
    for column in frame.get_columns():
        filled = column.drop_nulls().str.strip_chars(BLANKS)
        has_comma = filled.str.contains(DECIMAL_COMMA)
        if not has_comma.any():
            continue
        if decimal == ",":
            frame = frame.with_columns(column.str.strip_chars(BLANKS).str.replace(DECIMAL_COMMA, "${1}.${2}"))
        elif (has_comma | filled.str.contains(f"^{NUMBER.pattern}$")).sum() * 2 > len(filled):
            cell = filled.filter(has_comma)[0]
            raise ClientError(
                f"{name}, column {column.name!r} has numbers with commas, such as {cell!r}. Pass decimal=, if "
                "that is the decimal sign, or decimal=. if it is none."
            )
    return frame
