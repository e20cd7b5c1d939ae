"""Bucket policies: validation and public access."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from botocore import UNSIGNED

from lowcloud.api.aws.access.calls import Call
from lowcloud.api.aws.services import OPERATIONS
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Permission
from lowcloud.core.identity.callers import Caller
from tests.api.aws.services.s3.conftest import refused
from tests.support.servers.server import Server

ACCOUNT_ROOT = "arn:aws:iam::123456789012:root"


@pytest.fixture(scope="module")
def anonymous_client(server: Server) -> Any:
    return server.client("s3", config={"signature_version": UNSIGNED})


def statement(bucket: str, **changes: Any) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        **changes,
    }


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def test_a_policy_is_stored_verbatim(s3: Any, bucket: str) -> None:
    assert refused(s3.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"
    assert refused(s3.get_bucket_policy_status, Bucket=bucket) == "NoSuchBucketPolicy"
    text = "  " + policy(statement(bucket, Principal={"AWS": ACCOUNT_ROOT}))
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == text
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": False}
    s3.delete_bucket_policy(Bucket=bucket)
    assert refused(s3.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"


@pytest.mark.parametrize(
    "changes",
    [
        {"Principal": None},
        {"Principal": {"AWS": "nobody"}},
        {"Principal": {}},
        {"Effect": "Perhaps"},
        {"Effect": None},
        {"Action": None},
        {"Action": "GetObject"},
        {"Action": []},
        {"Action": [None]},
        {"Condition": {"NumericEquals": {"a": float("inf")}}},
        {"Sid": "\ud800"},
        {"Resource": None},
        {"Resource": "arn:aws:s3:::another/*"},
        {"Resource": "*"},
        {"Condition": []},
        {"Color": "red"},
    ],
)
def test_an_invalid_policy_is_refused(s3: Any, bucket: str, changes: dict[str, Any]) -> None:
    changed = {name: value for name, value in statement(bucket, **changes).items() if value is not None}
    assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=policy(changed)) == "MalformedPolicy"


@pytest.mark.parametrize("name", ["Effect", "Principal", "Action", "Resource"])
def test_an_empty_element_is_refused(s3: Any, bucket: str, name: str) -> None:
    text = policy(statement(bucket) | {name: None})
    assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=text) == "MalformedPolicy"


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", '{"Version": "2020-01-01", "Statement": []}'])
def test_a_malformed_policy_is_refused(s3: Any, bucket: str, text: str) -> None:
    assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=text or " ") == "MalformedPolicy"


@pytest.mark.parametrize(
    ("changes", "is_public"),
    [
        ({}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": ACCOUNT_ROOT}}, False),
        ({"Effect": "Deny"}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.1.2.0/24"}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}}, True),
        ({"Condition": {"StringLike": {"aws:Referer": "https://example.com/*"}}}, True),
    ],
)
def test_a_policy_is_public_if_it_allows_everyone(
    s3: Any, open_bucket: str, changes: dict[str, Any], is_public: bool
) -> None:
    s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(statement(open_bucket, **changes)))
    assert s3.get_bucket_policy_status(Bucket=open_bucket)["PolicyStatus"] == {"IsPublic": is_public}


def test_a_public_policy_is_refused_while_it_is_blocked(s3: Any, bucket: str) -> None:
    text = policy(statement(bucket))
    assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=text) == "AccessDenied"
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    s3.put_bucket_policy(Bucket=bucket, Policy=text)


def test_anonymous_callers_read_what_the_policy_allows_and_nothing_else(
    s3: Any, anonymous_client: Any, open_bucket: str
) -> None:
    for key in ("open/a b", "closed"):
        s3.put_object(Bucket=open_bucket, Key=key, Body=b"data")
    at = {"Bucket": open_bucket, "Key": "open/a b"}
    assert refused(anonymous_client.get_object, **at) == "AccessDenied"
    resource = f"arn:aws:s3:::{open_bucket}/open/*"
    s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(statement(open_bucket, Resource=resource)))
    assert anonymous_client.get_object(**at)["Body"].read() == b"data"
    assert anonymous_client.head_object(**at)["ContentLength"] == 4
    assert refused(anonymous_client.get_object, Bucket=open_bucket, Key="closed") == "AccessDenied"
    assert refused(anonymous_client.put_object, **at, Body=b"mine") == "AccessDenied"
    assert refused(anonymous_client.delete_object, **at) == "AccessDenied"
    assert refused(anonymous_client.list_objects_v2, Bucket=open_bucket) == "AccessDenied"
    assert refused(anonymous_client.get_bucket_policy, Bucket=open_bucket) == "AccessDenied"
    assert refused(anonymous_client.list_buckets) == "AccessDenied"
    assert s3.get_object(**at)["Body"].read() == b"data"


def test_anonymous_callers_write_list_and_delete_if_the_policy_allows_it(
    s3: Any, anonymous_client: Any, open_bucket: str
) -> None:
    everything = [f"arn:aws:s3:::{open_bucket}", f"arn:aws:s3:::{open_bucket}/*"]
    allowed = statement(open_bucket, Action=["s3:*Object", "s3:List*"], Resource=everything)
    denied = statement(open_bucket, Effect="Deny", Action="s3:*", Resource=f"arn:aws:s3:::{open_bucket}/secret/*")
    s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(allowed, denied))
    anonymous_client.put_object(Bucket=open_bucket, Key="theirs", Body=b"x" * 3_000_000)
    assert [item["Size"] for item in anonymous_client.list_objects_v2(Bucket=open_bucket)["Contents"]] == [3_000_000]
    assert refused(anonymous_client.put_object, Bucket=open_bucket, Key="secret/a", Body=b"x") == "AccessDenied"
    batch = {"Objects": [{"Key": "theirs"}, {"Key": "secret/a"}]}
    outcome = anonymous_client.delete_objects(Bucket=open_bucket, Delete=batch)
    assert [item["Key"] for item in outcome["Deleted"]] == ["theirs"]
    assert [(item["Key"], item["Code"]) for item in outcome["Errors"]] == [("secret/a", "AccessDenied")]
    assert anonymous_client.list_objects_v2(Bucket=open_bucket)["KeyCount"] == 0
    copied = {"Bucket": open_bucket, "Key": "copy", "CopySource": f"{open_bucket}/theirs"}
    assert refused(anonymous_client.copy_object, **copied) == "AccessDenied"
    assert refused(anonymous_client.create_multipart_upload, Bucket=open_bucket, Key="k") == "AccessDenied"


def test_conditions_are_evaluated(s3: Any, anonymous_client: Any, open_bucket: str) -> None:
    s3.put_object(Bucket=open_bucket, Key="k", Body=b"data")
    at = {"Bucket": open_bucket, "Key": "k"}
    for address, code in (("127.0.0.0/8", None), ("10.0.0.0/8", "AccessDenied")):
        condition = {"Condition": {"IpAddress": {"aws:SourceIp": address}}}
        s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(statement(open_bucket, **condition)))
        assert code == (None if code is None else refused(anonymous_client.get_object, **at))
        denied = statement(open_bucket, Effect="Deny", **condition)
        s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(statement(open_bucket), denied))
        outcome = anonymous_client.get_object if code else partial(refused, anonymous_client.get_object)
        assert outcome(**at) == "AccessDenied" if code is None else outcome(**at)["ContentLength"] == 4


def test_the_public_access_block_overrides_a_policy(s3: Any, anonymous_client: Any, open_bucket: str) -> None:
    s3.put_object(Bucket=open_bucket, Key="k", Body=b"data")
    s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(statement(open_bucket)))
    s3.put_public_access_block(Bucket=open_bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    assert refused(anonymous_client.get_object, Bucket=open_bucket, Key="k") == "AccessDenied"
    s3.delete_public_access_block(Bucket=open_bucket)
    assert anonymous_client.get_object(Bucket=open_bucket, Key="k")["Body"].read() == b"data"


def test_callers_without_list_permission_do_not_learn_which_keys_exist(
    s3: Any, anonymous_client: Any, open_bucket: str
) -> None:
    s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(statement(open_bucket)))
    assert refused(anonymous_client.get_object, Bucket=open_bucket, Key="no") == "AccessDenied"
    assert refused(anonymous_client.head_object, Bucket=open_bucket, Key="no") == "403"
    listed = statement(open_bucket, Action="s3:ListBucket", Resource=f"arn:aws:s3:::{open_bucket}")
    s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(statement(open_bucket), listed))
    assert refused(anonymous_client.get_object, Bucket=open_bucket, Key="no") == "NoSuchKey"


def test_the_body_of_an_anonymous_request_is_verified(s3: Any, anonymous_client: Any, open_bucket: str) -> None:
    s3.put_bucket_policy(Bucket=open_bucket, Policy=policy(statement(open_bucket, Action="s3:PutObject")))
    wrong = {"ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}  # of nothing
    assert refused(anonymous_client.put_object, Bucket=open_bucket, Key="k", Body=b"x", **wrong) == "BadDigest"
    assert refused(s3.head_object, Bucket=open_bucket, Key="k") == "404"


def test_an_anonymous_caller_needs_a_permission_to_bypass_retention(
    s3: Any, anonymous_client: Any, make_bucket: Any
) -> None:
    vault = make_bucket(ObjectLockEnabledForBucket=True)
    s3.delete_public_access_block(Bucket=vault)
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": datetime.now(UTC) + timedelta(hours=1)}
    versions = [
        {"Key": key, "VersionId": s3.put_object(Bucket=vault, Key=key, Body=b"x", **lock)["VersionId"]} for key in "ab"
    ]
    removing = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    s3.put_bucket_policy(Bucket=vault, Policy=policy(statement(vault, Action=removing)))
    bypass = {"Bucket": vault, "BypassGovernanceRetention": True}
    assert refused(anonymous_client.delete_object, **bypass, **versions[0]) == "AccessDenied"
    (error,) = anonymous_client.delete_objects(**bypass, Delete={"Objects": versions[1:]})["Errors"]
    assert error["Code"] == "AccessDenied"
    assert refused(anonymous_client.delete_object, Bucket=vault, **versions[0]) == "AccessDenied"
    assert len(s3.list_object_versions(Bucket=vault)["Versions"]) == 2
    removing.append("s3:BypassGovernanceRetention")
    s3.put_bucket_policy(Bucket=vault, Policy=policy(statement(vault, Action=removing)))
    anonymous_client.delete_object(**bypass, **versions[0])
    assert "Errors" not in anonymous_client.delete_objects(**bypass, Delete={"Objects": versions[1:]})
    assert "Versions" not in s3.list_object_versions(Bucket=vault)


@pytest.mark.parametrize(
    ("member", "action"),
    [
        ({"Tagging": "a=1"}, "s3:PutObjectTagging"),
        ({"ACL": "public-read"}, "s3:PutObjectAcl"),
        ({"GrantRead": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'}, "s3:PutObjectAcl"),
        ({"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": datetime.now(UTC)}, "s3:PutObjectRetention"),
        ({"ObjectLockLegalHoldStatus": "ON"}, "s3:PutObjectLegalHold"),
    ],
)
def test_members_of_a_put_require_their_own_permissions(context: Context, member: dict[str, Any], action: str) -> None:
    needed = needs(context, "PutObject", {"Key": "k", **member})
    assert [(need.action, need.resource) for need in needed] == [
        ("s3:PutObject", "arn:aws:s3:::b/k"),
        (action, "arn:aws:s3:::b/k"),
    ]


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("PutObject", {"Key": "k", "IfMatch": "e"}),
        ("DeleteObject", {"Key": "k", "IfMatch": "e"}),
    ],
)
def test_an_etag_precondition_requires_read_permission(
    context: Context, operation: str, request_: dict[str, Any]
) -> None:
    reads = [need.resource for need in needs(context, operation, request_) if need.action == "s3:GetObject"]
    assert reads == ["arn:aws:s3:::b/k"]


def needs(context: Context, operation: str, request: dict[str, Any]) -> list[Permission]:
    call = Call(context, Caller(context.account_id), "s3", operation, {"Bucket": "b", **request}, {})
    return list(OPERATIONS["s3", operation].access(call))
