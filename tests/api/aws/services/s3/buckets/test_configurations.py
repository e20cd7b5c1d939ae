"""Configurations of buckets: validation, and what is returned for them."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.aws.services.s3.conftest import refused

ALL_BLOCKED = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
LOCKED = {"ObjectLockEnabled": "Enabled"}


def test_versioning_can_be_enabled_and_suspended_but_not_removed(s3: Any, bucket: str) -> None:
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    for status in ("Enabled", "Suspended", "Enabled"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status


@pytest.mark.parametrize(
    ("requested", "code"),
    [
        ({}, "IllegalVersioningConfigurationException"),
        ({"Status": "On"}, "MalformedXML"),
        ({"Status": "Enabled", "MFADelete": "Enabled"}, "NotImplemented"),
    ],
)
def test_invalid_versioning_is_refused(s3: Any, bucket: str, requested: dict[str, str], code: str) -> None:
    assert refused(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=requested) == code
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)


def test_configurations_of_a_missing_bucket_are_refused(s3: Any) -> None:
    versioning = {"Status": "Enabled"}
    assert refused(s3.put_bucket_versioning, Bucket="nothing", VersioningConfiguration=versioning) == "NoSuchBucket"
    assert refused(s3.put_public_access_block, Bucket="nothing", PublicAccessBlockConfiguration={}) == "NoSuchBucket"
    assert refused(s3.get_bucket_tagging, Bucket="nothing") == "NoSuchBucket"
    assert refused(s3.delete_bucket_tagging, Bucket="nothing") == "NoSuchBucket"
    assert refused(s3.get_bucket_acl, Bucket="nothing") == "NoSuchBucket"
    assert refused(s3.get_bucket_request_payment, Bucket="nothing") == "NoSuchBucket"


def test_tags_are_stored_replaced_and_deleted(s3: Any, bucket: str) -> None:
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"
    for tags in ([{"Key": "team", "Value": "ml"}, {"Key": "größe", "Value": ""}], [{"Key": "one", "Value": "a b"}]):
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
        assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=bucket)
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ([("a", "1"), ("a", "2")], "InvalidTag"),
        ([("k" * 129, "")], "InvalidTag"),
        ([("k", "v" * 257)], "InvalidTag"),
        ([("k", "semi;colon")], "InvalidTag"),
        ([("aws:mine", "")], "InvalidTag"),
        ([("", "x")], "MalformedXML"),
        ([(f"k{index}", "") for index in range(51)], "BadRequest"),
    ],
)
def test_tags_that_s3_does_not_accept_are_refused(s3: Any, bucket: str, tags: list[Any], code: str) -> None:
    tag_set = [{"Key": key, "Value": value} for key, value in tags]
    assert refused(s3.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": tag_set}) == code


def test_a_bucket_is_created_with_tags(s3: Any, make_bucket: Callable[..., str]) -> None:
    tags = [{"Key": "team", "Value": "ml"}]
    name = make_bucket(CreateBucketConfiguration={"Tags": tags})
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == tags


def test_a_new_bucket_blocks_public_access_until_its_owner_allows_it(s3: Any, bucket: str) -> None:
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == ALL_BLOCKED
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    kept = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert kept == {**dict.fromkeys(ALL_BLOCKED, False), "BlockPublicAcls": True}
    s3.delete_public_access_block(Bucket=bucket)
    assert refused(s3.get_public_access_block, Bucket=bucket) == "NoSuchPublicAccessBlockConfiguration"


def test_ownership_is_stored_and_deleted(s3: Any, bucket: str) -> None:
    def owned() -> str:
        return str(s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"][0]["ObjectOwnership"])

    assert owned() == "BucketOwnerEnforced"
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=controls)
    assert owned() == "BucketOwnerPreferred"
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    assert refused(s3.get_bucket_ownership_controls, Bucket=bucket) == "OwnershipControlsNotFoundError"


def test_the_default_encryption_is_aes256_unless_configured(s3: Any, bucket: str) -> None:
    def rule() -> Any:
        return s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]

    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}
    assert rule() == default
    key = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
    by_key = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key},
        "BucketKeyEnabled": True,
    }
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [by_key]})
    assert rule() == by_key
    s3.delete_bucket_encryption(Bucket=bucket)
    assert rule() == default


@pytest.mark.parametrize(
    ("applied", "code"),
    [
        ({"SSEAlgorithm": "AES256", "KMSMasterKeyID": "alias/mine"}, "InvalidArgument"),
        ({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "no key"}, "KMS.NotFoundException"),
        ({"SSEAlgorithm": "aws:kms:dsse"}, "NotImplemented"),
        ({"SSEAlgorithm": "rot13"}, "MalformedXML"),
    ],
)
def test_invalid_encryption_is_refused(s3: Any, bucket: str, applied: dict[str, str], code: str) -> None:
    wanted = {"Rules": [{"ApplyServerSideEncryptionByDefault": applied}]}
    assert refused(s3.put_bucket_encryption, Bucket=bucket, ServerSideEncryptionConfiguration=wanted) == code


def test_a_bucket_with_object_lock_cannot_suspend_versioning(s3: Any, make_bucket: Callable[..., str]) -> None:
    name = make_bucket(ObjectLockEnabledForBucket=True)
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"] == LOCKED
    suspended = {"Status": "Suspended"}
    assert refused(s3.put_bucket_versioning, Bucket=name, VersioningConfiguration=suspended) == "InvalidBucketState"


def test_object_lock_requires_versioning_and_stores_its_default_retention(s3: Any, bucket: str) -> None:
    code = "ObjectLockConfigurationNotFoundError"
    assert refused(s3.get_object_lock_configuration, Bucket=bucket) == code
    wanted = {**LOCKED, "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Years": 2}}}
    call = s3.put_object_lock_configuration
    assert refused(call, Bucket=bucket, ObjectLockConfiguration=wanted) == "InvalidBucketState"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=wanted)
    assert s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"] == wanted


@pytest.mark.parametrize(
    ("retention", "code"),
    [
        ({"Mode": "GOVERNANCE"}, "MalformedXML"),
        ({"Mode": "GOVERNANCE", "Days": 1, "Years": 1}, "MalformedXML"),
        ({"Days": 1}, "MalformedXML"),
        ({"Mode": "FOREVER", "Days": 1}, "MalformedXML"),
        ({"Mode": "COMPLIANCE", "Days": 0}, "InvalidArgument"),
        ({"Mode": "COMPLIANCE", "Days": 36501}, "InvalidArgument"),
        ({"Mode": "COMPLIANCE", "Years": 101}, "InvalidArgument"),
    ],
)
def test_invalid_retention_is_refused(
    s3: Any, make_bucket: Callable[..., str], retention: dict[str, Any], code: str
) -> None:
    name = make_bucket(ObjectLockEnabledForBucket=True)
    wanted = {**LOCKED, "Rule": {"DefaultRetention": retention}}
    assert refused(s3.put_object_lock_configuration, Bucket=name, ObjectLockConfiguration=wanted) == code
    assert s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"] == LOCKED


def test_fixed_configurations_are_returned(s3: Any, bucket: str) -> None:
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    wanted = {"Payer": "Requester"}
    assert refused(s3.put_bucket_request_payment, Bucket=bucket, RequestPaymentConfiguration=wanted) == "NotImplemented"


def test_a_bucket_created_again_has_no_old_configuration(s3: Any, bucket: str) -> None:
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.delete_public_access_block(Bucket=bucket)
    s3.delete_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=bucket)
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == ALL_BLOCKED
