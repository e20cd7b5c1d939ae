"""Blobs on disk: streams of bytes, encrypted record by record as they arrive, durable once finished.

A blob is a file named by a random id, never by anything a user chose. It has a random data key of its own, stored
wrapped in the database: deleting the row makes the bytes unreadable. Nothing refers to a blob before its row is
written, so a file without a row is an orphan of a crash, which `sweep` deletes.

Several processes may share a folder. The writer of a blob holds a lock on its file until its row is committed, and the
reader of an object with several blobs holds a lock on the first of them; the kernel releases locks when a process ends.
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

from lowcloud.store.blobs.deletion_lock import DeletionLock, PendingDeletions, try_lock
from lowcloud.store.blobs.encryption import (
    DATA_KEY_BYTES,
    MASTER_KEY_WRAPPING,
    TAG_BYTES,
    KeyRing,
    KeyWrapping,
    RecordCipher,
    TamperedError,
)
from lowcloud.store.durability import sync, sync_folder

RECORD_BYTES = 256 * 1024
SEALED_RECORD_BYTES = RECORD_BYTES + TAG_BYTES
SWEEP_BATCH = 200

# Returns which of some blob ids have a row.
FindReferenced = Callable[[Sequence[str]], Collection[str]]


@dataclass(frozen=True)
class Blob:
    """A blob's id, its size in bytes and its wrapped data key."""

    id: str
    size: int
    wrapped_key: bytes


class BlobMissingError(Exception):
    """The blob has no file: its object was replaced or deleted, or the file is lost."""


def new_id() -> str:
    """Return 32 hexadecimal digits: milliseconds first, so that index pages fill in order, then 80 random bits."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


class BlobStore:
    """The blobs of one folder."""

    def __init__(self, folder: Path, keys: KeyRing):
        self._folder = folder
        self._keys = keys
        self._deletion_lock = DeletionLock(folder.with_name("hold"))
        self._pending = PendingDeletions(self._deletion_lock, self._remove)
        _make_shards(folder)

    def create(self, wrapping: KeyWrapping = MASTER_KEY_WRAPPING) -> "BlobWriter":
        """Create a blob to write, in a `with` block that also commits its row."""
        return BlobWriter(self, new_id(), wrapping)

    def encrypt_inline(self, plain: bytes, owner: str, wrapping: KeyWrapping) -> tuple[bytes, bytes]:
        """Encrypt bytes that are stored in the database. Returns one encrypted record and the wrapped data key."""
        data_key = secrets.token_bytes(DATA_KEY_BYTES)
        return RecordCipher(data_key).encrypt(0, True, plain), self._keys.wrap(data_key, owner, wrapping)

    def decrypt_inline(self, sealed: bytes, owner: str, wrapped_key: bytes, wrapping: KeyWrapping) -> bytes:
        """Decrypt what `encrypt_inline` encrypted. Raises TamperedError and WrongKeyError."""
        return RecordCipher(self._keys.unwrap(wrapped_key, owner, wrapping)).decrypt(0, True, sealed)

    def read(
        self,
        blobs: Sequence[Blob],
        first: int = 0,
        length: int | None = None,
        wrapping: KeyWrapping = MASTER_KEY_WRAPPING,
    ) -> "BlobReader":
        """Read the bytes of the blobs, one after the other, from offset `first` on.

        They stay readable until the reader is closed, even if they are deleted meanwhile. Raises BlobMissingError here,
        TamperedError and WrongKeyError here or while reading.
        """
        available = sum(blob.size for blob in blobs) - first
        return BlobReader(self, blobs, first, available if length is None else min(length, available), wrapping)

    def delete(self, ids: Sequence[str]) -> None:
        """Delete the blobs of an object whose rows are deleted, as soon as no reader and no backup uses them."""
        if ids and not self._remove(ids):
            self._pending.add(ids)

    def discard(self, ids: Collection[str]) -> None:
        """Delete blobs without readers whose rows are deleted, as soon as no backup uses them."""
        if ids and self._deletion_lock.is_held():
            self._pending.add(list(ids))
            return
        self._unlink(ids)

    @contextmanager
    def lock_deletions(self) -> Iterator[None]:
        """Prevent every process from deleting blobs that have a row now. Raises AlreadyLockedError.

        A row is deleted before its blob, and the lock is checked in between: so a row that is read within the block
        keeps its file until the end of the block.
        """
        with self._deletion_lock.hold():
            yield

    def sweep(self, find_referenced: FindReferenced) -> int:
        """Delete files that have no row and no writer. Returns their number; during a backup nothing is deleted."""
        deleted = 0
        for names in self._batches():
            with self._orphans(names, find_referenced) as orphans:
                if self._deletion_lock.is_held():
                    return deleted
                # Only while it is locked: afterwards a file that was just created may get its row.
                self._unlink(orphans)
                deleted += len(orphans)
        return deleted

    def orphans(self, find_referenced: FindReferenced) -> Iterator[str]:
        """Yield the files that have no row and no writer."""
        for names in self._batches():
            with self._orphans(names, find_referenced) as orphans:
                found = list(orphans)
            yield from found

    def has_expected_size(self, blob: Blob) -> bool:
        """Return whether the file has the right size: all that can be checked without the customer's key."""
        return self.path(blob.id).stat().st_size == encrypted_size(blob.size)

    def path(self, blob_id: str) -> Path:
        """Return the path of a blob's file."""
        return self._folder / blob_id[-2:] / blob_id

    def _batches(self) -> Iterator[Sequence[str]]:
        for shard in sorted(self._folder.iterdir()):
            names = [entry.name for entry in os.scandir(shard)]
            for start in range(0, len(names), SWEEP_BATCH):
                yield names[start : start + SWEEP_BATCH]

    @contextmanager
    def _orphans(self, names: Sequence[str], find_referenced: FindReferenced) -> Iterator[Collection[str]]:
        """Return those that have no row and no writer; they are locked until the end of the block."""
        without_row = set(names) - set(find_referenced(names))
        with ExitStack() as locks:
            orphans = [name for name in without_row if self._lock_if_idle(name, locks)]
            # Looked up again under the locks: a writer releases its file only after its row is committed.
            yield set(orphans) - set(find_referenced(orphans)) if orphans else ()

    def _remove(self, ids: Sequence[str]) -> bool:
        """Delete the blobs of one object, the first of them last. Returns False if a reader or a backup uses them."""
        if self._deletion_lock.is_held():
            return False
        with ExitStack() as locks:
            # The reader of a single blob keeps its file open, which is enough.
            if len(ids) > 1 and self.path(ids[0]).exists() and not self._lock_if_idle(ids[0], locks):
                return False
            self._unlink([*ids[1:], ids[0]])
        return True

    def _unlink(self, ids: Collection[str]) -> None:
        for blob_id in ids:
            self.path(blob_id).unlink(missing_ok=True)

    def _lock_if_idle(self, blob_id: str, locks: ExitStack) -> bool:
        """Lock a blob that has no reader and no writer, until `locks` is closed. Returns whether it is locked."""
        try:
            descriptor = os.open(self.path(blob_id), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        locks.callback(os.close, descriptor)
        return try_lock(descriptor, fcntl.LOCK_EX)

    def _open(self, blob: Blob) -> int:
        try:
            return os.open(self.path(blob.id), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise BlobMissingError(f"Blob {blob.id} has no file.") from error


class BlobWriter:
    """Writes a blob. Leaving its `with` block before `finish` deletes the file."""

    def __init__(self, files: BlobStore, blob_id: str, wrapping: KeyWrapping):
        self.id = blob_id
        self._files = files
        self._path = files.path(blob_id)
        self._wrapping = wrapping
        self._key = secrets.token_bytes(DATA_KEY_BYTES)
        self._records = RecordCipher(self._key)
        self._buffer = bytearray()
        self._descriptor: int | None = None
        self._written = 0  # records
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
        """Add bytes; complete records are written to disk. Raises OSError."""
        self._buffer += chunk
        if len(self._buffer) > RECORD_BYTES:
            self._write_complete_records()

    def finish(self) -> Blob:
        """Complete the blob: its bytes and its directory entry are durable when this returns. Raises OSError."""
        size = self._written * RECORD_BYTES + len(self._buffer)
        self._append(self._records.encrypt(self._written, True, self._buffer))
        assert self._descriptor is not None
        sync(self._descriptor)
        sync_folder(self._path.parent)
        self._is_finished = True
        return Blob(self.id, size, self._files._keys.wrap(self._key, self.id, self._wrapping))

    def abandon(self) -> None:
        """Delete what was written."""
        self._path.unlink(missing_ok=True)
        self._close()

    def _write_complete_records(self) -> None:
        # At least one byte stays in the buffer: which record is the last is known only at the end.
        complete = (len(self._buffer) - 1) // RECORD_BYTES
        with memoryview(self._buffer) as view:
            for start in range(0, complete * RECORD_BYTES, RECORD_BYTES):
                self._append(self._records.encrypt(self._written, False, view[start : start + RECORD_BYTES]))
                self._written += 1
        del self._buffer[: complete * RECORD_BYTES]

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
    """Iterates over plaintext, at most one record at a time. Closing or garbage collection releases the blobs."""

    def __init__(self, files: BlobStore, blobs: Sequence[Blob], first: int, length: int, wrapping: KeyWrapping):
        self.first = first
        self.length = length
        self._files = files
        self._first_id = blobs[0].id if blobs else ""
        self._guard = _guard(files, blobs[0]) if len(blobs) > 1 else None
        self._chunks: Iterator[bytes] = _stream(files, blobs, first, length, wrapping)
        # Read the first record now: a missing or damaged blob is detected before the response has begun.
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
        """Release the blobs."""
        self._chunks = iter(())
        if self._guard is not None:
            os.close(self._guard)
            self._guard = None
            self._files._pending.release(self._first_id)

    def __del__(self) -> None:
        if hasattr(self, "_guard"):
            self.close()


def encrypted_size(size: int) -> int:
    """Return the size of `size` bytes once they are encrypted."""
    return size + (max(size - 1, 0) // RECORD_BYTES + 1) * TAG_BYTES


def _create_locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # a sweep has deleted it between the two calls as an orphan


def _guard(files: BlobStore, first: Blob) -> int:
    """Return a descriptor that prevents the deletion of an object's blobs until it is closed.

    Raises BlobMissingError.
    """
    descriptor = files._open(first)
    if try_lock(descriptor, fcntl.LOCK_SH) and os.fstat(descriptor).st_nlink:
        return descriptor
    os.close(descriptor)
    raise BlobMissingError(f"Blob {first.id} is being deleted.")


def _stream(files: BlobStore, blobs: Sequence[Blob], first: int, length: int, wrapping: KeyWrapping) -> Iterator[bytes]:
    for blob in blobs:
        if first < blob.size or blob.size == 0:
            start = min(first, blob.size)  # an empty blob is opened too, to be checked
            here = min(length, blob.size - start)
            yield from _stream_one(files, blob, start, here, wrapping)
            length -= here
        first = max(0, first - blob.size)
        if length <= 0:
            return


def _stream_one(files: BlobStore, blob: Blob, first: int, length: int, wrapping: KeyWrapping) -> Iterator[bytes]:
    records = RecordCipher(files._keys.unwrap(blob.wrapped_key, blob.id, wrapping))
    descriptor = files._open(blob)
    try:
        last_record = max(blob.size - 1, 0) // RECORD_BYTES
        if os.fstat(descriptor).st_size != encrypted_size(blob.size):
            raise TamperedError(f"Blob {blob.id} is corrupt: its file has an unexpected size.")
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
    """Create 256 subfolders, so that none grows large."""
    if not folder.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)
    missing = {f"{number:02x}" for number in range(256)} - {entry.name for entry in os.scandir(folder)}
    for name in missing:
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    if missing:
        sync_folder(folder)
