"""Lifecycle configurations: validation and canonical form."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lowcloud.api.aws.gateway import Gateway
from lowcloud.core.context import Context
from lowcloud.core.storage.buckets import configurations
from tests.api.aws.services.s3.conftest import refused
from tests.support.servers.gateways import serving

FILTER = {"And": {"Prefix": "logs/", "Tags": [{"Key": "a", "Value": "b"}], "ObjectSizeGreaterThan": 10}}
RULES = [
    {"ID": "days", "Status": "Enabled", "Filter": FILTER, "Expiration": {"Days": 3}},
    {
        "ID": "date",
        "Status": "Disabled",
        "Filter": {"Tag": {"Key": "a", "Value": ""}},
        "Expiration": {"Date": datetime(2030, 1, 2, tzinfo=UTC)},
    },
    {
        "ID": "versions",
        "Status": "Enabled",
        "Filter": {},
        "Expiration": {"ExpiredObjectDeleteMarker": True},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 5, "NewerNoncurrentVersions": 2},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    },
    {"ID": "old", "Status": "Enabled", "Prefix": "tmp/", "Expiration": {"Days": 1}},
]


def rule(**changes: Any) -> dict[str, Any]:
    made = {"ID": "r", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}, **changes}
    return {name: value for name, value in made.items() if value is not None}


def test_rules_are_returned_as_sent(s3: Any, bucket: str) -> None:
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == "NoSuchLifecycleConfiguration"
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": RULES})
    kept = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert kept["Rules"] == RULES
    assert kept["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == "NoSuchLifecycleConfiguration"


def test_a_rule_without_an_id_gets_one(s3: Any, bucket: str) -> None:
    rules = {"Rules": [rule(ID=None), rule(ID=None)]}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rules)
    ids = {item["ID"] for item in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]}
    assert len(ids) == 2


@pytest.mark.parametrize("year", [1000, 1969, 9999])
def test_a_date_may_be_far_away(s3: Any, bucket: str, year: int) -> None:
    rules = [rule(Expiration={"Date": datetime(year, 1, 1, tzinfo=UTC)})]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules


def test_core_reads_the_rules_in_neutral_form(context: Context, gateway: Gateway) -> None:
    with serving(gateway) as server:
        s3 = server.client("s3")
        s3.create_bucket(Bucket="bucket")
        s3.put_bucket_lifecycle_configuration(Bucket="bucket", LifecycleConfiguration={"Rules": RULES})
    document = configurations.get(context, "bucket", "lifecycle")
    assert document is not None
    days, date, versions, old = document["rules"]
    assert days == {
        "id": "days",
        "is_enabled": True,
        "prefix": "logs/",
        "tags": {"a": "b"},
        "larger_than": 10,
        "smaller_than": None,
        "expire_days": 3,
        "expire_at": None,
        "expire_markers": False,
        "noncurrent_days": None,
        "keep_newer": None,
        "abort_days": None,
    }
    assert (date["is_enabled"], date["tags"], date["expire_at"]) == (
        False,
        {"a": ""},
        RULES[1]["Expiration"]["Date"].timestamp(),
    )
    assert (versions["expire_markers"], versions["noncurrent_days"], versions["keep_newer"]) == (True, 5, 2)
    assert (versions["abort_days"], versions["prefix"], old["prefix"]) == (7, "", "tmp/")


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ([], "MalformedXML"),
        ([rule(), rule()], "InvalidArgument"),
        ([rule(ID="x" * 256)], "InvalidArgument"),
        ([rule(Status="On")], "MalformedXML"),
        ([rule(Expiration=None)], "InvalidRequest"),
        ([rule(Filter=None)], "MalformedXML"),
        ([rule(Prefix="")], "MalformedXML"),
        ([rule(Filter={"Prefix": "a", "ObjectSizeLessThan": 5})], "MalformedXML"),
        ([rule(Filter={"And": {"Prefix": "a"}})], "MalformedXML"),
        ([rule(Filter={"And": {"ObjectSizeGreaterThan": 5, "ObjectSizeLessThan": 5}})], "InvalidRequest"),
        ([rule(Filter={"And": {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}})], "InvalidTag"),
        ([rule(Expiration={"Days": 0})], "InvalidArgument"),
        ([rule(Expiration={"Date": datetime(2030, 1, 2, 3, tzinfo=UTC)})], "InvalidArgument"),
        ([rule(Expiration={"Days": 1, "ExpiredObjectDeleteMarker": True})], "MalformedXML"),
        (
            [rule(Expiration={"ExpiredObjectDeleteMarker": True}, Filter={"Tag": {"Key": "a", "Value": ""}})],
            "InvalidRequest",
        ),
        (
            [rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}, Filter={"ObjectSizeLessThan": 9})],
            "InvalidRequest",
        ),
        ([rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 0})], "InvalidArgument"),
        ([rule(NoncurrentVersionExpiration={"NoncurrentDays": 0})], "InvalidArgument"),
        ([rule(NoncurrentVersionExpiration={"NewerNoncurrentVersions": 1})], "MalformedXML"),
        (
            [rule(NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 101})],
            "InvalidArgument",
        ),
        ([rule(Transitions=[{"Days": 1, "StorageClass": "GLACIER"}])], "NotImplemented"),
        ([rule(ID=f"r{index}") for index in range(1001)], "InvalidRequest"),
    ],
)
def test_invalid_rules_are_refused(s3: Any, bucket: str, rules: list[dict[str, Any]], code: str) -> None:
    wanted = {"Rules": rules}
    assert refused(s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration=wanted) == code
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == "NoSuchLifecycleConfiguration"
