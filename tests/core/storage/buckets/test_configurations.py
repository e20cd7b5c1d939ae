"""Bucket configurations: storage and encryption."""

import pytest

from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.storage.buckets import buckets, configurations


def test_a_document_is_put_replaced_and_removed(context: Context) -> None:
    buckets.create(context, "bucket")
    assert configurations.get(context, "bucket", "kind") is None
    for document in ({"a": [1, None, "é"]}, {}):
        configurations.put(context, "bucket", "kind", document)
        assert configurations.get(context, "bucket", "kind") == document
    assert configurations.get(context, "bucket", "other") is None
    configurations.delete(context, "bucket", "kind")
    configurations.delete(context, "bucket", "kind")
    assert configurations.get(context, "bucket", "kind") is None


def test_configurations_belong_to_an_existing_bucket(context: Context) -> None:
    for call in (
        lambda: configurations.get(context, "bucket", "kind"),
        lambda: configurations.put(context, "bucket", "kind", {}),
        lambda: configurations.delete(context, "bucket", "kind"),
    ):
        with pytest.raises(NotFoundError):
            call()
    buckets.create(context, "bucket", configurations={"kind": {"a": 1}})
    assert configurations.get(context, "bucket", "kind") == {"a": 1}
    buckets.delete(context, "bucket")
    buckets.create(context, "bucket")
    assert configurations.get(context, "bucket", "kind") is None


def test_a_bucket_returns_its_versioning_encryption_and_lock(context: Context) -> None:
    made = buckets.create(context, "bucket")
    assert (made.versioning, made.encryption, made.object_lock) == (None, None, None)
    with pytest.raises(buckets.NotVersionedError):
        buckets.set_object_lock(context, "bucket", {})
    buckets.set_versioning(context, "bucket", buckets.ENABLED)
    buckets.set_encryption(context, "bucket", {"algorithm": "kms", "bucket_key": True})
    buckets.set_object_lock(context, "bucket", {"mode": "governance", "days": 3})
    found = buckets.find(context, "bucket")
    assert found.versioning == buckets.ENABLED
    assert found.encryption == {"algorithm": "kms", "bucket_key": True}
    assert found.object_lock == {"mode": "governance", "days": 3}
    assert buckets.list_page(context, 10)[0] == [found]
    buckets.set_encryption(context, "bucket", None)
    assert buckets.find(context, "bucket").encryption is None


def test_a_bucket_with_object_lock_stays_versioned(context: Context) -> None:
    made = buckets.create(context, "bucket", object_lock_enabled=True)
    assert (made.versioning, made.object_lock) == (buckets.ENABLED, {})
    assert buckets.find(context, "bucket") == made
    with pytest.raises(buckets.ObjectLockRequiredError):
        buckets.set_versioning(context, "bucket", buckets.SUSPENDED)
    with pytest.raises(InvalidError):
        buckets.set_object_lock(context, "bucket", {"mode": "governance"})
    assert buckets.find(context, "bucket") == made
