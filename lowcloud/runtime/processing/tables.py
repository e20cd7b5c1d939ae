"""Raw tables: reads all CSV and Parquet files below a folder into one polars frame, with CSV cells as texts.

Files are matched by the names of their columns. An index that pandas wrote is no column.
"""

import re
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats.parquet import index_columns
from lowcloud.runtime.processing import csv_tables
from lowcloud.runtime.processing.csv_tables import GZIP_MAGIC
from lowcloud.runtime.processing.program import Arguments
from lowcloud.schemas.expressions import columns_of, parse_assignments
from lowcloud.schemas.tables import UNNAMED_INDEX, is_hidden

GZIP_FORMAT = 31  # of zlib: with the header of gzip
PARQUET_MAGIC = b"PAR1"
JSON_START = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\[\s*)?[{\[]\s*["{}\[\]0-9]')


def read(folder: Path, settings: Arguments, skip: Sequence[str] = (), *, is_evaluation: bool = False) -> pl.DataFrame:
    """Read all rows of the folder's files in the order of their names, without the subfolders in `skip`.

    A CSV file that begins with a line of numbers has no header in an evaluation, and is otherwise refused. A column in
    which pandas stored a named index is kept in an evaluation, where it may join tables, and if an argument names it.
    Raises ClientError naming the file, and line or column if they are known.
    """
    paths = [path for path in files(folder) if path.relative_to(folder).parts[0] not in skip]
    if not paths:
        raise ClientError(f"There are no files with data in {folder}. Check the S3 prefix of the job's input.")
    frames: list[pl.DataFrame] = []
    for path in paths:
        frame = read_file(path, str(path.relative_to(folder)), settings, is_evaluation)
        if frames:
            frame = _like(frame, frames[0], path, paths[0])
        frames.append(frame)
    return pl.concat(frames, how="vertical_relaxed") if len(frames) > 1 else frames[0]


def files(folder: Path) -> list[Path]:
    """Return the non-empty files below a folder, without hidden ones."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    return sorted(path for path in found if not is_hidden(path.relative_to(folder)))


def read_file(path: Path, name: str, settings: Arguments, is_evaluation: bool) -> pl.DataFrame:
    """Read the rows of one file. Raises ClientError."""
    with path.open("rb") as file:
        start = file.read(512)
    if start[:4] == PARQUET_MAGIC:
        return _read_parquet(path, name, None if is_evaluation else _named_columns(settings))
    if b"\0" in start and start[:2] != GZIP_MAGIC:
        raise ClientError(f"{name} is neither CSV nor Parquet. Convert it to one of them.")
    if JSON_START.match(_unpacked(start)):
        raise ClientError(
            f"{name} is JSON. Convert it to CSV or Parquet, for example with pandas: "
            "read_json(path, lines=True).to_parquet(...)."
        )
    return csv_tables.read(path, name, settings, is_evaluation)


def _unpacked(start: bytes) -> bytes:
    """Return the beginning of a file, decompressed if it is gzip; damage is reported when all is read."""
    try:
        return zlib.decompressobj(GZIP_FORMAT).decompress(start) if start[:2] == GZIP_MAGIC else start
    except zlib.error:
        return b""


def width(paths: Sequence[Path], settings: Arguments) -> int:
    """Return the number of columns of the first file; 0 if there are no files."""
    if not paths:
        return 0
    with paths[0].open("rb") as file:
        is_parquet = file.read(4) == PARQUET_MAGIC
    return len(pl.read_parquet_schema(paths[0])) if is_parquet else csv_tables.width(paths[0], settings)


def _read_parquet(path: Path, name: str, kept: Collection[str] | None) -> pl.DataFrame:
    """Read a file without the index of a pandas table; of a named index, columns in `kept` (None: all) stay."""
    try:
        frame = pl.read_parquet(path, glob=False)
        index = index_columns(path, frame.columns)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ClientError(f"{name} is not a valid Parquet file ({str(error)[:200]}). Write the file again.") from None
    left_out = [one for one in index if UNNAMED_INDEX.fullmatch(one) or (kept is not None and one not in kept)]
    if left_out:
        print(f"{name}: the column {', '.join(map(repr, left_out))} is an index and was left out.", flush=True)
    return frame.drop(left_out)


def _named_columns(settings: Arguments) -> set[str]:
    """Return the columns that the arguments of preprocess name."""
    names = [settings.text("target"), settings.text("split_column"), *settings.names("drop")]
    for argument in ("types", "impute_columns", "normalise_columns", "encode_columns"):
        for name in settings.pairs(argument):
            names += [name, name.rpartition(".")[0]]  # of a part of a date, such as day.month, the date
    derived = parse_assignments(settings.text("derive")).values()
    return set(names).union(*map(columns_of, derived))


def _like(frame: pl.DataFrame, first: pl.DataFrame, path: Path, first_path: Path) -> pl.DataFrame:
    """Return the frame with the columns of the first one, in its order and types."""
    lacking = [column for column in first.columns if column not in frame.columns]
    extra = [column for column in frame.columns if column not in first.columns]
    if lacking or extra:
        what = f"lacks the column {lacking[0]!r}" if lacking else f"has the additional column {extra[0]!r}"
        raise ClientError(
            f"{path.name} {what}, compared to {first_path.name}. All files of a table need the same columns."
        )
    frame = frame.select(first.columns)
    for column in frame.columns:
        types = first.schema[column], frame.schema[column]
        if types[0] != types[1] and not all(one.is_numeric() for one in types) and pl.Null not in types:
            raise ClientError(
                f"{path.name} has other column types than {first_path.name}: {column!r} is {types[1]}, not {types[0]}."
            )
    return frame
