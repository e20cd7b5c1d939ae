"""Object tags: put, read, replaced, copied, deleted, and refused if invalid."""

from typing import Any

import pytest

from tests.api.aws.services.s3.conftest import refused


def tags(s3: Any, bucket: str, key: str, **more: Any) -> dict[str, str]:
    answer = s3.get_object_tagging(Bucket=bucket, Key=key, **more)
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def test_an_object_is_put_with_tags_and_returns_their_count(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="colour=blue%20green&empty=&a+b=%C3%A4")
    assert tags(s3, bucket, "k") == {"colour": "blue green", "empty": "", "a b": "ä"}
    assert s3.head_object(Bucket=bucket, Key="k")["TagCount"] == 3
    assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 3
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")  # another object, without them
    assert tags(s3, bucket, "k") == {}
    assert "TagCount" not in s3.head_object(Bucket=bucket, Key="k")


def test_tags_are_replaced_and_deleted_without_another_version(s3: Any, shelf: str) -> None:
    one = s3.put_object(Bucket=shelf, Key="k", Body=b"one", Metadata={"m": "1"})["VersionId"]
    two = s3.put_object(Bucket=shelf, Key="k", Body=b"two")["VersionId"]
    at = {"Bucket": shelf, "Key": "k"}
    assert s3.put_object_tagging(**at, VersionId=one, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})["VersionId"]
    assert (tags(s3, shelf, "k", VersionId=one), tags(s3, shelf, "k")) == ({"a": "1"}, {})
    assert s3.put_object_tagging(**at, Tagging={"TagSet": [{"Key": "b", "Value": "2"}]})["VersionId"] == two
    assert s3.delete_object_tagging(**at, VersionId=one)["VersionId"] == one
    assert (tags(s3, shelf, "k", VersionId=one), tags(s3, shelf, "k")) == ({}, {"b": "2"})
    got = s3.get_object(**at, VersionId=one)
    assert (got["Body"].read(), got["Metadata"]) == (b"one", {"m": "1"})
    s3.delete_object(**at)
    assert refused(s3.get_object_tagging, **at) == "NoSuchKey"
    assert refused(s3.put_object_tagging, **at, Tagging={"TagSet": []}) == "MethodNotAllowed"


def test_a_copy_takes_tags_or_has_its_own(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1")
    source = {"Bucket": bucket, "Key": "k"}
    s3.copy_object(Bucket=bucket, Key="same", CopySource=source)
    s3.copy_object(Bucket=bucket, Key="other", CopySource=source, TaggingDirective="REPLACE", Tagging="b=2")
    s3.copy_object(Bucket=bucket, Key="none", CopySource=source, TaggingDirective="REPLACE")
    assert [tags(s3, bucket, key) for key in ("same", "other", "none")] == [{"a": "1"}, {"b": "2"}, {}]


def test_an_upload_has_the_tags_of_its_creation(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", Tagging="a=1")
    at = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    etag = s3.upload_part(**at, PartNumber=1, Body=b"x")["ETag"]
    s3.complete_multipart_upload(**at, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert tags(s3, bucket, "k") == {"a": "1"}


@pytest.mark.parametrize(
    ("requested", "code"),
    [
        ("&".join(f"k{number}=v" for number in range(11)), "BadRequest"),
        ("a=1&a=2", "InvalidTag"),
        ("=1", "InvalidTag"),
        (f"{'k' * 129}=v", "InvalidTag"),
        (f"k={'v' * 257}", "InvalidTag"),
        ("k=%3C", "InvalidTag"),
        ("aws:k=v", "InvalidTag"),
        ("k=%FF", "InvalidArgument"),
    ],
)
def test_tags_past_the_limits_are_refused(s3: Any, bucket: str, requested: str, code: str) -> None:
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", Tagging=requested) == code


def test_tags_in_a_document_have_the_same_limits(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="kept=yes")
    at = {"Bucket": bucket, "Key": "k"}
    many = [{"Key": str(number), "Value": ""} for number in range(11)]
    assert refused(s3.put_object_tagging, **at, Tagging={"TagSet": many}) == "BadRequest"
    twice = [{"Key": "a", "Value": "1"}] * 2
    assert refused(s3.put_object_tagging, **at, Tagging={"TagSet": twice}) == "InvalidTag"
    assert refused(s3.put_object_tagging, **at, Tagging={"TagSet": [{"Key": "a"}]}) == "MalformedXML"
    assert refused(s3.put_object_tagging, Bucket=bucket, Key="none", Tagging={"TagSet": []}) == "NoSuchKey"
    assert tags(s3, bucket, "k") == {"kept": "yes"}
