"""Blobs on disk: streams of bytes, encrypted record by record as they arrive, durable once finished.

A blob is a file named by a random id, never by anything a user chose. Its key is random, serves it alone, and is kept
wrapped in the database: who deletes the row has made the bytes unreadable. Nothing refers to a blob before its row is
written, so a file without a row is an orphan of a crash, which `sweep` removes.

Several processes may share a folder. Who writes a blob holds a lock on its file until its row is committed, and who
reads many blobs as one holds a lock on the first of them; locks end with their process, whatever ends it.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

from lowcloud.store.blobs.deletion_lock import Hold, Waiting, lock
from lowcloud.store.blobs.encryption import (
    DATA_KEY_BYTES,
    PLAIN_WRAPPING,
    TAG_BYTES,
    KeyRing,
    Records,
    TamperedError,
    Wrapping,
)

RECORD_BYTES = 256 * 1024
SEALED_RECORD_BYTES = RECORD_BYTES + TAG_BYTES
SWEEP_BATCH = 200

# Which of some blob ids have a row.
Known = Callable[[Sequence[str]], Collection[str]]


@dataclass(frozen=True)
class Blob:
    """Where some bytes lie, how many they are, and the wrapped key that opens them."""

    id: str
    size: int
    wrapped_key: bytes


class BlobGoneError(Exception):
    """The blob is not there (any more): its object was replaced or deleted, or its file is lost."""


def new_id() -> str:
    """32 hexadecimal digits: milliseconds first, so that index pages fill in order, then 80 random bits."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


class Files:
    """The blobs of one folder."""

    def __init__(self, folder: Path, keys: KeyRing):
        self._folder = folder
        self._keys = keys
        self._hold = Hold(folder.with_name("hold"))
        self._waiting = Waiting(self._hold, self._remove)
        _make_shards(folder)

    def create(self, wrapping: Wrapping = PLAIN_WRAPPING) -> "BlobWriter":
        """A new blob to write, in a `with` block that also commits the row naming it."""
        return BlobWriter(self, new_id(), wrapping)

    def seal_whole(self, plain: bytes, owner: str, wrapping: Wrapping) -> tuple[bytes, bytes]:
        """A small blob that is to lie elsewhere: its one encrypted record, and its wrapped key."""
        data_key = secrets.token_bytes(DATA_KEY_BYTES)
        return Records(data_key).encrypt(0, True, plain), self._keys.wrap(data_key, owner, wrapping)

    def open_whole(self, sealed: bytes, owner: str, wrapped_key: bytes, wrapping: Wrapping) -> bytes:
        """The bytes that `seal_whole` sealed. Raises TamperedError and WrongKey."""
        return Records(self._keys.unwrap(wrapped_key, owner, wrapping)).decrypt(0, True, sealed)

    def read(
        self, blobs: Sequence[Blob], first: int = 0, length: int | None = None, wrapping: Wrapping = PLAIN_WRAPPING
    ) -> "BlobReader":
        """The bytes of the blobs, one after the other, from `first` on.

        They stay readable until the reader is closed, even where they are deleted meanwhile. Raises BlobGoneError here,
        TamperedError and WrongKey here or while reading.
        """
        rest = sum(blob.size for blob in blobs) - first
        return BlobReader(self, blobs, first, rest if length is None else min(length, rest), wrapping)

    def delete(self, ids: Sequence[str]) -> None:
        """Remove the blobs that an object had, whose rows are gone, as soon as nobody reads or holds them."""
        if ids and not self._remove(ids):
            self._waiting.add(ids)

    def discard(self, ids: Collection[str]) -> None:
        """Remove blobs that nobody reads, whose rows are gone, as soon as nobody holds them."""
        if ids and self._hold.is_taken():
            self._waiting.add(list(ids))
            return
        self._unlink(ids)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep every blob that has a row now from being removed, by any process. Raises HeldAlready.

        Whoever removes a blob has removed its row before, and looks for the hold after: so a row that is found
        within the block has its file until the block is left.
        """
        with self._hold.taken():
            yield

    def sweep(self, known: Known) -> int:
        """Delete files that no row names and nobody writes: how many. While a backup runs, none."""
        deleted = 0
        for names in self._batches():
            with self._orphans(names, known) as orphans:
                if self._hold.is_taken():
                    return deleted
                # Now or not at all: once its lock is let go of, a file that was only just made can get its row.
                self._unlink(orphans)
                deleted += len(orphans)
        return deleted

    def orphans(self, known: Known) -> Iterator[str]:
        """The files that no row names and nobody writes."""
        for names in self._batches():
            with self._orphans(names, known) as orphans:
                found = list(orphans)
            yield from found

    def has_its_length(self, blob: Blob) -> bool:
        """Whether its file is as long as was written: all that can be told of a blob whose key nobody has."""
        return self.path(blob.id).stat().st_size == sealed_size(blob.size)

    def path(self, blob_id: str) -> Path:
        """The file of a blob."""
        return self._folder / blob_id[-2:] / blob_id

    def _batches(self) -> Iterator[Sequence[str]]:
        for shard in sorted(self._folder.iterdir()):
            names = [entry.name for entry in os.scandir(shard)]
            for start in range(0, len(names), SWEEP_BATCH):
                yield names[start : start + SWEEP_BATCH]

    @contextmanager
    def _orphans(self, names: Sequence[str], known: Known) -> Iterator[Collection[str]]:
        """Those that no row names and nobody writes, nor can begin to read until the block is left."""
        nameless = set(names) - set(known(names))
        with ExitStack() as held:
            orphans = [name for name in nameless if self._is_idle(name, held)]
            # Asked again under the locks: a writer lets go of its file only after its row is committed.
            yield set(orphans) - set(known(orphans)) if orphans else ()

    def _remove(self, ids: Sequence[str]) -> bool:
        """Remove blobs read as one, the first of them last. False where somebody reads or holds them."""
        if self._hold.is_taken():
            return False
        with ExitStack() as held:
            # Who reads a single file keeps it open, which is enough.
            if len(ids) > 1 and self.path(ids[0]).exists() and not self._is_idle(ids[0], held):
                return False
            self._unlink([*ids[1:], ids[0]])
        return True

    def _unlink(self, ids: Collection[str]) -> None:
        for blob_id in ids:
            self.path(blob_id).unlink(missing_ok=True)

    def _is_idle(self, blob_id: str, held: ExitStack) -> bool:
        """Whether nobody reads or writes a blob; it stays so until `held` is left."""
        try:
            descriptor = os.open(self.path(blob_id), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        held.callback(os.close, descriptor)
        return lock(descriptor, fcntl.LOCK_EX)

    def _open(self, blob: Blob) -> int:
        try:
            return os.open(self.path(blob.id), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise BlobGoneError(f"Blob {blob.id} has no file.") from error


class BlobWriter:
    """Takes a blob's bytes in. Leaving its `with` block before `finish` leaves nothing behind."""

    def __init__(self, files: Files, blob_id: str, wrapping: Wrapping):
        self.id = blob_id
        self._files = files
        self._path = files.path(blob_id)
        self._wrapping = wrapping
        self._key = secrets.token_bytes(DATA_KEY_BYTES)
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
        self._close()

    def write(self, chunk: bytes) -> None:
        """Take bytes in; whole records go to disk. Raises OSError."""
        self._buffer += chunk
        if len(self._buffer) > RECORD_BYTES:
            self._write_whole_records()

    def finish(self) -> Blob:
        """End the blob: its bytes and its name are on disk when this returns. Raises OSError."""
        size = self._written * RECORD_BYTES + len(self._buffer)
        self._append(self._records.encrypt(self._written, True, self._buffer))
        assert self._descriptor is not None
        sync(self._descriptor)
        sync_folder(self._path.parent)
        self._is_finished = True
        return Blob(self.id, size, self._files._keys.wrap(self._key, self.id, self._wrapping))

    def abandon(self) -> None:
        """Remove what was written."""
        self._path.unlink(missing_ok=True)
        self._close()

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
            self._descriptor = _create_locked(self._path)
        rest = memoryview(record)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class BlobReader(Iterator[bytes]):
    """Iterates over plaintext, a record at most at a time. Close it, or drop it, to let the blobs go."""

    def __init__(self, files: Files, blobs: Sequence[Blob], first: int, length: int, wrapping: Wrapping):
        self.first = first
        self.length = length
        self._files = files
        self._first_id = blobs[0].id if blobs else ""
        self._guard = _guard(files, blobs[0]) if len(blobs) > 1 else None
        self._chunks: Iterator[bytes] = _stream(files, blobs, first, length, wrapping)
        # The first record now: a missing or damaged blob is then known before an answer has begun.
        start = next(self, None)
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
        self._chunks = iter(())
        if self._guard is not None:
            os.close(self._guard)
            self._guard = None
            self._files._waiting.let_go(self._first_id)

    def __del__(self) -> None:
        if hasattr(self, "_guard"):
            self.close()


def sealed_size(size: int) -> int:
    """How many bytes so many take once they are encrypted."""
    return size + (max(size - 1, 0) // RECORD_BYTES + 1) * TAG_BYTES


def sync(descriptor: int) -> None:
    """Wait until a file's bytes are on the disk itself."""
    if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: fsync alone leaves them in the disk's own cache
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk itself."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def _create_locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # a sweep came between the two and took it for an orphan


def _guard(files: Files, first: Blob) -> int:
    """Keep the blobs that begin with this one from being deleted until the descriptor is closed.

    Raises BlobGoneError.
    """
    descriptor = files._open(first)
    if lock(descriptor, fcntl.LOCK_SH) and os.fstat(descriptor).st_nlink:
        return descriptor
    os.close(descriptor)
    raise BlobGoneError(f"Blob {first.id} is being deleted.")


def _stream(files: Files, blobs: Sequence[Blob], first: int, length: int, wrapping: Wrapping) -> Iterator[bytes]:
    for blob in blobs:
        if first < blob.size or blob.size == 0:
            start = min(first, blob.size)  # an empty blob is opened too, to be checked
            here = min(length, blob.size - start)
            yield from _stream_one(files, blob, start, here, wrapping)
            length -= here
        first = max(0, first - blob.size)
        if length <= 0:
            return


def _stream_one(files: Files, blob: Blob, first: int, length: int, wrapping: Wrapping) -> Iterator[bytes]:
    records = Records(files._keys.unwrap(blob.wrapped_key, blob.id, wrapping))
    descriptor = files._open(blob)
    try:
        last_record = max(blob.size - 1, 0) // RECORD_BYTES
        if os.fstat(descriptor).st_size != sealed_size(blob.size):
            raise TamperedError(f"Blob {blob.id} has not the length that was written.")
        for number in range(first // RECORD_BYTES, max(first + length - 1, 0) // RECORD_BYTES + 1):
            sealed = os.pread(descriptor, SEALED_RECORD_BYTES, number * SEALED_RECORD_BYTES)
            plain = records.decrypt(number, number == last_record, sealed)
            start = number * RECORD_BYTES
            if piece := plain[max(first - start, 0) : first + length - start]:
                yield piece
    except TamperedError as error:
        raise TamperedError(f"Blob {blob.id}: {error}") from error
    finally:
        os.close(descriptor)


def _make_shards(folder: Path) -> None:
    """256 folders, so that none grows large; made once, durably."""
    if not folder.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)
    missing = {f"{number:02x}" for number in range(256)} - {entry.name for entry in os.scandir(folder)}
    for name in missing:
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    if missing:
        sync_folder(folder)
