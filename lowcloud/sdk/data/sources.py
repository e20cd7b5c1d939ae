"""Where data comes from: tables in memory, files, folders and s3:// URLs; what would be sent, and how much that is."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from lowcloud.client.messages import format_bytes
from lowcloud.schemas.tables import is_hidden
from lowcloud.sdk import storage, wording
from lowcloud.sdk.connection import Cloud
from lowcloud.sdk.data import files, tables
from lowcloud.sdk.data.files import Content, RawTable
from lowcloud.sdk.data.reading import Places, Reading, format_names
from lowcloud.sdk.errors import InvalidInputError, translate_errors

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray

Source: TypeAlias = Union["pd.DataFrame", "pl.DataFrame", "NDArray[Any]", str, Path]

OTHER_FORMATS = {  # that built-in algorithms read themselves, with the label in them
    ".libsvm": "text/libsvm",
    ".svm": "text/libsvm",
    ".pbr": "application/x-recordio-protobuf",
    ".rec": "application/x-recordio-protobuf",
    ".recordio": "application/x-recordio-protobuf",
}
MOST_BYTES = 1_000_000_000  # that are sent without being told to
MOST_FILES = 1000
LIBSVM = re.compile(rb"\s*[^\s:,]+(\s+[^\s:,]+:[^\s:,]+)+\s*$")  # a first line such as 1 3:0.5 7:1
LINE_BYTES = 1 << 16


@dataclass(frozen=True)
class Size:
    """What would be sent: the number of files and their bytes."""

    files: int
    bytes: int

    def __str__(self) -> str:
        count = f"{self.files:,} file{'' if self.files == 1 else 's'}"
        return f"{count}, {format_bytes(self.bytes)}"


def accepted() -> str:
    """Return what data can be."""
    return wording.either(
        "a DataFrame, an array, a file, a folder, an s3:// URL, or a mapping of channel names to these",
        "a file, a folder or an s3:// URL",
    )


def local_files(source: Any, *, is_table: bool) -> dict[str, Path]:
    """Return the files of a path by their names, empty if the source is no local path. Raises InvalidInputError.

    With `is_table`, hidden files are left out, and a folder without readable data is refused.
    """
    if not isinstance(source, str | Path) or is_url(source):
        return {}
    path = Path(source).expanduser()
    if path.is_file():
        return {path.name: path}
    if not path.is_dir():
        raise InvalidInputError(f"There is no file or folder {str(path)!r}; give {accepted()}.")
    found = {str(one.relative_to(path)): one for one in sorted(path.rglob("*")) if one.is_file()}
    if is_table:
        found = {name: one for name, one in found.items() if not is_hidden(name)}
    if not found:
        raise InvalidInputError(f"The folder {str(path)!r} contains no files.")
    if is_table:
        check_formats(found, f"the folder {str(path)!r}")
    return found


def check_formats(names: Mapping[str, Any], what: str) -> None:
    """Raise InvalidInputError if files are not data of one kind."""
    others = [name for name in names if files.format_of(name) is None and files.suffix_of(name) not in OTHER_FORMATS]
    if len(others) == len(names):
        raise InvalidInputError(
            f"There is no readable data in {what}, only {format_names(others)}. Accepted are {files.ACCEPTED}, "
            f"{', '.join(OTHER_FORMATS)}."
        )
    if others:
        raise InvalidInputError(
            f"Not all files in {what} are data: {len(others)} of {len(names)} are not, such as {others[0]!r}. Put the "
            "data into a folder of its own."
        )
    if len({files.suffix_of(name) in OTHER_FORMATS for name in names}) > 1:
        raise InvalidInputError(f"The files in {what} have different formats; use one format.")


def other_format(name: str, path: Path) -> str | None:
    """Return the content type of a file that is no table but that built-in algorithms read, by its name or content."""
    if files.format_of(name) and Path(name).suffix:
        return None
    with path.open("rb") as file:
        first = file.read(LINE_BYTES).partition(b"\n")[0]
    return OTHER_FORMATS.get(files.suffix_of(name)) or ("text/libsvm" if LIBSVM.match(first) else None)


def is_url(source: Any) -> bool:
    """Return whether a source is a URL."""
    return isinstance(source, str) and "://" in source


def measure(named: Mapping[str, Any], *, is_table: bool) -> Size:
    """Return what would be sent for these channels. Raises InvalidInputError."""
    paths = [path for source in named.values() for path in local_files(source, is_table=is_table).values()]
    return Size(len(paths), sum(path.stat().st_size for path in paths))


def check_size(size: Size) -> None:
    """Raise InvalidInputError if more would be sent than is sent without being told to."""
    if size.files > MOST_FILES or size.bytes > MOST_BYTES:
        raise InvalidInputError(
            f"This would send {size}. If that is meant, give {wording.argument('allow_large', True)}; otherwise the "
            "folder with the data."
        )


def read_table(
    cloud: Cloud,
    source: Any,
    what: str,
    reading: Reading,
    known: tuple[str, ...],
    *,
    is_read_from_url: bool,
    allow_large: bool,
) -> RawTable | None:
    """Return the rows of a source; None if it is no table, or its objects are to be used where they are.

    Messages call a table in memory `what`. Raises InvalidInputError.
    """
    if library := tables.library_of(source):
        return of_memory(source, library, what, reading)
    if is_url(source):
        return _read_objects(cloud, source, reading, known, allow_large) if is_read_from_url else None
    found = local_files(source, is_table=True)
    if all(other_format(name, path) for name, path in found.items()):
        return None
    return files.read(found, Path(source).expanduser().name or str(source), reading, known)


def of_memory(data: Any, library: str, what: str, reading: Reading) -> RawTable:
    """Return the rows of a DataFrame or an array, which messages call `what`. Raises InvalidInputError."""
    if data.shape[:1] == (0,):
        raise InvalidInputError(f"There are no rows in {what}.")
    frame = tables.to_polars(data)
    names = (
        tuple(range(frame.width))
        if library == "numpy"
        else tuple(name if isinstance(name, int) else str(name) for name in data.columns)
    )
    notes = () if reading.index == "drop" else index_notes(data, what)
    if all(isinstance(name, int) for name in names):
        return RawTable(files.numbered(frame), names, Places(what), notes=notes)
    return RawTable(frame, names, Places(what), files.index_of(frame, reading), notes)


def index_notes(data: Any, what: str) -> tuple[str, ...]:
    """Return a note if the index of a pandas table has a name, or has other values than the numbers of the rows."""
    if tables.library_of(data) != "pandas":
        return ()
    import numpy as np

    index = data.index
    named = [str(name) for name in index.names if name is not None]
    if not named and np.array_equal(index.to_numpy(), np.arange(len(index))):
        return ()
    name = f" {format_names(named)}" if named else ""
    return (f"{what}: the index{name} of the DataFrame was left out (its reset_index() makes it a column)",)


def objects(cloud: Cloud, url: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects with data below a URL, with their names below it: no hidden and no empty ones."""
    bucket, prefix = storage.parse_url(url)
    with translate_errors():
        for page in cloud.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                name = item["Key"].removeprefix(prefix).lstrip("/") or Path(prefix).name
                if item["Size"] and not is_hidden(name):
                    yield name, dict(item)


def _read_objects(
    cloud: Cloud, url: str, reading: Reading, known: tuple[str, ...], allow_large: bool
) -> RawTable | None:
    """Return the rows of the objects below a URL, None if they are no tables."""
    found = dict(objects(cloud, url))
    if not found:
        raise InvalidInputError(f"There are no objects with data below {url}.")
    check_formats(found, url)
    if not allow_large:
        check_size(Size(len(found), sum(item["Size"] for item in found.values())))
    if any(files.suffix_of(name) in OTHER_FORMATS for name in found):
        return None
    bucket, _ = storage.parse_url(url)
    contents: dict[str, Content] = {
        name: storage.download(cloud, f"s3://{bucket}/{item['Key']}") for name, item in found.items()
    }
    return files.read(contents, url, reading, known)
