"""Versioning: version ids in responses, delete markers, listings of versions."""

import re
from typing import Any
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError

ABSENT = "0" * 32


def keep(s3: Any, bucket: str, state: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": state})


def error_of(call: Any, **arguments: Any) -> dict[str, Any]:
    """Return code, status and headers of an error."""
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    response = raised.value.response
    metadata = response["ResponseMetadata"]
    return {"code": response["Error"]["Code"], "status": metadata["HTTPStatusCode"], **metadata["HTTPHeaders"]}


def code_of(call: Any, **arguments: Any) -> tuple[str, int]:
    error = error_of(call, **arguments)
    return error["code"], error["status"]


def put(s3: Any, bucket: str, key: str, body: bytes = b"x") -> str:
    return str(s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"])


def test_a_response_names_its_version(s3: Any, shelf: str) -> None:
    one, two = put(s3, shelf, "k", b"one"), put(s3, shelf, "k", b"two")
    assert one != two
    newest = s3.get_object(Bucket=shelf, Key="k")
    assert (newest["Body"].read(), newest["VersionId"]) == (b"two", two)
    named = s3.get_object(Bucket=shelf, Key="k", VersionId=one)
    assert (named["Body"].read(), named["VersionId"]) == (b"one", one)
    assert s3.head_object(Bucket=shelf, Key="k", VersionId=one)["VersionId"] == one


def test_a_bucket_that_was_never_versioned_names_no_version(s3: Any, bucket: str) -> None:
    assert "VersionId" not in s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert "VersionId" not in s3.get_object(Bucket=bucket, Key="k", VersionId="null")
    deleted = s3.delete_object(Bucket=bucket, Key="k")
    assert not {"VersionId", "DeleteMarker"} & deleted.keys()


def test_objects_from_before_versioning_are_the_null_version(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    keep(s3, bucket, "Enabled")
    assert s3.head_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    put(s3, bucket, "k", b"after")
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"before"
    keep(s3, bucket, "Suspended")
    assert "VersionId" not in s3.put_object(Bucket=bucket, Key="k", Body=b"suspended")
    assert s3.get_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    hidden = s3.delete_object(Bucket=bucket, Key="k")
    assert (hidden["VersionId"], hidden["DeleteMarker"]) == ("null", True)


def test_a_marker_hides_a_key_until_it_is_removed(s3: Any, shelf: str) -> None:
    version = put(s3, shelf, "k")
    hidden = s3.delete_object(Bucket=shelf, Key="k")
    assert hidden["DeleteMarker"] is True
    marker = hidden["VersionId"]
    for call, code in ((s3.get_object, "NoSuchKey"), (s3.head_object, "404")):
        error = error_of(call, Bucket=shelf, Key="k")
        assert (error["code"], error["status"]) == (code, 404)
        assert (error["x-amz-delete-marker"], error["x-amz-version-id"]) == ("true", marker)
    for call, code in ((s3.get_object, "MethodNotAllowed"), (s3.head_object, "405")):
        error = error_of(call, Bucket=shelf, Key="k", VersionId=marker)
        assert (error["code"], error["status"], error["allow"]) == (code, 405, "DELETE")
        assert error["x-amz-delete-marker"] == "true"
        assert "last-modified" in error
    removed = s3.delete_object(Bucket=shelf, Key="k", VersionId=marker)
    assert (removed["VersionId"], removed["DeleteMarker"]) == (marker, True)
    assert s3.head_object(Bucket=shelf, Key="k")["VersionId"] == version


def test_a_missing_version_differs_from_an_invalid_version_id(s3: Any, shelf: str) -> None:
    put(s3, shelf, "k")
    assert code_of(s3.get_object, Bucket=shelf, Key="k", VersionId=ABSENT) == ("NoSuchVersion", 404)
    assert code_of(s3.get_object, Bucket=shelf, Key="k", VersionId="no version") == ("InvalidArgument", 400)
    assert code_of(s3.delete_object, Bucket=shelf, Key="k", VersionId="no version") == ("InvalidArgument", 400)
    assert s3.delete_object(Bucket=shelf, Key="k", VersionId=ABSENT)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert code_of(s3.get_object, Bucket="none", Key="k", VersionId=ABSENT) == ("NoSuchBucket", 404)


def test_a_batch_returns_a_result_for_each_item(s3: Any, shelf: str) -> None:
    version = put(s3, shelf, "a")
    named = [{"Key": "a"}, {"Key": "a", "VersionId": version}, {"Key": "b", "VersionId": "none"}]
    answer = s3.delete_objects(Bucket=shelf, Delete={"Objects": named})
    hidden, removed = answer["Deleted"]
    assert (hidden["Key"], hidden["DeleteMarker"], "VersionId" in hidden) == ("a", True, False)
    assert removed == {"Key": "a", "VersionId": version}
    [error] = answer["Errors"]
    assert (error["Key"], error["VersionId"], error["Code"]) == ("b", "none", "NoSuchVersion")
    marker = hidden["DeleteMarkerVersionId"]
    [gone] = s3.delete_objects(Bucket=shelf, Delete={"Objects": [{"Key": "a", "VersionId": marker}]})["Deleted"]
    assert gone == {"Key": "a", "VersionId": marker, "DeleteMarker": True, "DeleteMarkerVersionId": marker}
    quiet = s3.delete_objects(Bucket=shelf, Delete={"Objects": [{"Key": "a"}], "Quiet": True})
    assert not {"Deleted", "Errors"} & quiet.keys()


def test_an_item_of_a_batch_is_deleted_only_if_its_preconditions_hold(s3: Any, shelf: str) -> None:
    put(s3, shelf, "k", b"body")
    head = s3.head_object(Bucket=shelf, Key="k")
    wrong = [
        {"Key": "k", "ETag": '"0"'},
        {"Key": "k", "Size": 5},
        {"Key": "k", "LastModifiedTime": "Tue, 14 Nov 2023 22:13:20 GMT"},
        {"Key": "absent", "ETag": head["ETag"]},
    ]
    errors = s3.delete_objects(Bucket=shelf, Delete={"Objects": wrong})["Errors"]
    assert [error["Code"] for error in errors] == ["PreconditionFailed"] * 3 + ["NoSuchKey"]
    right = {"Key": "k", "ETag": head["ETag"], "Size": 4, "LastModifiedTime": head["LastModified"]}
    assert "Errors" not in s3.delete_objects(Bucket=shelf, Delete={"Objects": [right]})


def test_a_deletion_has_preconditions(s3: Any, shelf: str) -> None:
    put(s3, shelf, "k", b"body")
    at = {"Bucket": shelf, "Key": "k"}
    assert code_of(s3.delete_object, **at, IfMatchSize=5) == ("PreconditionFailed", 412)
    assert code_of(s3.delete_object, **at, IfMatchLastModifiedTime=1_700_000_000) == ("PreconditionFailed", 412)
    s3.delete_object(**at, IfMatch="*", IfMatchSize=4)
    assert code_of(s3.delete_object, **at, IfMatch="*") == ("PreconditionFailed", 412)  # of a marker
    assert code_of(s3.delete_object, Bucket=shelf, Key="never", IfMatch="*") == ("NoSuchKey", 404)


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_concatenated_pages_are_all_versions(s3: Any, shelf: str, size: int) -> None:
    made = {key: [put(s3, shelf, key) for _ in range(2)] for key in ("a", "b/1", "b/2", "ä ö")}
    marker = s3.delete_object(Bucket=shelf, Key="a")["VersionId"]
    pages = list(s3.get_paginator("list_object_versions").paginate(Bucket=shelf, PaginationConfig={"PageSize": size}))
    listed = [(entry["Key"], entry["VersionId"], entry["IsLatest"]) for p in pages for entry in p.get("Versions", [])]
    assert listed == [
        ("a", made["a"][1], False),
        ("a", made["a"][0], False),
        *((key, made[key][1 - age], age == 0) for key in ("b/1", "b/2", "ä ö") for age in (0, 1)),
    ]
    markers = [entry for page in pages for entry in page.get("DeleteMarkers", [])]
    assert [(entry["Key"], entry["VersionId"], entry["IsLatest"]) for entry in markers] == [("a", marker, True)]
    assert len(pages) == -(-9 // size)


def test_a_listing_of_versions_groups_folders_and_repeats_its_parameters(s3: Any, shelf: str) -> None:
    for key in ("a", "b/1", "b/2"):
        put(s3, shelf, key)
    folded = s3.list_object_versions(Bucket=shelf, Delimiter="/")
    assert [entry["Key"] for entry in folded["Versions"]] == ["a"]
    assert folded["CommonPrefixes"] == [{"Prefix": "b/"}]
    assert (folded["Name"], folded["Delimiter"], folded["MaxKeys"], folded["IsTruncated"]) == (shelf, "/", 1000, False)
    below = s3.list_object_versions(Bucket=shelf, Prefix="b/", MaxKeys=1)
    assert (below["NextKeyMarker"], below["IsTruncated"]) == ("b/1", True)
    assert below["NextVersionIdMarker"] == below["Versions"][0]["VersionId"]
    entry = below["Versions"][0]
    assert (entry["Size"], entry["StorageClass"], entry["Owner"]) == (1, "STANDARD", s3.list_buckets()["Owner"])


def test_keys_of_versions_are_encoded_if_the_client_requests_it(signer: Any, s3: Any, shelf: str) -> None:
    for key in ("a b", "z+é"):
        put(s3, shelf, key)
    s3.delete_object(Bucket=shelf, Key="z+é")
    wanted = {"Bucket": shelf, "EncodingType": "url", "KeyMarker": " ", "Prefix": "", "MaxKeys": 2}
    with urlopen(signer.generate_presigned_url("list_object_versions", Params=wanted)) as answer:
        reported = answer.read().decode()
    assert re.findall("<Key>(.*?)</Key>", reported) == ["a%20b", "z%2B%C3%A9"]
    assert "<NextKeyMarker>z%2B%C3%A9</NextKeyMarker>" in reported
    assert "<EncodingType>url</EncodingType>" in reported


def test_invalid_version_markers_are_refused(s3: Any, shelf: str) -> None:
    for markers in ({"VersionIdMarker": ABSENT}, {"KeyMarker": "k", "VersionIdMarker": "no version"}):
        assert code_of(s3.list_object_versions, Bucket=shelf, **markers) == ("InvalidArgument", 400)
    assert code_of(s3.list_object_versions, Bucket=shelf, MaxKeys=-1) == ("InvalidArgument", 400)


def test_a_copy_reads_the_named_version(s3: Any, shelf: str) -> None:
    one = put(s3, shelf, "k", b"one")
    put(s3, shelf, "k", b"two")
    source = {"Bucket": shelf, "Key": "k", "VersionId": one}
    answer = s3.copy_object(Bucket=shelf, Key="k", CopySource=source)  # brings an old version back
    assert answer["CopySourceVersionId"] == one
    got = s3.get_object(Bucket=shelf, Key="k")
    assert (got["Body"].read(), got["VersionId"]) == (b"one", answer["VersionId"])
    marker = s3.delete_object(Bucket=shelf, Key="k")["VersionId"]
    hidden = {"Bucket": shelf, "Key": "k", "VersionId": marker}
    assert code_of(s3.copy_object, Bucket=shelf, Key="c", CopySource=hidden) == ("InvalidRequest", 400)
    newest = {"Bucket": shelf, "Key": "k"}
    assert code_of(s3.copy_object, Bucket=shelf, Key="c", CopySource=newest) == ("NoSuchKey", 404)


def test_an_upload_becomes_a_version(s3: Any, shelf: str) -> None:
    before = put(s3, shelf, "k", b"before")
    upload = s3.create_multipart_upload(Bucket=shelf, Key="k")
    at = {"Bucket": shelf, "Key": "k", "UploadId": upload["UploadId"]}
    copied = s3.upload_part_copy(**at, PartNumber=1, CopySource={"Bucket": shelf, "Key": "k", "VersionId": before})
    assert copied["CopySourceVersionId"] == before
    parts = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}]
    done = s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})
    assert s3.head_object(Bucket=shelf, Key="k")["VersionId"] == done["VersionId"] != before
    assert s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})["VersionId"] == done["VersionId"]
