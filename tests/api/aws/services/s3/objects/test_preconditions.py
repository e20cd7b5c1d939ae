"""Preconditions of reads, writes and copies: their precedence, and the responses if they fail."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.api.aws.services.s3.conftest import refused


def answer_of(call: Any, **arguments: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    return dict(raised.value.response["ResponseMetadata"])


def test_an_entity_tag_takes_precedence_over_a_time(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    at = {"Bucket": bucket, "Key": "k"}
    modified = s3.head_object(**at)["LastModified"]
    before, after = modified - timedelta(seconds=5), modified + timedelta(seconds=5)
    s3.get_object(**at, IfMatch=etag, IfUnmodifiedSince=before)
    s3.get_object(**at, IfNoneMatch='"other"', IfModifiedSince=after)
    assert answer_of(s3.get_object, **at, IfNoneMatch=etag, IfModifiedSince=before)["HTTPStatusCode"] == 304
    assert refused(s3.get_object, **at, IfMatch='"other"', IfUnmodifiedSince=after) == "PreconditionFailed"
    assert refused(s3.get_object, **at, IfUnmodifiedSince=before) == "PreconditionFailed"
    s3.get_object(**at, IfUnmodifiedSince=modified)
    unchanged = answer_of(s3.head_object, **at, IfModifiedSince=modified)
    assert (unchanged["HTTPStatusCode"], unchanged["HTTPHeaders"]["etag"]) == (304, etag)
    assert "last-modified" in unchanged["HTTPHeaders"]


def test_a_copy_has_preconditions_on_source_and_target(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    copy = {"Bucket": bucket, "Key": "copy", "CopySource": {"Bucket": bucket, "Key": "k"}}
    for unmet in (
        {"CopySourceIfMatch": '"other"'},
        {"CopySourceIfNoneMatch": etag},
        {"CopySourceIfModifiedSince": modified},
        {"CopySourceIfUnmodifiedSince": modified - timedelta(seconds=5)},
    ):
        assert refused(s3.copy_object, **copy, **unmet) == "PreconditionFailed"
    assert refused(s3.copy_object, **copy, IfMatch=etag) == "NoSuchKey"
    s3.copy_object(**copy, CopySourceIfMatch=etag, IfNoneMatch="*")
    assert refused(s3.copy_object, **copy, IfNoneMatch="*") == "PreconditionFailed"
    assert refused(s3.copy_object, **copy, IfMatch='"other"') == "PreconditionFailed"
    s3.copy_object(**copy, IfMatch=etag)


def test_preconditions_that_s3_does_not_support_are_named(s3: Any, bucket: str) -> None:
    at = {"Bucket": bucket, "Key": "k", "Body": b"x"}
    for conditions in ({"IfNoneMatch": '"x"'}, {"IfMatch": "*"}, {"IfMatch": '"x"', "IfNoneMatch": "*"}):
        assert refused(s3.put_object, **at, **conditions) == "NotImplemented"


def test_writers_treat_a_delete_marker_as_no_object(s3: Any, shelf: str) -> None:
    etag = s3.put_object(Bucket=shelf, Key="k", Body=b"x")["ETag"]
    s3.delete_object(Bucket=shelf, Key="k")
    assert refused(s3.put_object, Bucket=shelf, Key="k", Body=b"y", IfMatch=etag) == "NoSuchKey"
    s3.put_object(Bucket=shelf, Key="k", Body=b"y", IfNoneMatch="*")


def test_a_completion_has_preconditions(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")
    at = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    part = s3.upload_part(**at, PartNumber=1, Body=b"joined")["ETag"]
    complete = {**at, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part}]}}
    assert refused(s3.complete_multipart_upload, **complete, IfMatch='"x"') == "NoSuchKey"
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    assert refused(s3.complete_multipart_upload, **complete, IfNoneMatch="*") == "PreconditionFailed"
    s3.complete_multipart_upload(**complete, IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"joined"


def test_of_concurrent_first_writers_one_succeeds(s3: Any, bucket: str) -> None:
    def create(number: int) -> str:
        body = b"%d" % number * (1 if number % 2 else 100_000)
        try:
            return str(s3.put_object(Bucket=bucket, Key="k", Body=body, IfNoneMatch="*")["ETag"])
        except ClientError as error:
            return str(error.response["Error"]["Code"])

    with ThreadPoolExecutor(8) as writers:
        outcomes = sorted(writers.map(create, range(8)))
    assert outcomes[1:] == ["PreconditionFailed"] * 7
    assert s3.head_object(Bucket=bucket, Key="k")["ETag"] == outcomes[0]


def test_conditional_read_modify_write_loses_no_update(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="count", Body=b"0")

    def add_one(_: int) -> None:
        while True:
            got = s3.get_object(Bucket=bucket, Key="count")
            more = b"%d" % (int(got["Body"].read()) + 1)
            try:
                s3.put_object(Bucket=bucket, Key="count", Body=more, IfMatch=got["ETag"])
                return
            except ClientError as error:
                assert error.response["Error"]["Code"] == "PreconditionFailed"

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(add_one, range(20)))
    assert s3.get_object(Bucket=bucket, Key="count")["Body"].read() == b"20"
