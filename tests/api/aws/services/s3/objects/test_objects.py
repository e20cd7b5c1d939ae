"""Objects through boto3: writes, reads, ranges and copies."""

import hashlib
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.servers.endpoint import ACCOUNT
from tests.support.servers.server import Server


@pytest.fixture(scope="module")
def s3(server: Server) -> Any:
    return server.client("s3")


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    s3.create_bucket(Bucket="shelf")
    return "shelf"


def refused(call: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    response = raised.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_bucket_is_created_headed_located_listed_and_deleted(s3: Any) -> None:
    assert s3.create_bucket(Bucket="one-bucket")["Location"] == "/one-bucket"
    assert s3.head_bucket(Bucket="one-bucket", ExpectedBucketOwner=ACCOUNT)["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket="one-bucket")["LocationConstraint"] is None
    assert "one-bucket" in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert s3.create_bucket(Bucket="one-bucket")["Location"] == "/one-bucket"  # again, as us-east-1 alone allows
    s3.delete_bucket(Bucket="one-bucket")
    assert refused(s3.head_bucket, Bucket="one-bucket") == ("404", 404)
    assert refused(s3.delete_bucket, Bucket="one-bucket") == ("NoSuchBucket", 404)


def test_a_bucket_in_another_region_returns_it(s3: Any) -> None:
    there = {"LocationConstraint": "eu-central-1"}
    s3.create_bucket(Bucket="far", CreateBucketConfiguration=there)
    again = refused(s3.create_bucket, Bucket="far", CreateBucketConfiguration=there)
    assert again == ("BucketAlreadyOwnedByYou", 409)
    assert s3.get_bucket_location(Bucket="far")["LocationConstraint"] == "eu-central-1"


def test_another_owners_bucket_is_refused(s3: Any, bucket: str) -> None:
    assert refused(s3.head_bucket, Bucket=bucket, ExpectedBucketOwner="999999999999") == ("403", 403)
    arguments = {"Bucket": bucket, "Key": "k", "Body": b"", "ExpectedBucketOwner": "999999999999"}
    assert refused(s3.put_object, **arguments) == ("AccessDenied", 403)


def test_an_object_is_returned_with_its_headers(s3: Any, bucket: str) -> None:
    put = s3.put_object(
        Bucket=bucket,
        Key="a folder/ä+b.txt",
        Body=b"hello",
        ContentType="text/plain",
        CacheControl="no-store",
        ContentEncoding="aws-chunked,br",
        Expires=1_700_000_000,
        Metadata={"Colour": "blue"},
        StorageClass="STANDARD_IA",
    )
    assert put["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="a folder/ä+b.txt")
    assert got["Body"].read() == b"hello"
    assert (got["ContentType"], got["CacheControl"], got["ContentEncoding"]) == ("text/plain", "no-store", "br")
    assert got["ExpiresString"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert (got["Metadata"], got["StorageClass"]) == ({"colour": "blue"}, "STANDARD_IA")
    assert (got["ETag"], got["ContentLength"], got["ServerSideEncryption"]) == (put["ETag"], 5, "AES256")
    head = s3.head_object(Bucket=bucket, Key="a folder/ä+b.txt")
    for volatile in ("ResponseMetadata", "Body"):
        head.pop(volatile, None)
        got.pop(volatile)
    checksums = {name for name in got if name.startswith("Checksum")}
    assert head == {name: value for name, value in got.items() if name not in checksums}


def test_response_headers_can_be_overridden(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ContentType="text/plain")
    got = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="a/b", ResponseContentDisposition="attachment")
    assert (got["ContentType"], got["ContentDisposition"]) == ("a/b", "attachment")
    assert s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "text/plain"


@pytest.mark.parametrize(
    ("wanted", "expected", "reported"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=8-", b"89", "bytes 8-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=5-99", b"56789", "bytes 5-9/10"),
    ],
)
def test_a_range_gets_status_206(s3: Any, bucket: str, wanted: str, expected: bytes, reported: str) -> None:
    s3.put_object(Bucket=bucket, Key="digits", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="digits", Range=wanted)
    assert (got["Body"].read(), got["ContentRange"]) == (expected, reported)
    assert (got["ResponseMetadata"]["HTTPStatusCode"], got["ContentLength"]) == (206, len(expected))
    head = s3.head_object(Bucket=bucket, Key="digits", Range=wanted)
    assert (head["ContentLength"], head["ContentRange"]) == (len(expected), reported)


@pytest.mark.parametrize("wanted", ["bytes=3-1", "bytes=-", "characters=1-2", "bytes=0-1,4-5"])
def test_a_malformed_range_is_ignored(s3: Any, bucket: str, wanted: str) -> None:
    s3.put_object(Bucket=bucket, Key="digits", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="digits", Range=wanted)
    assert (got["Body"].read(), got["ResponseMetadata"]["HTTPStatusCode"]) == (b"0123456789", 200)


def test_a_range_outside_the_object_is_refused(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="digits", Body=b"0123456789")
    assert refused(s3.get_object, Bucket=bucket, Key="digits", Range="bytes=10-") == ("InvalidRange", 416)
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    assert refused(s3.get_object, Bucket=bucket, Key="empty", Range="bytes=0-0") == ("InvalidRange", 416)
    assert s3.get_object(Bucket=bucket, Key="empty")["Body"].read() == b""


def test_preconditions_apply_to_reads_and_writes(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="cond", Body=b"1")["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="cond")["LastModified"]
    at = {"Bucket": bucket, "Key": "cond"}
    assert s3.get_object(**at, IfMatch=etag)["Body"].read() == b"1"
    assert refused(s3.get_object, **at, IfMatch='"x"') == ("PreconditionFailed", 412)
    assert refused(s3.get_object, **at, IfNoneMatch=etag) == ("304", 304)
    assert refused(s3.head_object, **at, IfModifiedSince=modified) == ("304", 304)
    assert refused(s3.put_object, **at, Body=b"2", IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert refused(s3.put_object, **at, Body=b"2", IfMatch='"x"') == ("PreconditionFailed", 412)
    assert refused(s3.put_object, Bucket=bucket, Key="none", Body=b"2", IfMatch=etag) == ("NoSuchKey", 404)
    assert refused(s3.delete_object, **at, IfMatch='"x"') == ("PreconditionFailed", 412)
    s3.delete_object(**at, IfMatch=etag)
    assert refused(s3.get_object, **at) == ("NoSuchKey", 404)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_are_verified_stored_and_returned(s3: Any, bucket: str, algorithm: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="sum", Body=b"123456789", ChecksumAlgorithm=algorithm)
    got = s3.get_object(Bucket=bucket, Key="sum", ChecksumMode="ENABLED")
    name = f"Checksum{algorithm}"
    assert got["Body"].read() == b"123456789"  # boto3 verifies
    assert got[name] == put[name] == s3.head_object(Bucket=bucket, Key="sum", ChecksumMode="ENABLED")[name]
    assert put["ChecksumType"] == "FULL_OBJECT"
    wrong = {name: ("A" + put[name][1:]) if put[name][0] != "A" else ("B" + put[name][1:])}
    assert refused(s3.put_object, Bucket=bucket, Key="sum", Body=b"123456789", **wrong) == ("BadDigest", 400)
    assert refused(s3.put_object, Bucket=bucket, Key="sum", Body=b"1", **{name: "short"}) == ("InvalidRequest", 400)


@pytest.mark.parametrize("mode", ["ENABLED", "enabled"])  # the second is the form of the C++ SDK
def test_the_checksum_mode_is_case_insensitive(s3: Any, bucket: str, mode: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="sum", Body=b"123456789")
    assert s3.get_object(Bucket=bucket, Key="sum", ChecksumMode=mode)["ChecksumCRC32"] == put["ChecksumCRC32"]


def test_content_md5_is_verified(s3: Any, bucket: str) -> None:
    md5 = "CY9rzUYh03PK3k6DJie09g=="  # of "test"
    s3.put_object(Bucket=bucket, Key="md5", Body=b"test", ContentMD5=md5)
    assert refused(s3.put_object, Bucket=bucket, Key="md5", Body=b"other", ContentMD5=md5) == ("BadDigest", 400)
    assert refused(s3.put_object, Bucket=bucket, Key="md5", Body=b"other", ContentMD5="no") == ("InvalidDigest", 400)


def test_objects_are_deleted_one_by_one_and_in_batches(s3: Any, bucket: str) -> None:
    for key in ("gone/1", "gone/2", "gone/3"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    assert s3.delete_object(Bucket=bucket, Key="gone/1")["ResponseMetadata"]["HTTPStatusCode"] == 204
    named = [{"Key": key} for key in ("gone/2", "gone/3", "never/there")]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": named})
    assert answer["Deleted"] == named
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix="gone/")
    versioned = [{"Key": "k", "VersionId": "v1"}]
    errors = s3.delete_objects(Bucket=bucket, Delete={"Objects": versioned, "Quiet": True})["Errors"]
    assert [error["Code"] for error in errors] == ["NoSuchVersion"]


def test_a_copy_takes_or_replaces_metadata(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="from here/ä", Body=b"x", Metadata={"m": "1"}, ContentType="a/b")
    source = {"Bucket": bucket, "Key": "from here/ä"}
    result = s3.copy_object(Bucket=bucket, Key="to", CopySource=source)["CopyObjectResult"]
    assert result["ETag"] == s3.head_object(Bucket=bucket, Key="to")["ETag"]
    assert s3.head_object(Bucket=bucket, Key="to")["Metadata"] == {"m": "1"}
    replace = {"CopySource": source, "MetadataDirective": "REPLACE", "Metadata": {"m": "2"}}
    s3.copy_object(Bucket=bucket, Key="to", **replace)
    head = s3.head_object(Bucket=bucket, Key="to")
    assert (head["Metadata"], head["ContentType"]) == ({"m": "2"}, "binary/octet-stream")
    assert refused(s3.copy_object, Bucket=bucket, Key="to", CopySource=f"{bucket}/to") == ("InvalidRequest", 400)
    assert refused(s3.copy_object, Bucket=bucket, Key="to", CopySource=f"{bucket}/no") == ("NoSuchKey", 404)
    unmet = {"CopySource": source, "CopySourceIfNoneMatch": result["ETag"]}
    assert refused(s3.copy_object, Bucket=bucket, Key="to", **unmet) == ("PreconditionFailed", 412)


def test_unimplemented_operations_are_refused_by_name(s3: Any, bucket: str) -> None:
    at = {"Bucket": bucket, "Key": "k", "Body": b"x"}
    assert refused(s3.put_object, **at, ACL="public-read") == ("AccessControlListNotSupported", 400)
    assert refused(s3.put_object, **at, ServerSideEncryption="aws:kms:dsse") == ("NotImplemented", 501)
    assert refused(s3.put_object, **at, WriteOffsetBytes=1) == ("NotImplemented", 501)
    s3.put_object(**at, ACL="private", ServerSideEncryption="AES256")


def test_keys_that_look_like_paths_are_only_keys(s3: Any, bucket: str) -> None:
    keys = ["..", "../x", "a//b", "/lead", "a/../../../etc/passwd", "%2e%2e/x", "a?b#c&d=e", "sp ace+plus", "日本/é"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=f"odd/{key}", Body=key.encode())
        assert s3.get_object(Bucket=bucket, Key=f"odd/{key}")["Body"].read() == key.encode()
    listed = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, Prefix="odd/")["Contents"]]
    assert listed == sorted(f"odd/{key}" for key in keys)
    assert refused(s3.put_object, Bucket=bucket, Key="é" * 513, Body=b"") == ("KeyTooLongError", 400)


def test_presigned_urls_put_and_get(server: Server, bucket: str) -> None:
    from urllib.request import Request, urlopen

    client = server.client("s3", config={"signature_version": "s3v4"})
    put = client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "signed"})
    with urlopen(Request(put, data=b"by url", method="PUT")) as answer:
        assert answer.status == 200
    get = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "signed"})
    with urlopen(get) as answer:
        assert answer.read() == b"by url"


def test_a_thousand_keys_are_deleted_at_once_and_no_more(s3: Any, bucket: str) -> None:
    keys = [{"Key": f"k{number}"} for number in range(1001)]
    assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": keys[:1000]})["Deleted"]) == 1000
    assert "Deleted" not in s3.delete_objects(Bucket=bucket, Delete={"Objects": keys[:1000], "Quiet": True})
    assert refused(s3.delete_objects, Bucket=bucket, Delete={"Objects": keys}) == ("MalformedXML", 400)
    assert refused(s3.delete_objects, Bucket=bucket, Delete={"Objects": keys * 20}) == ("MalformedXML", 400)
