"""Reading a training channel: every file below its folder, whatever supported format they are in."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats import csv, parquet, recordio_channel
from lowcloud.runtime.formats.table import Table

GZIP_MAGIC = b"\x1f\x8b"
MAGICS = {b"\x0a\x23\xd7\xce": "application/x-recordio-protobuf", b"PAR1": "application/x-parquet"}
READERS = {
    "text/csv": csv.read,
    "application/x-recordio-protobuf": recordio_channel.read,
    "application/x-parquet": parquet.read,
}


@dataclass(frozen=True)
class ChannelReader:
    """Where a channel lies and what is known of it."""

    name: str
    folder: Path
    content_type: str | None = None  # None: found from the files' contents
    is_passed: bool = False  # the job has this channel, though this host may have no files of it

    def read(self, feature_dim: int | None = None) -> Table:
        """All rows of the channel. Raises ClientError naming file, line or record, and what to do."""
        table = Table(feature_dim)
        try:
            for path in self._files():
                self._read_file(path, table)
        except MemoryError:
            raise ClientError(
                f"Channel {self.name} does not fit in memory: {len(table)} rows of {table.features.shape[1]} "
                "features were read. Use fewer rows, or a machine with more memory."
            ) from None
        return table

    def place_of(self, table: Table, row: int) -> str:
        """Where a row of the table came from, for messages: "train/a.csv, line 7" or "train/a.rec, record 7"."""
        source, index = table.source_of(row)
        path = self.folder.parent / source
        with _open(path) as stream:
            is_text = self._kind(stream, source) == "text/csv"
        if not is_text:
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

    def _read_file(self, path: Path, table: Table) -> None:
        name = csv.name_of(path, self.folder)
        with _open(path) as stream:
            read = READERS[self._kind(stream, name)]
            try:
                read(stream, name, table)
            except (gzip.BadGzipFile, zlib.error, EOFError) as error:
                raise ClientError(f"{name} is not a whole gzip file ({error}). Upload it again.") from None

    def _kind(self, stream: BinaryIO, name: str) -> str:
        if self.content_type:
            return self._declared()
        start = cast("gzip.GzipFile", stream).peek(64)[:64]
        kind = MAGICS.get(start[:4])
        if kind is None and b"\0" in start:
            raise ClientError(f"{name} is neither CSV, RecordIO-protobuf nor parquet. Convert it to one of them.")
        return kind or "text/csv"

    def _declared(self) -> str:
        kind, _, options = (self.content_type or "").partition(";")
        kind = kind.strip().lower()
        kind = {
            "application/x-recordio": "application/x-recordio-protobuf",
            "application/parquet": "application/x-parquet",
        }.get(kind, kind)
        if kind not in READERS:
            raise ClientError(
                f"Channel {self.name} has ContentType {self.content_type!r}, which is not read here. "
                f"Use one of {', '.join(READERS)}."
            )
        label_size = options.replace(" ", "").lower().removeprefix("label_size=")
        if options.strip() and label_size != "1" and not options.strip().lower().startswith("charset"):
            raise ClientError(
                f"Channel {self.name} has ContentType {self.content_type!r}. Training needs the label in the first "
                "column: use text/csv or text/csv;label_size=1."
            )
        return kind


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked where they are gzip."""
    with path.open("rb") as file:
        if file.peek(2)[:2] != GZIP_MAGIC:
            yield file
            return
        with gzip.open(file, "rb") as unpacked:
            yield cast(BinaryIO, unpacked)


def check_finite(table: Table, reader: ChannelReader) -> None:
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
