"""Objects: writes, reads of ranges, and deletions."""

import errno
import hashlib
import threading
from base64 import b64encode

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError, InvalidError, NotFoundError, StorageFullError
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import byte_ranges, copies, deletions, listings, objects
from lowcloud.core.storage.objects.bodies import ExpectedDigests
from lowcloud.core.storage.objects.checksums import DigestMismatchError, InvalidDigestError
from lowcloud.core.storage.objects.metadata import ObjectMetadata
from lowcloud.core.storage.objects.preconditions import NotModifiedError, PreconditionFailedError, Preconditions
from lowcloud.store.blobs import files
from lowcloud.store.blobs.encryption import TamperedError
from lowcloud.store.blobs.files import RECORD_BYTES
from lowcloud.store.db.tables.storage import contents
from tests.support.databases import full_database


@pytest.fixture(autouse=True)
def bucket(context: Context) -> None:
    buckets.create(context, "shelf")


def bytes_of(context: Context, key: str, **options: object) -> bytes:
    return b"".join(objects.get(context, "shelf", key, **options)[1])  # type: ignore[arg-type]


def stored(context: Context) -> list[str]:
    """Return the ids of all stored bytes: in files, and in the database."""
    with context.database.read() as connection:
        small = connection.scalars(sa.select(contents.c.id)).all()
    return sorted([path.name for path in (context.settings.data / "objects").glob("*/*")] + list(small))


def claiming(**digests: str) -> ExpectedDigests:
    return lambda: digests


@pytest.mark.parametrize("size", [0, 1, RECORD_BYTES - 1, RECORD_BYTES, RECORD_BYTES + 1, 3 * RECORD_BYTES + 7])
def test_an_object_round_trips(context: Context, size: int) -> None:
    content = hashlib.shake_128(b"content").digest(size)
    pieces = [content[start : start + 100_000] for start in range(0, size, 100_000)]
    said = ObjectMetadata({"content-type": "text/csv"}, {"k": "é"})
    put = objects.put(context, "shelf", "a/b", pieces, said)
    found, chunks = objects.get(context, "shelf", "a/b")
    assert b"".join(chunks) == content
    assert found == put
    assert (found.size, found.etag) == (size, hashlib.md5(content).hexdigest())
    assert found.metadata == said


@given(size=st.integers(0, 60), first=st.integers(0, 70), last=st.none() | st.integers(0, 70))
def test_a_range_is_a_slice_of_the_bytes(size: int, first: int, last: int | None) -> None:
    content = bytes(range(size))
    check_span(content, byte_ranges.ByteRange(first, last), content[first : None if last is None else last + 1])


@given(size=st.integers(0, 60), count=st.integers(0, 70))
def test_a_range_without_a_first_byte_is_the_end_of_the_bytes(size: int, count: int) -> None:
    content = bytes(range(size))
    check_span(content, byte_ranges.ByteRange(None, count), content[max(size - count, 0) :] if count else b"")


def check_span(content: bytes, byte_range: byte_ranges.ByteRange, expected: bytes) -> None:
    if not expected:
        with pytest.raises(byte_ranges.RangeNotSatisfiableError):
            byte_ranges.locate_range(byte_range, len(content))
        return
    first, length = byte_ranges.locate_range(byte_range, len(content))
    assert content[first : first + length] == expected


@pytest.mark.parametrize("first", [0, 5, RECORD_BYTES - 1, RECORD_BYTES, 2 * RECORD_BYTES + 5])
@pytest.mark.parametrize("length", [1, 2, RECORD_BYTES, RECORD_BYTES + 1])
def test_ranges_cross_records(context: Context, first: int, length: int) -> None:
    content = hashlib.shake_128(b"content").digest(4 * RECORD_BYTES)
    objects.put(context, "shelf", "k", [content])
    assert (
        bytes_of(context, "k", byte_range=byte_ranges.ByteRange(first, first + length - 1))
        == content[first : first + length]
    )


def test_an_overwritten_object_leaves_no_file(context: Context) -> None:
    objects.put(context, "shelf", "k", [b"old"])
    objects.put(context, "shelf", "k", [b"new"])
    assert bytes_of(context, "k") == b"new"
    assert len(stored(context)) == 1
    deletions.delete(context, "shelf", "k")
    assert stored(context) == []
    with pytest.raises(NotFoundError):
        objects.head(context, "shelf", "k")
    deletions.delete(context, "shelf", "k")  # again: no error


def test_a_reader_keeps_its_bytes_while_the_object_is_overwritten(context: Context) -> None:
    content = hashlib.shake_128(b"content").digest(3 * RECORD_BYTES)
    objects.put(context, "shelf", "k", [content])
    _, chunks = objects.get(context, "shelf", "k")
    objects.put(context, "shelf", "k", [b"new"])
    assert len(stored(context)) == 1
    assert b"".join(chunks) == content
    assert bytes_of(context, "k") == b"new"


@pytest.mark.parametrize("position", [0, RECORD_BYTES // 2, RECORD_BYTES + 3, -1])
def test_a_flipped_bit_is_refused(context: Context, position: int) -> None:
    content = b"x" * (2 * RECORD_BYTES)
    objects.put(context, "shelf", "k", [content])
    path = next((context.settings.data / "objects").glob("*/*"))
    sealed = bytearray(path.read_bytes())
    sealed[position] ^= 1
    path.write_bytes(sealed)
    served = b""
    with pytest.raises(TamperedError):
        for chunk in objects.get(context, "shelf", "k")[1]:
            served += chunk
    assert content.startswith(served)


@pytest.mark.parametrize("change", ["cut", "longer", "swapped"])
def test_truncated_added_or_reordered_records_are_refused(context: Context, change: str) -> None:
    objects.put(context, "shelf", "k", [b"x" * (3 * RECORD_BYTES)])
    path = next((context.settings.data / "objects").glob("*/*"))
    sealed, step = path.read_bytes(), files.SEALED_RECORD_BYTES
    changed = {
        "cut": sealed[:step],
        "longer": sealed + sealed[:step],
        "swapped": sealed[step : 2 * step] + sealed[:step] + sealed[2 * step :],
    }
    path.write_bytes(changed[change])
    with pytest.raises(TamperedError):
        bytes_of(context, "k")


def test_two_swapped_blobs_are_refused(context: Context) -> None:
    objects.put(context, "shelf", "a", [b"a" * RECORD_BYTES])
    objects.put(context, "shelf", "b", [b"b" * RECORD_BYTES])
    one, other = (context.settings.data / "objects").glob("*/*")
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    with pytest.raises(TamperedError):
        bytes_of(context, "a")


def test_two_swapped_small_contents_are_refused(context: Context) -> None:
    one, other = (objects.put(context, "shelf", key, [key.encode()]).id for key in "ab")
    with context.database.transaction() as connection:
        sealed = dict(connection.execute(sa.select(contents.c.id, contents.c.sealed)).all())
        for bytes_id, content in ((one, sealed[other]), (other, sealed[one])):
            connection.execute(sa.update(contents).where(contents.c.id == bytes_id).values(sealed=content))
    with pytest.raises(TamperedError):
        bytes_of(context, "a")
    with context.database.transaction() as connection:
        connection.execute(sa.delete(contents))
    with pytest.raises(files.BlobMissingError):
        bytes_of(context, "a")


def test_a_wrong_digest_stores_nothing(context: Context) -> None:
    objects.put(context, "shelf", "k", [b"kept"])
    wrong = b64encode(hashlib.md5(b"other").digest()).decode()
    with pytest.raises(DigestMismatchError):
        objects.put(context, "shelf", "k", [b"new"], expected_digests=claiming(MD5=wrong))
    with pytest.raises(InvalidDigestError):
        objects.put(context, "shelf", "k", [b"new"], expected_digests=claiming(MD5="short"))
    assert bytes_of(context, "k") == b"kept"
    assert len(stored(context)) == 1


def test_the_requested_checksum_is_stored(context: Context) -> None:
    digest = b64encode(hashlib.sha256(b"abc").digest()).decode()
    put = objects.put(context, "shelf", "k", [b"abc"], algorithm="SHA256", expected_digests=claiming(SHA256=digest))
    assert put.checksum is not None
    assert put.checksum.value == digest
    assert objects.head(context, "shelf", "k").checksum == put.checksum
    by_default = objects.put(context, "shelf", "d", [b"123456789"]).checksum
    assert by_default is not None
    assert by_default.value == b64encode(bytes.fromhex("ae8b14860a799888")).decode()  # the check value of CRC-64/NVME


def test_preconditions_of_reads(context: Context) -> None:
    put = objects.put(context, "shelf", "k", [b"abc"])
    second = int(put.modified_at)
    for kept in (
        Preconditions(if_match=f'"{put.etag}"'),
        Preconditions(if_match="*"),
        Preconditions(if_none_match='"x"'),
    ):
        assert objects.head(context, "shelf", "k", preconditions=kept) == put
    assert (
        objects.head(context, "shelf", "k", preconditions=Preconditions(if_match="*", if_unmodified_since=second - 9))
        == put
    )
    for refused in (Preconditions(if_match='"x"'), Preconditions(if_unmodified_since=second - 1)):
        with pytest.raises(PreconditionFailedError):
            objects.get(context, "shelf", "k", preconditions=refused)
    for known in (Preconditions(if_none_match=f'"x", "{put.etag}"'), Preconditions(if_modified_since=second)):
        with pytest.raises(NotModifiedError):
            objects.get(context, "shelf", "k", preconditions=known)


def test_preconditions_of_writes(context: Context) -> None:
    only_new = Preconditions(if_none_match="*")
    first = objects.put(context, "shelf", "k", [b"1"], preconditions=only_new)
    with pytest.raises(PreconditionFailedError):
        objects.put(context, "shelf", "k", [b"2"], preconditions=only_new)
    objects.put(context, "shelf", "k", [b"3"], preconditions=Preconditions(if_match=first.etag))
    with pytest.raises(PreconditionFailedError):
        objects.put(context, "shelf", "k", [b"4"], preconditions=Preconditions(if_match=first.etag))
    with pytest.raises(NotFoundError):
        objects.put(context, "shelf", "none", [b"5"], preconditions=Preconditions(if_match=first.etag))
    assert bytes_of(context, "k") == b"3"


def test_of_many_concurrent_creations_of_a_key_one_succeeds(context: Context) -> None:
    outcomes: list[str] = []

    def create(number: int) -> None:
        try:
            objects.put(context, "shelf", "k", [b"%d" % number], preconditions=Preconditions(if_none_match="*"))
            outcomes.append(f"{number}")
        except PreconditionFailedError:
            outcomes.append("refused")

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [outcome for outcome in outcomes if outcome != "refused"]
    assert len(outcomes) == 8
    assert len(winners) == 1
    assert bytes_of(context, "k") == winners[0].encode()
    assert len(stored(context)) == 1


def test_readers_and_writers_of_one_key_see_consistent_objects(context: Context) -> None:
    objects.put(context, "shelf", "k", [b"0" * 10_000])
    faults: list[BaseException] = []

    def write(letter: bytes) -> None:
        for size in [5_000, 50_000] * 12:  # in the database, and in a file
            objects.put(context, "shelf", "k", [letter * size, letter * size])

    def read() -> None:
        try:
            for _ in range(60):
                content = bytes_of(context, "k")
                assert content == content[:1] * len(content)
        except (AssertionError, CloudError, TamperedError, OSError) as error:
            faults.append(error)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b")]
    threads += [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(stored(context)) == 1


def test_a_full_disk_is_reported_and_changes_nothing(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    objects.put(context, "shelf", "k", [b"kept"])

    def refuse(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "write", refuse)
    with pytest.raises(StorageFullError):
        objects.put(context, "shelf", "k", [b"new" * RECORD_BYTES])
    monkeypatch.undo()
    assert bytes_of(context, "k") == b"kept"
    assert len(stored(context)) == 1


def test_a_full_database_is_reported_and_changes_nothing(context: Context) -> None:
    objects.put(context, "shelf", "k", [b"kept"])
    full_database.fill(context)
    with pytest.raises(StorageFullError):
        for number in range(100):
            objects.put(context, "shelf", f"{number}", [b"x"], ObjectMetadata({}, {"m": "x" * 2000}))
    full_database.make_room(context)
    assert stored(context) == sorted(version.id for version in listings.walk(context, "shelf"))
    assert bytes_of(context, "k") == b"kept"


def test_a_body_that_ends_early_stores_nothing(context: Context) -> None:
    def broken() -> object:
        yield b"x" * (2 * RECORD_BYTES)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        objects.put(context, "shelf", "k", broken())  # type: ignore[arg-type]
    assert stored(context) == []


def test_keys_are_checked_and_never_become_paths(context: Context) -> None:
    for key in ("../../etc/passwd", "/absolute", "a/../b", "nul\0byte", ".", "é" * 512, "line\nbreak"):
        objects.put(context, "shelf", key, [key.encode()])
        assert bytes_of(context, key) == key.encode()
    with pytest.raises(objects.KeyTooLongError):
        objects.put(context, "shelf", "é" * 513, [b""])
    with pytest.raises(InvalidError):
        objects.put(context, "shelf", "", [b""])
    assert all(len(name) == 32 for name in stored(context))


def test_a_copy_keeps_or_replaces_headers_and_metadata(context: Context) -> None:
    objects.put(context, "shelf", "k", [b"abc"], ObjectMetadata({"content-type": "a/b"}, {"m": "1"}))
    source = copies.CopySource("shelf", "k")
    _, kept = copies.copy(context, source, "shelf", "same")
    assert (kept.metadata.headers, kept.metadata.user_metadata) == ({"content-type": "a/b"}, {"m": "1"})
    _, other = copies.copy(context, source, "shelf", "other", headers={}, user_metadata={"m": "2"})
    assert (other.metadata, bytes_of(context, "other")) == (ObjectMetadata({}, {"m": "2"}), b"abc")
    _, onto_itself = copies.copy(context, source, "shelf", "k", headers={}, user_metadata={})
    assert (onto_itself.metadata.user_metadata, bytes_of(context, "k")) == ({}, b"abc")


def test_a_sweep_deletes_only_files_without_a_row(context: Context) -> None:
    objects.put(context, "shelf", "k", [b"abc"])
    orphan = files.new_id()
    context.files.path(orphan).write_bytes(b"left by a crash")
    with context.files.create() as writer:
        writer.write(b"x" * (2 * RECORD_BYTES))  # being written: it has a file, but no row yet
        assert objects.sweep(context) == 1
        writer.finish()
        assert objects.sweep(context) == 0
    assert objects.sweep(context) == 1
    assert bytes_of(context, "k") == b"abc"


def test_blobs_contain_no_plaintext(context: Context) -> None:
    objects.put(context, "shelf", "k", [b"a secret sentence " * 30_000])
    assert all(
        b"secret sentence" not in path.read_bytes() for path in context.settings.data.rglob("*") if path.is_file()
    )


def test_an_unknown_bucket_is_reported_before_an_unknown_key(context: Context) -> None:
    for attempt in (
        lambda: objects.put(context, "none", "k", [b""]),
        lambda: objects.get(context, "none", "k"),
        lambda: listings.list_page(context, "none"),
        lambda: deletions.delete(context, "none", "k"),
    ):
        with pytest.raises(NotFoundError) as error:
            attempt()
        assert error.value.noun == "bucket"
