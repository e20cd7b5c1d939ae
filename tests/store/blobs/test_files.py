"""Blob files: writes, reads of ranges, and deletion."""

import fcntl
import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lowcloud.store import durability
from lowcloud.store.blobs import files as module
from lowcloud.store.blobs.encryption import KeyRing
from lowcloud.store.blobs.files import RECORD_BYTES, Blob, BlobMissingError, BlobStore, new_id
from tests.support.waiting import wait_for

KEYS = KeyRing(bytes(32))


@pytest.fixture
def files(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "objects", KEYS)


def write(files: BlobStore, *chunks: bytes) -> Blob:
    with files.create() as writer:
        for chunk in chunks:
            writer.write(chunk)
        return writer.finish()


def everything(files: BlobStore) -> list[Path]:
    return sorted(path for path in files.path(new_id()).parent.parent.glob("*/*"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(data=st.data())
def test_any_range_of_several_blobs_is_the_slice_of_their_bytes(files: BlobStore, data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "RECORD_BYTES", 10)  # many records in few bytes
        patch.setattr(module, "SEALED_RECORD_BYTES", 26)
        contents = data.draw(st.lists(st.lists(st.binary(max_size=25), max_size=3), min_size=1, max_size=3))
        blobs = [write(files, *chunks) for chunks in contents]
        whole = b"".join(b"".join(chunks) for chunks in contents)
        assert sum(blob.size for blob in blobs) == len(whole)
        first = data.draw(st.integers(0, len(whole)))
        length = data.draw(st.one_of(st.none(), st.integers(0, 80)))
        expected = whole[first:] if length is None else whole[first : first + length]
        assert b"".join(files.read(blobs, first, length)) == expected


def test_an_empty_range_reads_no_blob_after_an_empty_one(files: BlobStore) -> None:
    blobs = [write(files), write(files, b"ab")]
    assert b"".join(files.read(blobs, first=1, length=0)) == b""


def test_a_finished_blob_is_an_encrypted_file_named_by_its_id(files: BlobStore) -> None:
    blob = write(files, b"plain text" * 100)
    (path,) = everything(files)
    assert (path.name, path.parent.name) == (blob.id, blob.id[-2:])
    assert b"plain" not in path.read_bytes()
    assert path.stat().st_size == blob.size + 16
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_writer_that_does_not_finish_leaves_nothing(files: BlobStore) -> None:
    with pytest.raises(RuntimeError), files.create() as writer:
        writer.write(b"x" * 3 * RECORD_BYTES)
        assert len(everything(files)) == 1
        raise RuntimeError
    assert everything(files) == []


def test_file_and_folder_are_synced_before_a_blob_is_finished(
    files: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []

    def note(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(module, "sync", note)
    monkeypatch.setattr(durability, "sync", note)  # of folders
    blob = write(files, b"x")
    path = files.path(blob.id)
    assert synced == [path.stat().st_ino, path.parent.stat().st_ino]


def test_deleted_blobs_stay_until_their_last_reader_is_closed(files: BlobStore) -> None:
    blobs = [write(files, b"x" * 3 * RECORD_BYTES), write(files, b"y")]
    first, second = files.read(blobs), files.read(blobs)
    files.delete([blob.id for blob in blobs])
    assert len(b"".join(first)) == 3 * RECORD_BYTES + 1
    assert len(everything(files)) == 2
    second.close()
    assert everything(files) == []
    with pytest.raises(BlobMissingError):
        files.read(blobs)


def test_blobs_read_by_another_process_stay_until_it_ends(files: BlobStore, tmp_path: Path) -> None:
    blobs = [write(files, b"x" * 3 * RECORD_BYTES), write(files, b"y")]
    reader = files.read(blobs)
    others = BlobStore(files.path("00").parent.parent, KEYS)
    others.delete([blob.id for blob in blobs])
    assert len(b"".join(reader)) == 3 * RECORD_BYTES + 1
    wait_for(lambda: everything(files) == [])


def test_a_blob_being_written_by_another_process_is_not_an_orphan(files: BlobStore) -> None:
    others = BlobStore(files.path("00").parent.parent, KEYS)
    with files.create() as writer:
        writer.write(b"x" * 2 * RECORD_BYTES)
        assert others.sweep(lambda ids: []) == 0
        blob = writer.finish()
        assert others.sweep(lambda ids: []) == 0  # its row is not committed yet
    assert others.sweep(lambda ids: [blob.id]) == 0
    assert others.sweep(lambda ids: []) == 1


def test_an_orphan_found_by_a_sweep_during_a_backup_is_kept_once_it_has_a_row(files: BlobStore) -> None:
    blob = write(files, b"x")  # as if its file were just created, and not locked yet
    others = BlobStore(files.path("00").parent.parent, KEYS)
    with files.lock_deletions():
        assert others.sweep(lambda ids: []) == 0
    again = write(files, b"y")
    others.delete([again.id])
    wait_for(lambda: not files.path(again.id).exists())
    assert b"".join(files.read([blob])) == b"x"


def test_the_deletion_lock_can_be_taken_while_others_check_it(files: BlobStore) -> None:
    with files.lock_deletions():
        pass
    looker = (files.path("00").parent.parent.with_name("hold")).open()
    fcntl.flock(looker, fcntl.LOCK_SH)
    leaves = threading.Timer(0.05, looker.close)
    leaves.start()
    with files.lock_deletions():
        leaves.join()
        assert looker.closed


def test_many_deletions_during_a_backup_do_not_retry_each_other(
    files: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = [[write(files, b"x").id, write(files, b"y").id] for _ in range(30)]
    opened, really_open = 0, os.open

    def count(*arguments: object, **named: object) -> int:
        nonlocal opened
        opened += 1
        return really_open(*arguments, **named)  # type: ignore[arg-type]

    with files.lock_deletions():
        monkeypatch.setattr(os, "open", count)
        for group in groups:
            files.delete(group)
        assert opened < 3 * len(groups)
        assert len(everything(files)) == 2 * len(groups)
    wait_for(lambda: everything(files) == [])


def test_a_reader_protects_all_its_blobs_not_only_the_first(files: BlobStore) -> None:
    blobs = [write(files, b"one"), write(files, b"two")]
    reader = files.read(blobs)
    files.delete([blob.id for blob in blobs])
    assert b"".join(reader) == b"onetwo"
    assert everything(files) == []


def test_no_descriptor_stays_open(files: BlobStore) -> None:
    blob = write(files, b"x" * 3 * RECORD_BYTES)
    before = len(list(Path("/dev/fd").iterdir()))
    reader = files.read([blob])
    next(reader)
    reader.close()
    b"".join(files.read([blob]))
    assert len(list(Path("/dev/fd").iterdir())) == before
