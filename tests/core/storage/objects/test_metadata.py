"""Metadata and encryption of objects."""

import pytest

from lowcloud.core.context import Context
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import metadata, objects
from lowcloud.core.storage.objects.metadata import (
    MASTER_KEY_ENCRYPTION,
    CustomerKeyNotAllowedError,
    CustomerKeyRequiredError,
    Encryption,
    ObjectMetadata,
    WrongCustomerKeyError,
    key_md5,
    named_key_id,
)
from lowcloud.store.blobs.encryption import KeyWrapping, TamperedError

KEY, OTHER = b"k" * 32, b"o" * 32


def test_metadata_decrypts_for_its_owner_only(context: Context) -> None:
    said = ObjectMetadata({"content-type": "a/b"}, {"m": "ä"}, {"t": "1"}, Encryption("key", True, None, "context"))
    sealed = metadata.seal(context, "owner", said)
    assert metadata.unseal(context, "owner", sealed) == said
    assert b"a/b" not in sealed
    with pytest.raises(TamperedError):
        metadata.unseal(context, "another", sealed)


def test_a_customers_key_is_required_refused_or_recognised() -> None:
    closed = Encryption(customer_key_md5=key_md5(KEY))
    assert metadata.key_wrapping(closed, KEY) == KeyWrapping(customer_key=KEY)
    with pytest.raises(CustomerKeyRequiredError):
        metadata.key_wrapping(closed, None)
    with pytest.raises(WrongCustomerKeyError):
        metadata.key_wrapping(closed, OTHER)
    for encryption in (None, MASTER_KEY_ENCRYPTION, Encryption("key")):
        with pytest.raises(CustomerKeyNotAllowedError):
            metadata.key_wrapping(encryption, KEY)


def test_a_key_has_the_same_id_by_each_of_its_names(context: Context) -> None:
    own = named_key_id(context, None)
    assert (
        own
        == named_key_id(context, "alias/aws/s3")
        == named_key_id(context, f"some:path:key/{own}")
        == named_key_id(context, own)
    )
    assert named_key_id(context, "alias/team") not in (own, "alias/team")


@pytest.mark.parametrize("content", [b"small", b"x" * 100_000])
def test_a_buckets_default_encryption_applies_to_objects_without_one(context: Context, content: bytes) -> None:
    buckets.create(context, "shelf")
    buckets.set_encryption(context, "shelf", {"algorithm": "kms", "key_id": "alias/team", "bucket_key": True})
    by_default = Encryption(named_key_id(context, "alias/team"), uses_bucket_key=True)
    assert objects.put(context, "shelf", "k", [content]).metadata.encryption == by_default
    found, chunks = objects.get(context, "shelf", "k")
    assert (found.metadata.encryption, b"".join(chunks)) == (by_default, content)
    objects.put(context, "shelf", "k", [content], ObjectMetadata(encryption=MASTER_KEY_ENCRYPTION))
    assert objects.head(context, "shelf", "k").metadata.encryption is None
