"""Reads a training channel: all files below its folder, or its pipe, in any supported format."""

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats import csv, parquet, recordio_channel
from lowcloud.runtime.formats.table import DenseTable
from lowcloud.schemas.tables import is_hidden

GZIP_MAGIC = b"\x1f\x8b"
CSV, LIBSVM, RECORDIO, PARQUET = "text/csv", "text/libsvm", "application/x-recordio-protobuf", "application/x-parquet"
MAGICS = {b"\x0a\x23\xd7\xce": RECORDIO, b"PAR1": PARQUET}
ALIASES = {
    "csv": CSV,
    "libsvm": LIBSVM,
    "text/x-libsvm": LIBSVM,
    "recordio-protobuf": RECORDIO,
    "application/x-recordio": RECORDIO,
    "parquet": PARQUET,
    "application/parquet": PARQUET,
}
Reader = Callable[[BinaryIO, str], None]  # reads a stream; the name is for messages


@dataclass(frozen=True)
class ChannelReader:
    """The location and the properties of a channel."""

    name: str
    folder: Path
    content_type: str | None = None  # None: detected from the content
    is_passed: bool = False  # the job has this channel; this host may have no files of it
    is_piped: bool = False  # the data comes through the pipe FOLDER_0 instead of files
    is_replicated: bool = False  # every host has all of its files

    def read(self, feature_dim: int | None = None, names: tuple[str, ...] = ()) -> DenseTable:
        """Read all rows of the channel, in columns of these names if it has any.

        Raises ClientError naming file, line or record, and what to do.
        """
        table = DenseTable(feature_dim, names=names)
        readers = {CSV: csv.read, RECORDIO: recordio_channel.read, PARQUET: parquet.read}
        try:
            self.read_with({content_type: partial(read, table=table) for content_type, read in readers.items()})
        except MemoryError:
            raise ClientError(
                f"Channel {self.name} does not fit in memory: {len(table)} rows of {table.features.shape[1]} "
                "features were read. Use fewer rows, or a machine with more memory."
            ) from None
        return table

    def read_with(self, readers: Mapping[str, Reader]) -> None:
        """Read every file with the reader of its content type. Raises ClientError."""
        for path in [self._pipe] if self.is_piped else self._files():
            name = self.name if self.is_piped else csv.display_name(path, self.folder)
            with _open(path) as stream:
                read = readers[self._content_type(stream, name, readers)]
                try:
                    read(stream, name)
                except (gzip.BadGzipFile, zlib.error, EOFError) as error:
                    raise ClientError(
                        f"{name} is a truncated or damaged gzip file ({error}). Upload it again."
                    ) from None

    def describe_row(self, table: DenseTable, row: int) -> str:
        """Describe where a row of the table comes from: "train/a.csv, line 7" or "train/a.rec, record 7"."""
        return self.describe_position(*table.source_of(row))

    def describe_position(self, source: str, index: int) -> str:
        """Describe the position of the row with this index in a file."""
        path = self.folder.parent / source
        if self.is_piped:
            return f"{source}, record {index + 1}"
        with _open(path) as stream:
            is_binary = cast("gzip.GzipFile", stream).peek(4)[:4] in MAGICS
        if is_binary:
            return f"{source}, record {index + 1}"
        with _open(path) as stream:
            return f"{source}, line {csv.find_line(stream, index)}"

    def _files(self) -> list[Path]:
        if not self.folder.is_dir() and not self.is_passed:
            existing = sorted(path.name for path in self.folder.parent.glob("*/"))
            note = f" The job has only {', '.join(map(repr, existing))}." if existing else ""
            raise ClientError(
                f"Channel {self.name} is missing.{note} Pass it to fit(), e.g. fit({{'{self.name}': 's3://...'}})."
            )
        return [path for path in self._paths() if not is_hidden(path.relative_to(self.folder)) and path.stat().st_size]

    def _paths(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    def no_rows_error(self) -> ClientError:
        """Return the error of a channel in which no host has found rows."""
        hidden = [] if self.is_piped else [path for path in self._paths() if is_hidden(path.relative_to(self.folder))]
        if hidden and not self._files():
            return ClientError(
                f"Channel {self.name} has no rows: its {len(hidden)} files, such as "
                f"{csv.display_name(hidden[0], self.folder)}, are skipped because a name that begins with . or _ is "
                "not one of data. Rename the files of data."
            )
        return ClientError(f"Channel {self.name} has no rows. Check that its S3 prefix contains files with data.")

    @property
    def _pipe(self) -> Path:
        return self.folder.with_name(f"{self.name}_0")

    def _content_type(self, stream: BinaryIO, name: str, readers: Mapping[str, Reader]) -> str:
        """Return the content type of a stream, as declared or detected from its beginning."""
        if self.content_type:
            return self._declared(readers)
        start = cast("gzip.GzipFile", stream).peek(4096)[:4096]
        content_type = MAGICS.get(start[:4])
        if content_type is None and b"\0" in start[:64]:
            raise ClientError(
                f"{name} has none of the supported formats {', '.join(readers)}. Convert it to one of them."
            )
        return content_type or _detect_text_type(start, readers)

    def _declared(self, readers: Mapping[str, Reader]) -> str:
        content_type, _, options = (self.content_type or "").partition(";")
        content_type = content_type.strip().lower()
        content_type = ALIASES.get(content_type, content_type)
        if content_type not in readers:
            raise ClientError(
                f"Channel {self.name} has ContentType {self.content_type!r}, which is not supported. "
                f"Use one of {', '.join(readers)}."
            )
        label_size = options.replace(" ", "").lower().removeprefix("label_size=")
        if options.strip() and label_size != "1" and not options.strip().lower().startswith("charset"):
            raise ClientError(
                f"Channel {self.name} has ContentType {self.content_type!r}. Training needs the label in the first "
                "column: use text/csv or text/csv;label_size=1."
            )
        return content_type


def _detect_text_type(start: bytes, readers: Mapping[str, Reader]) -> str:
    """Return CSV, unless libsvm is supported too and the first line does not consist of several columns."""
    line = start.lstrip().partition(b"\n")[0]
    is_csv = b":" not in line and any(delimiter in line for delimiter in b",;\t|")
    return CSV if is_csv or LIBSVM not in readers else LIBSVM


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    """Open a file, decompressing gzip."""
    with path.open("rb") as file:
        if file.peek(2)[:2] != GZIP_MAGIC:
            yield file
            return
        with gzip.open(file, "rb") as decompressed:
            yield cast(BinaryIO, decompressed)


def check_finite(table: DenseTable, reader: ChannelReader) -> None:
    """Raise ClientError at the first NaN or infinity, which binary formats can contain."""
    if table.is_surely_finite:
        return
    step = max(1, (4 << 20) // max(1, table.features.shape[1] * 4))
    for start in range(0, len(table), step):
        block, labels = table.features[start : start + step], table.labels[start : start + step]
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(block.sum() + labels.sum()):
                continue
        bad = ~np.isfinite(np.column_stack([labels, block]))
        if bad.any():
            row, column = (int(place[0]) for place in np.nonzero(bad))
            what = f"feature {column}" if column else "the label"
            raise ClientError(
                f"{reader.describe_row(table, start + row)}: {what} is not a finite number (as float32). "
                "Remove the row or replace the value."
            )
