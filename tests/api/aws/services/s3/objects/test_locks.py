"""Object locks: retention, governance bypass, legal holds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.aws.services.s3.conftest import refused

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def vault(make_bucket: Any) -> str:
    """A bucket with object lock."""
    return str(make_bucket(ObjectLockEnabledForBucket=True))


def in_future(delta: timedelta) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + delta


def put(s3: Any, bucket: str, **lock: Any) -> dict[str, Any]:
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"x", **lock)["VersionId"]
    return {"Bucket": bucket, "Key": "k", "VersionId": version}


def test_a_retained_object_says_so_and_cannot_be_deleted(s3: Any, vault: str) -> None:
    until = in_future(HOUR)
    at = put(s3, vault, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    head = s3.head_object(**at)
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", until)
    assert "ObjectLockLegalHoldStatus" not in head
    assert s3.get_object_retention(**at)["Retention"] == {"Mode": "GOVERNANCE", "RetainUntilDate": until}
    assert refused(s3.delete_object, **at) == "AccessDenied"
    assert s3.delete_object(Bucket=vault, Key="k")["DeleteMarker"]  # hides it only
    s3.delete_object(**at, BypassGovernanceRetention=True)
    assert refused(s3.head_object, **at) == "404"


def test_compliance_retention_can_only_be_extended(s3: Any, vault: str) -> None:
    until = in_future(HOUR)
    at = put(s3, vault, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    assert refused(s3.delete_object, **at, BypassGovernanceRetention=True) == "AccessDenied"
    for wanted in (
        {"Mode": "COMPLIANCE", "RetainUntilDate": until - timedelta(minutes=1)},
        {"Mode": "GOVERNANCE", "RetainUntilDate": until + HOUR},
        {},
    ):
        call = s3.put_object_retention
        assert refused(call, **at, Retention=wanted, BypassGovernanceRetention=True) == "AccessDenied"
    s3.put_object_retention(**at, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until + HOUR})
    assert s3.head_object(**at)["ObjectLockRetainUntilDate"] == until + HOUR


def test_governance_retention_can_be_bypassed(s3: Any, vault: str) -> None:
    until = in_future(HOUR)
    at = put(s3, vault, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    s3.put_object_retention(**at, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until + HOUR})
    shorter = {"Mode": "GOVERNANCE", "RetainUntilDate": until}
    assert refused(s3.put_object_retention, **at, Retention=shorter) == "AccessDenied"
    assert refused(s3.put_object_retention, **at, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until + DAY})
    s3.put_object_retention(**at, Retention=shorter, BypassGovernanceRetention=True)
    s3.put_object_retention(**at, Retention={}, BypassGovernanceRetention=True)
    assert refused(s3.get_object_retention, **at) == "NoSuchObjectLockConfiguration"
    s3.delete_object(**at)


def test_a_legal_hold_stays_until_it_is_removed(s3: Any, vault: str) -> None:
    at = put(s3, vault, ObjectLockLegalHoldStatus="ON")
    assert s3.head_object(**at)["ObjectLockLegalHoldStatus"] == "ON"
    assert refused(s3.delete_object, **at, BypassGovernanceRetention=True) == "AccessDenied"
    s3.put_object_legal_hold(**at, LegalHold={"Status": "OFF"})
    assert s3.get_object_legal_hold(**at)["LegalHold"] == {"Status": "OFF"}
    s3.delete_object(**at)
    bare = put(s3, vault)
    assert refused(s3.get_object_legal_hold, **bare) == "NoSuchObjectLockConfiguration"
    assert refused(s3.put_object_legal_hold, **bare, LegalHold={}) == "MalformedXML"


def test_a_batch_deletes_what_is_not_locked(s3: Any, vault: str) -> None:
    held, free = put(s3, vault, ObjectLockLegalHoldStatus="ON"), put(s3, vault)
    named = [{"Key": "k", "VersionId": at["VersionId"]} for at in (held, free)]
    answer = s3.delete_objects(Bucket=vault, Delete={"Objects": named})
    assert [error["Code"] for error in answer["Errors"]] == ["AccessDenied"]
    assert [done["VersionId"] for done in answer["Deleted"]] == [free["VersionId"]]


def test_new_objects_get_the_default_retention_of_their_bucket(s3: Any, vault: str) -> None:
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 2}}
    s3.put_object_lock_configuration(
        Bucket=vault, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    head = s3.head_object(**put(s3, vault, ObjectLockLegalHoldStatus="OFF"))
    assert (head["ObjectLockMode"], head["ObjectLockLegalHoldStatus"]) == ("COMPLIANCE", "OFF")
    assert abs(in_future(2 * DAY) - head["ObjectLockRetainUntilDate"]) < HOUR
    until = in_future(HOUR)
    own = s3.head_object(**put(s3, vault, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until))
    assert (own["ObjectLockMode"], own["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", until)


def test_copies_and_uploads_are_locked_as_requested(s3: Any, vault: str) -> None:
    until = in_future(HOUR)
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until, "ObjectLockLegalHoldStatus": "ON"}
    source = put(s3, vault)
    copied = s3.copy_object(Bucket=vault, Key="copy", CopySource=source, **lock)
    upload = s3.create_multipart_upload(Bucket=vault, Key="joined", **lock)
    at = {"Bucket": vault, "Key": "joined", "UploadId": upload["UploadId"]}
    etag = s3.upload_part(**at, PartNumber=1, Body=b"x")["ETag"]
    joined = s3.complete_multipart_upload(**at, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    for key, made in (("copy", copied), ("joined", joined)):
        head = s3.head_object(Bucket=vault, Key=key, VersionId=made["VersionId"])
        assert {name: head[name] for name in lock} == lock


def test_an_invalid_lock_is_refused(s3: Any, vault: str, bucket: str) -> None:
    at = {"Bucket": vault, "Key": "k", "Body": b"x"}
    assert refused(s3.put_object, **at, ObjectLockMode="GOVERNANCE") == "InvalidArgument"
    assert refused(s3.put_object, **at, ObjectLockRetainUntilDate=in_future(HOUR)) == "InvalidArgument"
    past = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": in_future(-HOUR)}
    assert refused(s3.put_object, **at, **past) == "InvalidArgument"
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": in_future(HOUR)}
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **lock) == "InvalidRequest"
    big = b"x" * 100_000
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=big, **lock) == "InvalidRequest"
    assert refused(s3.create_multipart_upload, Bucket=bucket, Key="k", **lock) == "InvalidRequest"
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for call, document in (
        (s3.put_object_retention, {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": in_future(HOUR)}}),
        (s3.put_object_legal_hold, {"LegalHold": {"Status": "ON"}}),
        (s3.get_object_retention, {}),
        (s3.get_object_legal_hold, {}),
    ):
        assert refused(call, Bucket=bucket, Key="k", **document) == "InvalidRequest"
    assert refused(s3.delete_object, Bucket=bucket, Key="k", BypassGovernanceRetention=True) == "InvalidArgument"
    late = {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": in_future(-HOUR)}}
    assert refused(s3.put_object_retention, **put(s3, vault), **late) == "InvalidArgument"
    assert refused(s3.put_object_retention, **put(s3, vault), Retention={"Mode": "GOVERNANCE"}) == "MalformedXML"


def test_a_locked_object_requires_a_digest(server: Any, s3: Any, vault: str) -> None:
    bare = server.client("s3", config={"request_checksum_calculation": "when_required"})
    hold = {"Bucket": vault, "Key": "k", "Body": b"x", "ObjectLockLegalHoldStatus": "ON"}
    assert refused(bare.put_object, **hold) == "InvalidRequest"
    bare.put_object(**hold, ContentMD5="ndTkYSaMgDT1yFZOFVxnpg==")
