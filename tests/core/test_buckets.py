import pytest

from lowcloud.core import buckets, deletions, objects
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import AlreadyExists, InUse, NotFound


def test_a_bucket_is_made_found_and_removed(cloud: Cloud) -> None:
    made = buckets.create(cloud, "shelf")
    assert buckets.find(cloud, "shelf") == made
    with pytest.raises(AlreadyExists):
        buckets.create(cloud, "shelf")
    buckets.delete(cloud, "shelf")
    with pytest.raises(NotFound):
        buckets.find(cloud, "shelf")


def test_a_bucket_that_holds_something_stays(cloud: Cloud) -> None:
    buckets.create(cloud, "shelf")
    objects.put(cloud, "shelf", "k", [b"abc"])
    with pytest.raises(InUse):
        buckets.delete(cloud, "shelf")
    deletions.delete(cloud, "shelf", "k")
    buckets.delete(cloud, "shelf")


def test_buckets_are_listed_by_name_page_by_page(cloud: Cloud) -> None:
    for name in ("bb-1", "aa-1", "bb-2"):
        buckets.create(cloud, name)
    first, after = buckets.list_page(cloud, 2)
    rest, end = buckets.list_page(cloud, 2, after=after)
    assert [bucket.name for bucket in first + rest] == ["aa-1", "bb-1", "bb-2"]
    assert end is None
    assert [bucket.name for bucket in buckets.list_page(cloud, 9, prefix="bb")[0]] == ["bb-1", "bb-2"]


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
def test_a_name_outside_the_rules_is_refused(cloud: Cloud, name: str) -> None:
    with pytest.raises(buckets.InvalidBucketName):
        buckets.create(cloud, name)
