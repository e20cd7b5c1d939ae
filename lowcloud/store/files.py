"""Blobs on disk: streams of bytes, encrypted record by record as they arrive, durable once finished.

A blob is a file named by a random id, never by anything a user chose. Its key is random, serves it alone, and is kept
wrapped in the database: who deletes the row has made the bytes unreadable. Nothing refers to a blob before its row is
written, so a file without a row is an orphan of a crash, which `sweep` removes.
"""

import fcntl
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

from lowcloud.store.encryption import DATA_KEY_BYTES, TAG_BYTES, KeyRing, Records, Tampered

RECORD_BYTES = 256 * 1024
SEALED_RECORD_BYTES = RECORD_BYTES + TAG_BYTES
SWEEP_BATCH = 500


@dataclass(frozen=True)
class Blob:
    """Where some bytes lie, how many they are, and the wrapped key that opens them."""

    id: str
    size: int
    wrapped_key: bytes


class BlobGone(Exception):
    """The blob is not there (any more): its object was replaced or deleted, or its file is lost."""


def new_id() -> str:
    """32 hexadecimal digits: milliseconds first, so that index pages fill in order, then 80 random bits."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


class Files:
    """The blobs of one folder. One process writes to a folder at a time; its threads share this."""

    def __init__(self, folder: Path, keys: KeyRing):
        self._folder = folder
        self._keys = keys
        self._lock = threading.Lock()
        self._writing: set[str] = set()
        self._readers: Counter[str] = Counter()
        self._going: set[str] = set()  # being deleted: may not be opened any more
        self._doomed: set[str] = set()  # to be deleted when its last reader has left
        _make_shards(folder)

    def create(self) -> "BlobWriter":
        """A new blob to write, in a `with` block that also commits the row naming it."""
        return BlobWriter(self, new_id())

    def read(self, blobs: Sequence[Blob], first: int = 0, length: int | None = None) -> "BlobReader":
        """The bytes of the blobs, one after the other, from `first` on.

        They stay readable until the reader is closed, even where they are deleted meanwhile. Raises BlobGone here,
        and Tampered here or while reading.
        """
        rest = sum(blob.size for blob in blobs) - first
        return BlobReader(self, blobs, first, rest if length is None else min(length, rest))

    def delete(self, ids: Collection[str]) -> None:
        """Remove blobs whose rows are gone, each as soon as nobody reads it."""
        with self._lock:
            held = {blob_id for blob_id in ids if self._readers[blob_id] > 0} if self._readers else set()
            self._doomed |= held
            self._going |= (free := set(ids) - held)
        self._unlink(free)

    def sweep(self, known: Callable[[Sequence[str]], Collection[str]]) -> int:
        """Delete files that no row names and nobody writes: how many. `known` says which of some ids have a row."""
        deleted = 0
        for shard in sorted(self._folder.iterdir()):
            names = [entry.name for entry in os.scandir(shard)]
            for start in range(0, len(names), SWEEP_BATCH):
                with self._lock:  # before the rows are asked: what is committed meanwhile has its row by then
                    batch = [name for name in names[start : start + SWEEP_BATCH] if name not in self._writing]
                orphans = set(batch) - set(known(batch)) if batch else set()
                self._unlink(orphans)
                deleted += len(orphans)
        return deleted

    def path(self, blob_id: str) -> Path:
        """The file of a blob."""
        return self._folder / blob_id[-2:] / blob_id

    def _unlink(self, ids: Collection[str]) -> None:
        for blob_id in ids:
            self.path(blob_id).unlink(missing_ok=True)
        with self._lock:
            self._going -= set(ids)

    def _begin_writing(self, blob_id: str) -> bytes:
        with self._lock:
            self._writing.add(blob_id)
        return secrets.token_bytes(DATA_KEY_BYTES)

    def _end_writing(self, blob_id: str) -> None:
        with self._lock:
            self._writing.discard(blob_id)

    def _begin_reading(self, ids: Sequence[str]) -> None:
        with self._lock:
            if not (self._going.isdisjoint(ids) and self._doomed.isdisjoint(ids)):
                raise BlobGone(f"Blob {ids[0]} is being deleted.")
            self._readers.update(ids)

    def _end_reading(self, ids: Sequence[str]) -> None:
        with self._lock:
            self._readers.subtract(ids)
            left = {blob_id for blob_id in ids if self._readers[blob_id] <= 0}
            for blob_id in left:
                del self._readers[blob_id]
            free = left & self._doomed
            self._doomed -= free
            self._going |= free
        self._unlink(free)

    def _wrap(self, data_key: bytes, blob_id: str) -> bytes:
        return self._keys.wrap(data_key, blob_id)

    def _open(self, blob: Blob) -> tuple[int, Records]:
        records = Records(self._keys.unwrap(blob.wrapped_key, blob.id))
        try:
            descriptor = os.open(self.path(blob.id), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise BlobGone(f"Blob {blob.id} has no file.") from error
        return descriptor, records


class BlobWriter:
    """Takes a blob's bytes in. Leaving its `with` block before `finish` leaves nothing behind."""

    def __init__(self, files: Files, blob_id: str):
        self.id = blob_id
        self._files = files
        self._path = files.path(blob_id)
        self._key = files._begin_writing(blob_id)
        self._records = Records(self._key)
        self._buffer = bytearray()
        self._descriptor: int | None = None
        self._written = 0  # whole records
        self._is_finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_finished:
            self.abandon()
        self._files._end_writing(self.id)

    def write(self, chunk: bytes) -> None:
        """Take bytes in; whole records go to disk. Raises OSError."""
        self._buffer += chunk
        if len(self._buffer) > RECORD_BYTES:
            self._write_whole_records()

    def finish(self) -> Blob:
        """Close the blob: its bytes and its name are on disk when this returns. Raises OSError."""
        size = self._written * RECORD_BYTES + len(self._buffer)
        self._append(self._records.encrypt(self._written, True, self._buffer))
        assert self._descriptor is not None
        sync(self._descriptor)
        self._close()
        _sync_folder(self._path.parent)
        self._is_finished = True
        return Blob(self.id, size, self._files._wrap(self._key, self.id))

    def abandon(self) -> None:
        """Remove what was written."""
        self._close()
        self._path.unlink(missing_ok=True)

    def _write_whole_records(self) -> None:
        # At least one byte stays behind: which record is the last is only known at the end.
        whole = (len(self._buffer) - 1) // RECORD_BYTES
        with memoryview(self._buffer) as view:
            for start in range(0, whole * RECORD_BYTES, RECORD_BYTES):
                self._append(self._records.encrypt(self._written, False, view[start : start + RECORD_BYTES]))
                self._written += 1
        del self._buffer[: whole * RECORD_BYTES]

    def _append(self, record: bytes) -> None:
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        rest = memoryview(record)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class BlobReader(Iterator[bytes]):
    """Iterates over plaintext, a record at most at a time. Close it, or drop it, to let the blobs go."""

    def __init__(self, files: Files, blobs: Sequence[Blob], first: int, length: int):
        self.first = first
        self.length = length
        self._files = files
        self._ids = [blob.id for blob in blobs]
        self._is_open = False
        files._begin_reading(self._ids)
        self._is_open = True
        self._chunks: Iterator[bytes] = _stream(files, blobs, first, length)
        # The first record now: a missing or damaged blob is then known before an answer has begun.
        start = next(self._chunks, None)
        if start is not None:
            self._chunks = chain((start,), self._chunks)

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let the blobs go."""
        if self._is_open:
            self._is_open = False
            self._chunks = iter(())
            self._files._end_reading(self._ids)

    def __del__(self) -> None:
        self.close()


def sync(descriptor: int) -> None:
    """Wait until a file's bytes are on the disk itself."""
    if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: fsync alone leaves them in the disk's own cache
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def _stream(files: Files, blobs: Sequence[Blob], first: int, length: int) -> Iterator[bytes]:
    for blob in blobs:
        if first < blob.size or blob.size == 0:
            start = min(first, blob.size)  # an empty blob is opened too, to be checked
            here = min(length, blob.size - start)
            yield from _stream_one(files, blob, start, here)
            length -= here
        first = max(0, first - blob.size)
        if length <= 0:
            return


def _stream_one(files: Files, blob: Blob, first: int, length: int) -> Iterator[bytes]:
    descriptor, records = files._open(blob)
    try:
        last_record = max(blob.size - 1, 0) // RECORD_BYTES
        if os.fstat(descriptor).st_size != blob.size + (last_record + 1) * TAG_BYTES:
            raise Tampered(f"Blob {blob.id} has not the length that was written.")
        for number in range(first // RECORD_BYTES, max(first + length - 1, 0) // RECORD_BYTES + 1):
            sealed = os.pread(descriptor, SEALED_RECORD_BYTES, number * SEALED_RECORD_BYTES)
            plain = records.decrypt(number, number == last_record, sealed)
            start = number * RECORD_BYTES
            if piece := plain[max(first - start, 0) : first + length - start]:
                yield piece
    except Tampered as error:
        raise Tampered(f"Blob {blob.id}: {error}") from error
    finally:
        os.close(descriptor)


def _make_shards(folder: Path) -> None:
    """256 folders, so that none grows large; made once, durably."""
    if not folder.exists():
        folder.mkdir(mode=0o700)
        _sync_folder(folder.parent)
    missing = {f"{number:02x}" for number in range(256)} - {entry.name for entry in os.scandir(folder)}
    for name in missing:
        (folder / name).mkdir(mode=0o700)
    if missing:
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)
