"""Buckets: names, creation and deletion."""

import pytest

from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, InUseError, NotFoundError
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import deletions, objects


def test_a_bucket_is_created_found_and_deleted(context: Context) -> None:
    made = buckets.create(context, "shelf")
    assert buckets.find(context, "shelf") == made
    with pytest.raises(AlreadyExistsError):
        buckets.create(context, "shelf")
    buckets.delete(context, "shelf")
    with pytest.raises(NotFoundError):
        buckets.find(context, "shelf")


def test_a_bucket_that_is_not_empty_is_not_deleted(context: Context) -> None:
    buckets.create(context, "shelf")
    objects.put(context, "shelf", "k", [b"abc"])
    with pytest.raises(InUseError):
        buckets.delete(context, "shelf")
    deletions.delete(context, "shelf", "k")
    buckets.delete(context, "shelf")


def test_buckets_are_listed_by_name_page_by_page(context: Context) -> None:
    for name in ("bb-1", "aa-1", "bb-2"):
        buckets.create(context, name)
    first, after = buckets.list_page(context, 2)
    rest, end = buckets.list_page(context, 2, after=after)
    assert [bucket.name for bucket in first + rest] == ["aa-1", "bb-1", "bb-2"]
    assert end is None
    assert [bucket.name for bucket in buckets.list_page(context, 9, prefix="bb")[0]] == ["bb-1", "bb-2"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "a" * 64,
        "Upper",
        "under_score",
        "-a-",
        "a..b",
        "192.168.0.1",
        "../up",
        "a/b",
        "xn--a",
        "a-s3alias",
        "é-é",
        "nul\0x",
    ],
)
def test_an_invalid_name_is_refused(context: Context, name: str) -> None:
    with pytest.raises(buckets.InvalidBucketNameError):
        buckets.create(context, name)
