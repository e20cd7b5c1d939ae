import hashlib
import zlib
from base64 import b64encode

import pytest

from lowcloud.core import buckets, completions, copies, deletions, objects, spans, uploads
from lowcloud.core.checksums import DigestMismatch
from lowcloud.core.cloud import Cloud
from lowcloud.core.completions import SMALLEST_PART_BYTES, Wanted
from lowcloud.core.conditions import ConditionFailed, Conditions
from lowcloud.core.descriptions import Description
from lowcloud.core.errors import Invalid, NotFound
from lowcloud.core.uploads import Upload

FIRST, LAST = hashlib.shake_128(b"1").digest(SMALLEST_PART_BYTES), b"the end"


@pytest.fixture(autouse=True)
def bucket(cloud: Cloud) -> None:
    buckets.create(cloud, "shelf")


@pytest.fixture
def upload(cloud: Cloud) -> Upload:
    return uploads.create(cloud, "shelf", "k", Description({"content-type": "a/b"}, {"m": "1"}))


def blob_count(cloud: Cloud) -> int:
    return len(list((cloud.settings.data / "objects").glob("*/*")))


def send(cloud: Cloud, upload: Upload, *contents: bytes) -> list[Wanted]:
    sent = [uploads.put_part(cloud, upload, number, [content]) for number, content in enumerate(contents, 1)]
    return [Wanted(part.number, f'"{part.etag}"') for part in sent]


def test_parts_join_in_order_with_the_etag_of_their_etags(cloud: Cloud, upload: Upload) -> None:
    wanted = send(cloud, upload, FIRST, LAST)
    made = completions.complete(cloud, "shelf", "k", upload.id, wanted)
    digests = hashlib.md5(FIRST).digest() + hashlib.md5(LAST).digest()
    assert made.etag == hashlib.md5(digests).hexdigest() + "-2"
    found, chunks = objects.get(cloud, "shelf", "k")
    assert b"".join(chunks) == FIRST + LAST
    assert found == made
    assert (found.description, found.parts) == (Description({"content-type": "a/b"}, {"m": "1"}), 2)


def test_parts_and_spans_of_a_joined_object_can_be_read(cloud: Cloud, upload: Upload) -> None:
    completions.complete(cloud, "shelf", "k", upload.id, send(cloud, upload, FIRST, LAST))
    assert b"".join(objects.get(cloud, "shelf", "k", part=2)[1]) == LAST
    edge = spans.Span(len(FIRST) - 2, len(FIRST) + 1)
    assert b"".join(objects.get(cloud, "shelf", "k", span=edge)[1]) == FIRST[-2:] + LAST[:2]
    with pytest.raises(spans.PartUnknown):
        objects.get(cloud, "shelf", "k", part=3)


def test_completing_again_answers_the_same(cloud: Cloud, upload: Upload) -> None:
    wanted = send(cloud, upload, LAST)
    assert completions.complete(cloud, "shelf", "k", upload.id, wanted) == completions.complete(
        cloud, "shelf", "k", upload.id, wanted
    )
    with pytest.raises(NotFound):
        uploads.find(cloud, "shelf", "k", upload.id)


def test_parts_that_are_not_named_are_removed(cloud: Cloud, upload: Upload) -> None:
    objects.put(cloud, "shelf", "k", [b"old"])
    wanted = send(cloud, upload, FIRST, b"forgotten", LAST)
    completions.complete(cloud, "shelf", "k", upload.id, [wanted[0], wanted[2]])
    assert b"".join(objects.get(cloud, "shelf", "k")[1]) == FIRST + LAST
    assert blob_count(cloud) == 2
    deletions.delete(cloud, "shelf", "k")
    assert blob_count(cloud) == 0


def test_a_part_sent_again_replaces_the_first(cloud: Cloud, upload: Upload) -> None:
    first = uploads.put_part(cloud, upload, 1, [b"one"])
    again = uploads.put_part(cloud, upload, 1, [b"other"])
    assert blob_count(cloud) == 1
    with pytest.raises(completions.PartMissing):
        completions.complete(cloud, "shelf", "k", upload.id, [Wanted(1, first.etag)])
    completions.complete(cloud, "shelf", "k", upload.id, [Wanted(1, again.etag)])
    assert b"".join(objects.get(cloud, "shelf", "k")[1]) == b"other"


def test_what_cannot_be_joined_is_refused_and_the_upload_goes_on(cloud: Cloud, upload: Upload) -> None:
    one, two = send(cloud, upload, b"too small", LAST)
    for wanted, error in (
        ([two, one], completions.PartsOutOfOrder),
        ([one, one], completions.PartsOutOfOrder),
        ([one, two], completions.PartTooSmall),
        ([one, Wanted(3, one.etag)], completions.PartMissing),
        ([], Invalid),
    ):
        with pytest.raises(error):
            completions.complete(cloud, "shelf", "k", upload.id, wanted)
    with pytest.raises(ConditionFailed):
        objects.put(cloud, "shelf", "k", [b"there"])
        completions.complete(cloud, "shelf", "k", upload.id, [one], conditions=Conditions(if_none_match="*"))
    assert len(uploads.parts_of(cloud, upload.id)[0]) == 2


def test_an_aborted_upload_leaves_nothing(cloud: Cloud, upload: Upload) -> None:
    send(cloud, upload, LAST)
    uploads.abort(cloud, "shelf", "k", upload.id)
    assert blob_count(cloud) == 0
    with pytest.raises(NotFound):
        uploads.put_part(cloud, upload, 1, [b"late"])
    assert blob_count(cloud) == 0


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_a_checksum_of_the_whole_follows_from_the_parts(cloud: Cloud, algorithm: str) -> None:
    upload = uploads.create(cloud, "shelf", "k", algorithm=algorithm)
    made = completions.complete(cloud, "shelf", "k", upload.id, send(cloud, upload, FIRST, LAST))
    whole = objects.put(cloud, "shelf", "whole", [FIRST + LAST], algorithm=algorithm)
    assert made.checksum == whole.checksum
    if algorithm == "CRC32":
        assert whole.checksum is not None
        assert whole.checksum.value == b64encode(zlib.crc32(FIRST + LAST).to_bytes(4, "big")).decode()


def test_a_composite_checksum_is_over_the_parts_checksums(cloud: Cloud) -> None:
    upload = uploads.create(cloud, "shelf", "k", algorithm="SHA256", is_composite=True)
    wanted = send(cloud, upload, FIRST, LAST)
    digests = hashlib.sha256(hashlib.sha256(FIRST).digest() + hashlib.sha256(LAST).digest()).digest()
    expected = b64encode(digests).decode()
    with pytest.raises(DigestMismatch):
        completions.complete(cloud, "shelf", "k", upload.id, wanted, claimed={"SHA256": "no"})
    made = completions.complete(cloud, "shelf", "k", upload.id, wanted, claimed={"SHA256": expected})
    assert made.checksum is not None
    assert (made.checksum.value, made.checksum.is_composite) == (expected + "-2", True)
    with pytest.raises(Invalid):
        uploads.create(cloud, "shelf", "k", algorithm="SHA256")


def test_a_part_can_be_a_span_of_another_object(cloud: Cloud, upload: Upload) -> None:
    objects.put(cloud, "shelf", "source", [b"0123456789"])
    _, part = uploads.copy_part(cloud, upload, 1, copies.Source("shelf", "source"), span=spans.Span(2, 5))
    completions.complete(cloud, "shelf", "k", upload.id, [Wanted(1, part.etag)])
    assert b"".join(objects.get(cloud, "shelf", "k")[1]) == b"2345"


def test_uploads_are_listed_by_key_and_folded(cloud: Cloud) -> None:
    made = [uploads.create(cloud, "shelf", key) for key in ("b", "a/1", "a/2", "b", "c")]
    found, more = uploads.list_uploads(cloud, "shelf", limit=3)
    assert more
    last = found[-1]
    assert isinstance(last, Upload)
    rest, more = uploads.list_uploads(cloud, "shelf", after=[last.key, last.id])
    assert not more
    expected = sorted(made, key=lambda upload: (upload.key, upload.id))
    assert found + rest == expected
    folders, _ = uploads.list_uploads(cloud, "shelf", delimiter="/")
    assert [getattr(entry, "prefix", None) or getattr(entry, "key", None) for entry in folders] == ["a/", "b", "b", "c"]


def test_an_upload_belongs_to_its_bucket_and_key(cloud: Cloud, upload: Upload) -> None:
    buckets.create(cloud, "other")
    for bucket, key in (("shelf", "x"), ("other", "k")):
        with pytest.raises(NotFound):
            uploads.find(cloud, bucket, key, upload.id)


def test_a_bucket_takes_its_unfinished_uploads_with_it(cloud: Cloud, upload: Upload) -> None:
    send(cloud, upload, LAST)
    buckets.delete(cloud, "shelf")
    assert blob_count(cloud) == 0
