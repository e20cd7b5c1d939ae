"""Raw tables: reads all CSV and Parquet files below a folder into one polars frame, with CSV cells as texts."""

import csv
import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO, cast

import polars as pl

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms.cells import BLANKS, NUMBER
from lowcloud.runtime.processing.program import Arguments

PARQUET_MAGIC = b"PAR1"
GZIP_MAGIC = b"\x1f\x8b"


def read(
    folder: Path, settings: Arguments, skip: Sequence[str] = (), *, allow_missing_header: bool = False
) -> pl.DataFrame:
    """Read all rows of the folder's files in the order of their names, without the subfolders in `skip`.

    A CSV file that begins with a line of numbers has no header if `allow_missing_header` is set, and is otherwise
    refused. Raises ClientError naming the file, and line or column if they are known.
    """
    paths = [path for path in files(folder) if path.relative_to(folder).parts[0] not in skip]
    if not paths:
        raise ClientError(f"There are no files with data in {folder}. Check the S3 prefix of the job's input.")
    frames: list[pl.DataFrame] = []
    for path in paths:
        frame = read_file(path, str(path.relative_to(folder)), settings, allow_missing_header)
        if frames:
            frame = _like(frame, frames[0], path, paths[0])
        frames.append(frame)
    return pl.concat(frames) if len(frames) > 1 else frames[0]


def files(folder: Path) -> list[Path]:
    """Return the non-empty files below a folder, without hidden ones."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    return sorted(path for path in found if not any(part[0] in "._" for part in path.relative_to(folder).parts))


def read_file(path: Path, name: str, settings: Arguments, allow_missing_header: bool) -> pl.DataFrame:
    """Read the rows of one file. Raises ClientError."""
    with path.open("rb") as file:
        start = file.read(512)
    if start[:4] == PARQUET_MAGIC:
        return _read_parquet(path, name)
    if b"\0" in start and start[:2] != GZIP_MAGIC:
        raise ClientError(f"{name} is neither CSV nor Parquet. Convert it to one of them.")
    return _read_csv(path, name, settings, allow_missing_header)


def width(paths: Sequence[Path], settings: Arguments) -> int:
    """Return the number of columns of the first file; 0 if there are no files."""
    if not paths:
        return 0
    with paths[0].open("rb") as file:
        is_parquet = file.read(4) == PARQUET_MAGIC
    return (
        len(pl.read_parquet_schema(paths[0]))
        if is_parquet
        else len(_cells(paths[0], paths[0].name, settings.delimiter))
    )


def _read_parquet(path: Path, name: str) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ClientError(f"{name} is not a valid Parquet file ({str(error)[:200]}). Write the file again.") from None


def _read_csv(path: Path, name: str, settings: Arguments, allow_missing_header: bool) -> pl.DataFrame:
    given_names, header, delimiter = settings.names("columns"), settings.text("header"), settings.delimiter
    first = _cells(path, name, delimiter)
    has_header = header == "true" or (header == "auto" and (not given_names or tuple(first) == given_names))
    are_numbers = has_header and not given_names and header == "auto" and all(map(NUMBER.fullmatch, first))
    if are_numbers and allow_missing_header:
        has_header = False
    elif are_numbers:
        raise ClientError(
            f"{name}, line 1 contains numbers instead of column names ({','.join(first)[:60]!r}). "
            "Pass the names in columns, or header=false."
        )
    names = given_names or (first if has_header else tuple(f"column_{i}" for i in range(len(first))))
    if len(names) != len(first):
        raise ClientError(f"{name} has {len(first)} columns, but columns has {len(names)} names.")
    if len(set(names)) < len(names) or not all(names):
        invalid = next(column for column in names if not column or names.count(column) > 1)
        raise ClientError(f"{name}, line 1: the column name {invalid!r} {'occurs twice' if invalid else 'is empty'}.")
    _check_widths(path, name, delimiter, len(names))
    try:
        frame = pl.read_csv(
            path,
            separator=delimiter,
            has_header=False,
            skip_lines=1 if has_header else 0,
            new_columns=list(names),
            infer_schema=False,
            encoding="utf8",
            glob=False,
        )
    except pl.exceptions.NoDataError:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _read_error(path, name, delimiter, len(names), error) from None
    return frame


def _read_error(path: Path, name: str, delimiter: str, columns: int | None, error: Exception) -> ClientError:
    """Return the error of a file that polars cannot read, with its first invalid line."""
    line = 0
    try:
        with _open(path) as file:
            rows = csv.reader(file, delimiter=delimiter)
            for row in rows:
                line = rows.line_num
                if columns is not None and row and len(row) != columns:
                    return _width_error(name, line, len(row), columns)
    except UnicodeDecodeError:
        return ClientError(f"{name} is not valid UTF-8 after line {line}. Write it again in UTF-8.")
    except (csv.Error, OSError, EOFError, zlib.error) as other:
        return ClientError(f"{name} cannot be read after line {line}: {other}.")
    return ClientError(f"{name} is not valid CSV: {str(error).splitlines()[0][:200]}.")


def _open(path: Path) -> TextIO:
    with path.open("rb") as file:
        is_packed = file.read(2) == GZIP_MAGIC
    if is_packed:
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8", newline=""))
    return path.open(encoding="utf-8", newline="")


def _width_error(name: str, line: int, cells: int, columns: int) -> ClientError:
    return ClientError(
        f"{name}, line {line} has {cells} cells; {columns} were expected. Give every line the same number of cells."
    )


def _cells(path: Path, name: str, delimiter: str) -> tuple[str, ...]:
    """Read the cells of the first line."""
    try:
        line = pl.read_csv(
            path,
            separator=delimiter,
            has_header=False,
            n_rows=1,
            infer_schema=False,
            truncate_ragged_lines=True,
            glob=False,
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _read_error(path, name, delimiter, None, error) from None
    return tuple((cell or "").strip(BLANKS) for cell in line.row(0)) if len(line) else ()


def _check_widths(path: Path, name: str, delimiter: str, columns: int) -> None:
    """Raise ClientError at a line with another number of cells; from the first quoted line on, polars checks this."""
    lines = pl.scan_csv(
        path,
        separator="\x01",
        has_header=False,
        quote_char=None,
        infer_schema=False,
        new_columns=["line"],
        truncate_ragged_lines=True,
        glob=False,
        encoding="utf8-lossy",
    ).with_row_index("number", 1)
    line = pl.col("line").str
    is_wrong = line.count_matches(delimiter, literal=True) != columns - 1
    wrong = lines.filter(is_wrong | line.contains('"', literal=True))
    try:
        found = wrong.head(1).collect(engine="streaming")
    except pl.exceptions.NoDataError:
        return
    if len(found) and '"' not in found["line"][0]:
        raise _width_error(name, found["number"][0], found["line"][0].count(delimiter) + 1, columns)


def _like(frame: pl.DataFrame, first: pl.DataFrame, path: Path, first_path: Path) -> pl.DataFrame:
    """Return the frame with the columns of the first one, in its order and types."""
    lacking = [column for column in first.columns if column not in frame.columns]
    extra = [column for column in frame.columns if column not in first.columns]
    if lacking or extra:
        what = f"lacks the column {lacking[0]!r}" if lacking else f"has the additional column {extra[0]!r}"
        raise ClientError(
            f"{path.name} {what}, compared to {first_path.name}. All files of a table need the same columns."
        )
    try:
        return frame.select(first.columns).cast(dict(first.schema))  # type: ignore[arg-type]
    except pl.exceptions.PolarsError as error:
        raise ClientError(
            f"{path.name} has other column types than {first_path.name}: {str(error).splitlines()[0][:200]}"
        ) from None
