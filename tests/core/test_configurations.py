import pytest

from lowcloud.core import buckets, configurations
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import Invalid, NotFound


def test_a_document_is_put_replaced_and_removed(cloud: Cloud) -> None:
    buckets.create(cloud, "bucket")
    assert configurations.get(cloud, "bucket", "kind") is None
    for document in ({"a": [1, None, "é"]}, {}):
        configurations.put(cloud, "bucket", "kind", document)
        assert configurations.get(cloud, "bucket", "kind") == document
    assert configurations.get(cloud, "bucket", "other") is None
    configurations.remove(cloud, "bucket", "kind")
    configurations.remove(cloud, "bucket", "kind")
    assert configurations.get(cloud, "bucket", "kind") is None


def test_there_are_none_without_a_bucket_and_none_outlive_it(cloud: Cloud) -> None:
    for call in (
        lambda: configurations.get(cloud, "bucket", "kind"),
        lambda: configurations.put(cloud, "bucket", "kind", {}),
        lambda: configurations.remove(cloud, "bucket", "kind"),
    ):
        with pytest.raises(NotFound):
            call()
    buckets.create(cloud, "bucket", configurations={"kind": {"a": 1}})
    assert configurations.get(cloud, "bucket", "kind") == {"a": 1}
    buckets.delete(cloud, "bucket")
    buckets.create(cloud, "bucket")
    assert configurations.get(cloud, "bucket", "kind") is None


def test_a_bucket_tells_its_versioning_encryption_and_lock(cloud: Cloud) -> None:
    made = buckets.create(cloud, "bucket")
    assert (made.versioning, made.encryption, made.object_lock) == (None, None, None)
    with pytest.raises(buckets.NotVersioned):
        buckets.set_object_lock(cloud, "bucket", {})
    buckets.set_versioning(cloud, "bucket", buckets.ENABLED)
    buckets.set_encryption(cloud, "bucket", {"algorithm": "kms", "bucket_key": True})
    buckets.set_object_lock(cloud, "bucket", {"mode": "governance", "days": 3})
    found = buckets.find(cloud, "bucket")
    assert found.versioning == buckets.ENABLED
    assert found.encryption == {"algorithm": "kms", "bucket_key": True}
    assert found.object_lock == {"mode": "governance", "days": 3}
    assert buckets.list_page(cloud, 10)[0] == [found]
    buckets.set_encryption(cloud, "bucket", None)
    assert buckets.find(cloud, "bucket").encryption is None


def test_a_bucket_that_can_lock_keeps_versions_for_ever(cloud: Cloud) -> None:
    made = buckets.create(cloud, "bucket", can_lock=True)
    assert (made.versioning, made.object_lock) == (buckets.ENABLED, {})
    assert buckets.find(cloud, "bucket") == made
    with pytest.raises(buckets.LockedForGood):
        buckets.set_versioning(cloud, "bucket", buckets.SUSPENDED)
    with pytest.raises(Invalid):
        buckets.set_object_lock(cloud, "bucket", {"mode": "governance"})
    assert buckets.find(cloud, "bucket") == made
