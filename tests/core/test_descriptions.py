import pytest

from lowcloud.core import buckets, descriptions, objects
from lowcloud.core.cloud import Cloud
from lowcloud.core.descriptions import (
    HOME_ENCRYPTION,
    CustomerKeyNeeded,
    CustomerKeyRefused,
    CustomerKeyWrong,
    Description,
    Encryption,
    key_md5,
    named_key,
)
from lowcloud.store.encryption import Tampered, Wrapping

KEY, OTHER = b"k" * 32, b"o" * 32


def test_a_description_opens_for_its_owner_only(cloud: Cloud) -> None:
    said = Description({"content-type": "a/b"}, {"m": "ä"}, {"t": "1"}, Encryption("key", True, None, "context"))
    sealed = descriptions.seal(cloud, "owner", said)
    assert descriptions.unseal(cloud, "owner", sealed) == said
    assert b"a/b" not in sealed
    with pytest.raises(Tampered):
        descriptions.unseal(cloud, "another", sealed)


def test_a_customers_key_is_needed_refused_or_known_again() -> None:
    closed = Encryption(customer_key_md5=key_md5(KEY))
    assert descriptions.wrapping(closed, KEY) == Wrapping(customer_key=KEY)
    with pytest.raises(CustomerKeyNeeded):
        descriptions.wrapping(closed, None)
    with pytest.raises(CustomerKeyWrong):
        descriptions.wrapping(closed, OTHER)
    for encryption in (None, HOME_ENCRYPTION, Encryption("key")):
        with pytest.raises(CustomerKeyRefused):
            descriptions.wrapping(encryption, KEY)


def test_a_key_is_the_same_by_each_of_its_names(cloud: Cloud) -> None:
    own = named_key(cloud, None)
    assert own == named_key(cloud, "alias/aws/s3") == named_key(cloud, f"some:path:key/{own}") == named_key(cloud, own)
    assert named_key(cloud, "alias/team") not in (own, "alias/team")


@pytest.mark.parametrize("content", [b"small", b"x" * 100_000])
def test_a_bucket_says_how_to_encrypt_what_does_not(cloud: Cloud, content: bytes) -> None:
    buckets.create(cloud, "shelf")
    buckets.set_encryption(cloud, "shelf", {"algorithm": "kms", "key_id": "alias/team", "bucket_key": True})
    by_default = Encryption(named_key(cloud, "alias/team"), uses_bucket_key=True)
    assert objects.put(cloud, "shelf", "k", [content]).description.encryption == by_default
    found, chunks = objects.get(cloud, "shelf", "k")
    assert (found.description.encryption, b"".join(chunks)) == (by_default, content)
    objects.put(cloud, "shelf", "k", [content], Description(encryption=HOME_ENCRYPTION))
    assert objects.head(cloud, "shelf", "k").description.encryption is None
