"""Multipart uploads: parts, completion and abort."""

import hashlib
import zlib
from base64 import b64encode

import pytest

from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.multipart import completions, uploads
from lowcloud.core.storage.multipart.completions import MIN_PART_BYTES, RequestedPart
from lowcloud.core.storage.multipart.uploads import Upload
from lowcloud.core.storage.objects import byte_ranges, copies, deletions, objects
from lowcloud.core.storage.objects.checksums import DigestMismatchError
from lowcloud.core.storage.objects.metadata import ObjectMetadata
from lowcloud.core.storage.objects.preconditions import PreconditionFailedError, Preconditions

FIRST, LAST = hashlib.shake_128(b"1").digest(MIN_PART_BYTES), b"the end"


@pytest.fixture(autouse=True)
def bucket(context: Context) -> None:
    buckets.create(context, "shelf")


@pytest.fixture
def upload(context: Context) -> Upload:
    return uploads.create(context, "shelf", "k", ObjectMetadata({"content-type": "a/b"}, {"m": "1"}))


def blob_count(context: Context) -> int:
    return len(list((context.settings.data / "objects").glob("*/*")))


def send(context: Context, upload: Upload, *contents: bytes) -> list[RequestedPart]:
    sent = [uploads.put_part(context, upload, number, [content]) for number, content in enumerate(contents, 1)]
    return [RequestedPart(part.number, f'"{part.etag}"') for part in sent]


def test_parts_are_combined_in_order_with_a_multipart_etag(context: Context, upload: Upload) -> None:
    wanted = send(context, upload, FIRST, LAST)
    made = completions.complete(context, "shelf", "k", upload.id, wanted)
    digests = hashlib.md5(FIRST).digest() + hashlib.md5(LAST).digest()
    assert made.etag == hashlib.md5(digests).hexdigest() + "-2"
    found, chunks = objects.get(context, "shelf", "k")
    assert b"".join(chunks) == FIRST + LAST
    assert found == made
    assert (found.metadata, found.parts) == (ObjectMetadata({"content-type": "a/b"}, {"m": "1"}), 2)


def test_parts_and_ranges_of_a_multipart_object_can_be_read(context: Context, upload: Upload) -> None:
    completions.complete(context, "shelf", "k", upload.id, send(context, upload, FIRST, LAST))
    assert b"".join(objects.get(context, "shelf", "k", part=2)[1]) == LAST
    edge = byte_ranges.ByteRange(len(FIRST) - 2, len(FIRST) + 1)
    assert b"".join(objects.get(context, "shelf", "k", byte_range=edge)[1]) == FIRST[-2:] + LAST[:2]
    with pytest.raises(byte_ranges.UnknownPartError):
        objects.get(context, "shelf", "k", part=3)


def test_completing_again_returns_the_same_object(context: Context, upload: Upload) -> None:
    wanted = send(context, upload, LAST)
    assert completions.complete(context, "shelf", "k", upload.id, wanted) == completions.complete(
        context, "shelf", "k", upload.id, wanted
    )
    with pytest.raises(NotFoundError):
        uploads.find(context, "shelf", "k", upload.id)


def test_parts_that_are_not_requested_are_deleted(context: Context, upload: Upload) -> None:
    objects.put(context, "shelf", "k", [b"old"])
    wanted = send(context, upload, FIRST, b"forgotten", LAST)
    completions.complete(context, "shelf", "k", upload.id, [wanted[0], wanted[2]])
    assert b"".join(objects.get(context, "shelf", "k")[1]) == FIRST + LAST
    assert blob_count(context) == 2
    deletions.delete(context, "shelf", "k")
    assert blob_count(context) == 0


def test_a_part_sent_again_replaces_the_first(context: Context, upload: Upload) -> None:
    first = uploads.put_part(context, upload, 1, [b"one"])
    again = uploads.put_part(context, upload, 1, [b"other"])
    assert blob_count(context) == 1
    with pytest.raises(completions.PartMissingError):
        completions.complete(context, "shelf", "k", upload.id, [RequestedPart(1, first.etag)])
    completions.complete(context, "shelf", "k", upload.id, [RequestedPart(1, again.etag)])
    assert b"".join(objects.get(context, "shelf", "k")[1]) == b"other"


def test_an_invalid_completion_is_refused_and_the_upload_stays(context: Context, upload: Upload) -> None:
    one, two = send(context, upload, b"too small", LAST)
    for wanted, error in (
        ([two, one], completions.PartsOutOfOrderError),
        ([one, one], completions.PartsOutOfOrderError),
        ([one, two], completions.PartTooSmallError),
        ([one, RequestedPart(3, one.etag)], completions.PartMissingError),
        ([], InvalidError),
    ):
        with pytest.raises(error):
            completions.complete(context, "shelf", "k", upload.id, wanted)
    with pytest.raises(PreconditionFailedError):
        objects.put(context, "shelf", "k", [b"there"])
        completions.complete(context, "shelf", "k", upload.id, [one], preconditions=Preconditions(if_none_match="*"))
    assert len(uploads.list_parts(context, upload.id)[0]) == 2


def test_an_aborted_upload_leaves_nothing(context: Context, upload: Upload) -> None:
    send(context, upload, LAST)
    uploads.abort(context, "shelf", "k", upload.id)
    assert blob_count(context) == 0
    with pytest.raises(NotFoundError):
        uploads.put_part(context, upload, 1, [b"late"])
    assert blob_count(context) == 0


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_a_full_object_checksum_is_combined_from_the_parts(context: Context, algorithm: str) -> None:
    upload = uploads.create(context, "shelf", "k", algorithm=algorithm)
    made = completions.complete(context, "shelf", "k", upload.id, send(context, upload, FIRST, LAST))
    whole = objects.put(context, "shelf", "whole", [FIRST + LAST], algorithm=algorithm)
    assert made.checksum == whole.checksum
    if algorithm == "CRC32":
        assert whole.checksum is not None
        assert whole.checksum.value == b64encode(zlib.crc32(FIRST + LAST).to_bytes(4, "big")).decode()


def test_a_composite_checksum_covers_the_parts_checksums(context: Context) -> None:
    upload = uploads.create(context, "shelf", "k", algorithm="SHA256", is_composite=True)
    wanted = send(context, upload, FIRST, LAST)
    digests = hashlib.sha256(hashlib.sha256(FIRST).digest() + hashlib.sha256(LAST).digest()).digest()
    expected = b64encode(digests).decode()
    with pytest.raises(DigestMismatchError):
        completions.complete(context, "shelf", "k", upload.id, wanted, expected_checksums={"SHA256": "no"})
    made = completions.complete(context, "shelf", "k", upload.id, wanted, expected_checksums={"SHA256": expected})
    assert made.checksum is not None
    assert (made.checksum.value, made.checksum.is_composite) == (expected + "-2", True)
    with pytest.raises(InvalidError):
        uploads.create(context, "shelf", "k", algorithm="SHA256")


def test_a_part_can_be_copied_from_a_range_of_another_object(context: Context, upload: Upload) -> None:
    objects.put(context, "shelf", "source", [b"0123456789"])
    _, part = uploads.copy_part(
        context, upload, 1, copies.CopySource("shelf", "source"), byte_range=byte_ranges.ByteRange(2, 5)
    )
    completions.complete(context, "shelf", "k", upload.id, [RequestedPart(1, part.etag)])
    assert b"".join(objects.get(context, "shelf", "k")[1]) == b"2345"


def test_uploads_are_listed_by_key_with_folders(context: Context) -> None:
    made = [uploads.create(context, "shelf", key) for key in ("b", "a/1", "a/2", "b", "c")]
    found, more = uploads.list_uploads(context, "shelf", limit=3)
    assert more
    last = found[-1]
    assert isinstance(last, Upload)
    rest, more = uploads.list_uploads(context, "shelf", after=[last.key, last.id])
    assert not more
    expected = sorted(made, key=lambda upload: (upload.key, upload.id))
    assert found + rest == expected
    folders, _ = uploads.list_uploads(context, "shelf", delimiter="/")
    assert [getattr(entry, "prefix", None) or getattr(entry, "key", None) for entry in folders] == ["a/", "b", "b", "c"]


def test_an_upload_belongs_to_its_bucket_and_key(context: Context, upload: Upload) -> None:
    buckets.create(context, "other")
    for bucket, key in (("shelf", "x"), ("other", "k")):
        with pytest.raises(NotFoundError):
            uploads.find(context, bucket, key, upload.id)


def test_deleting_a_bucket_deletes_its_uploads(context: Context, upload: Upload) -> None:
    send(context, upload, LAST)
    buckets.delete(context, "shelf")
    assert blob_count(context) == 0
