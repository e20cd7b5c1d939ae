"""Lifecycle configurations, applied by a server whose days are short."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers.server import Server
from tests.support.waiting import wait_for

BUCKET = "shelf"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "home")
    made.cli("up", "--detach", "--port", "0", LOWCLOUD_DAY_SECONDS="0.5")
    yield made
    made.down()


def keys(s3: Any) -> list[str]:
    return [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def rule(name: str, **said: Any) -> dict[str, Any]:
    return {"ID": name, "Status": "Enabled", "Filter": {"Prefix": ""}, **said}


def test_a_server_deletes_expired_objects(cloud: Server) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for key, size in (("tmp/small", 10), ("tmp/large", 200_000), ("keep", 10)):
        s3.put_object(Bucket=BUCKET, Key=key, Body=bytes(size))
    s3.put_object(Bucket=BUCKET, Key="tagged", Body=b"", Tagging="stage=scratch&team=a")
    s3.create_multipart_upload(Bucket=BUCKET, Key="unfinished")
    large = {"And": {"Prefix": "tmp/", "ObjectSizeGreaterThan": 100}}
    rules = [
        rule("large", Filter=large, Expiration={"Days": 1}),
        rule("scratch", Filter={"Tag": {"Key": "stage", "Value": "scratch"}}, Expiration={"Days": 1}),
        rule("uploads", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}),
        rule("off", Status="Disabled", Expiration={"Days": 1}),
    ]
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": rules})
    wait_for(lambda: keys(s3) == ["keep", "tmp/small"])
    wait_for(lambda: "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET))
    wait_for(lambda: "no problems found" in cloud.cli("status").stdout)  # the scrub of a week of such days
    assert "no problems found" in cloud.cli("check").stdout


def test_current_and_noncurrent_versions_and_markers_expire_in_turn(cloud: Server) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for number in range(3):
        s3.put_object(Bucket=BUCKET, Key="k", Body=b"%d" % number)
    rules = [rule("all", Expiration={"Days": 1}, NoncurrentVersionExpiration={"NoncurrentDays": 1})]
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": rules})
    wait_for(lambda: not s3.list_object_versions(Bucket=BUCKET).keys() & {"Versions", "DeleteMarkers"})
    s3.delete_bucket(Bucket=BUCKET)
