"""Reading a training channel: every file below its folder, or its pipe, whatever supported format they are in."""

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

GZIP_MAGIC = b"\x1f\x8b"
CSV, LIBSVM, RECORDIO, PARQUET = "text/csv", "text/libsvm", "application/x-recordio-protobuf", "application/x-parquet"
MAGICS = {b"\x0a\x23\xd7\xce": RECORDIO, b"PAR1": PARQUET}
OTHER_NAMES = {
    "csv": CSV,
    "libsvm": LIBSVM,
    "text/x-libsvm": LIBSVM,
    "recordio-protobuf": RECORDIO,
    "application/x-recordio": RECORDIO,
    "parquet": PARQUET,
    "application/parquet": PARQUET,
}
Reader = Callable[[BinaryIO, str], None]  # reads a stream whose name is for messages


@dataclass(frozen=True)
class ChannelReader:
    """Where a channel lies and what is known of it."""

    name: str
    folder: Path
    content_type: str | None = None  # None: found from the files' contents
    is_passed: bool = False  # the job has this channel, though this host may have no files of it
    is_piped: bool = False  # the data come through the pipe FOLDER_0 rather than as files

    def read(self, feature_dim: int | None = None) -> DenseTable:
        """All rows of the channel. Raises ClientError naming file, line or record, and what to do."""
        table = DenseTable(feature_dim)
        whole = {CSV: csv.read, RECORDIO: recordio_channel.read, PARQUET: parquet.read}
        try:
            self.read_with({kind: partial(read, table=table) for kind, read in whole.items()})
        except MemoryError:
            raise ClientError(
                f"Channel {self.name} does not fit in memory: {len(table)} rows of {table.features.shape[1]} "
                "features were read. Use fewer rows, or a machine with more memory."
            ) from None
        return table

    def read_with(self, readers: Mapping[str, Reader]) -> None:
        """Give every file to the reader of its kind. Raises ClientError, as the readers do."""
        for path in [self._pipe] if self.is_piped else self._files():
            name = self.name if self.is_piped else csv.name_of(path, self.folder)
            with _open(path) as stream:
                read = readers[self._kind(stream, name, readers)]
                try:
                    read(stream, name)
                except (gzip.BadGzipFile, zlib.error, EOFError) as error:
                    raise ClientError(f"{name} is not a whole gzip file ({error}). Upload it again.") from None

    def place_of(self, table: DenseTable, row: int) -> str:
        """Where a row of the table came from, for messages: "train/a.csv, line 7" or "train/a.rec, record 7"."""
        return self.place(*table.source_of(row))

    def place(self, source: str, index: int) -> str:
        """Where the row with this index in a file came from."""
        path = self.folder.parent / source
        if self.is_piped:
            return f"{source}, record {index + 1}"
        with _open(path) as stream:
            is_binary = cast("gzip.GzipFile", stream).peek(4)[:4] in MAGICS
        if is_binary:
            return f"{source}, record {index + 1}"
        with _open(path) as stream:
            return f"{source}, line {csv.line_of(stream, index)}"

    def _files(self) -> list[Path]:
        if not self.folder.is_dir() and not self.is_passed:
            there = sorted(path.name for path in self.folder.parent.glob("*/"))
            given = f" The job has {', '.join(map(repr, there))} only." if there else ""
            raise ClientError(
                f"Channel {self.name} is missing.{given} Pass it to fit(), e.g. fit({{'{self.name}': 's3://...'}})."
            )
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        return [path for path in paths if path.stat().st_size]

    @property
    def _pipe(self) -> Path:
        return self.folder.with_name(f"{self.name}_0")

    def _kind(self, stream: BinaryIO, name: str, readers: Mapping[str, Reader]) -> str:
        """The content type of a stream, as declared or else found from how it begins."""
        if self.content_type:
            return self._declared(readers)
        start = cast("gzip.GzipFile", stream).peek(4096)[:4096]
        kind = MAGICS.get(start[:4])
        if kind is None and b"\0" in start[:64]:
            raise ClientError(f"{name} is none of {', '.join(readers)}. Convert it to one of them.")
        return kind or _kind_of_text(start, readers)

    def _declared(self, readers: Mapping[str, Reader]) -> str:
        kind, _, options = (self.content_type or "").partition(";")
        kind = kind.strip().lower()
        kind = OTHER_NAMES.get(kind, kind)
        if kind not in readers:
            raise ClientError(
                f"Channel {self.name} has ContentType {self.content_type!r}, which is not read here. "
                f"Use one of {', '.join(readers)}."
            )
        label_size = options.replace(" ", "").lower().removeprefix("label_size=")
        if options.strip() and label_size != "1" and not options.strip().lower().startswith("charset"):
            raise ClientError(
                f"Channel {self.name} has ContentType {self.content_type!r}. Training needs the label in the first "
                "column: use text/csv or text/csv;label_size=1."
            )
        return kind


def _kind_of_text(start: bytes, readers: Mapping[str, Reader]) -> str:
    """CSV, unless libsvm is read too and the first line is not one of several columns."""
    line = start.lstrip().partition(b"\n")[0]
    is_csv = b":" not in line and any(delimiter in line for delimiter in b",;\t|")
    return CSV if is_csv or LIBSVM not in readers else LIBSVM


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked where they are gzip."""
    with path.open("rb") as file:
        if file.peek(2)[:2] != GZIP_MAGIC:
            yield file
            return
        with gzip.open(file, "rb") as unpacked:
            yield cast(BinaryIO, unpacked)


def check_finite(table: DenseTable, reader: ChannelReader) -> None:
    """Raise ClientError at the first NaN or infinity, which binary formats can hold."""
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
                f"{reader.place_of(table, start + row)}: {what} is not a finite number (as float32). "
                "Remove the row or replace the value."
            )
