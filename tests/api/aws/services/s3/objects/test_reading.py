"""Reads: attributes, parts, ranges, overridden headers, non-ASCII metadata."""

from base64 import b64encode
from email.header import decode_header, make_header
from typing import Any
from urllib.request import urlopen

import pytest

from tests.api.aws.services.s3.conftest import refused
from tests.support.servers.wire_client import send

MIB = 1024**2


@pytest.fixture
def joined(s3: Any, bucket: str) -> str:
    """A bucket with an object of three parts, whose numbers have a gap."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")
    at = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    parts = []
    for number, body in ((1, b"1" * 5 * MIB), (3, b"3" * 5 * MIB), (4, b"end")):
        part = s3.upload_part(**at, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256")
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
    s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})
    return bucket


def test_the_requested_attributes_are_returned(s3: Any, bucket: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"abc", ChecksumAlgorithm="SHA1", StorageClass="STANDARD_IA")
    at = {"Bucket": bucket, "Key": "k"}
    wanted = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    answer = s3.get_object_attributes(**at, ObjectAttributes=wanted)
    assert (answer["ETag"], answer["ObjectSize"], answer["StorageClass"]) == (put["ETag"].strip('"'), 3, "STANDARD_IA")
    assert answer["Checksum"] == {"ChecksumSHA1": put["ChecksumSHA1"], "ChecksumType": "FULL_OBJECT"}
    assert "ObjectParts" not in answer  # it was not uploaded in parts
    assert answer["LastModified"] == s3.head_object(**at)["LastModified"]
    only = s3.get_object_attributes(**at, ObjectAttributes=["ObjectSize"])
    assert only.keys() - {"ResponseMetadata", "LastModified"} == {"ObjectSize"}
    assert refused(s3.get_object_attributes, **at, ObjectAttributes=["Colour"]) == "InvalidArgument"
    assert refused(s3.get_object_attributes, Bucket=bucket, Key="no", ObjectAttributes=["ETag"]) == "NoSuchKey"


def test_the_parts_of_a_multipart_object_are_listed_page_by_page(s3: Any, joined: str) -> None:
    at = {"Bucket": joined, "Key": "k", "ObjectAttributes": ["ObjectParts", "Checksum"], "MaxParts": 2}
    first = s3.get_object_attributes(**at)
    assert "-" not in first["Checksum"]["ChecksumSHA256"]
    page = first["ObjectParts"]
    assert [(part["PartNumber"], part["Size"]) for part in page["Parts"]] == [(1, 5 * MIB), (3, 5 * MIB)]
    assert (page["TotalPartsCount"], page["NextPartNumberMarker"], page["IsTruncated"]) == (3, 3, True)
    rest = s3.get_object_attributes(**at, PartNumberMarker=3)["ObjectParts"]
    assert ([part["PartNumber"] for part in rest["Parts"]], rest["IsTruncated"]) == ([4], False)
    assert all(part["ChecksumSHA256"] for part in (*page["Parts"], *rest["Parts"]))


def test_a_part_is_read_by_its_number(s3: Any, joined: str) -> None:
    at = {"Bucket": joined, "Key": "k"}
    last = s3.get_object(**at, PartNumber=4)
    assert (last["Body"].read(), last["PartsCount"]) == (b"end", 3)
    assert last["ContentRange"] == f"bytes {10 * MIB}-{10 * MIB + 2}/{10 * MIB + 3}"
    assert s3.head_object(**at, PartNumber=3)["ContentLength"] == 5 * MIB
    assert refused(s3.get_object, **at, PartNumber=2) == "InvalidPartNumber"
    assert refused(s3.get_object, **at, PartNumber=0) == "InvalidArgument"
    assert refused(s3.get_object, **at, PartNumber=10_001) == "InvalidArgument"
    assert refused(s3.get_object, **at, PartNumber=1, Range="bytes=0-1") == "InvalidRequest"


def test_non_ascii_metadata_is_returned_encoded_as_in_rfc_2047(server: Any, s3: Any, bucket: str) -> None:
    encoded = f"=?UTF-8?B?{b64encode('ÄMÄZÕÑ S3'.encode()).decode()}?="
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"a": encoded, "b": "plain", "c": "=?not?x?really?="})
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["Metadata"] == {"a": encoded, "b": "plain", "c": "=?not?x?really?="}
    send("PUT", f"{server.url}/{bucket}/raw", {"x-amz-meta-a": "ÄMÄZÕÑ S3"}, b"x")
    raw = s3.head_object(Bucket=bucket, Key="raw")["Metadata"]["a"]
    assert (raw.isascii(), str(make_header(decode_header(raw)))) == (True, "ÄMÄZÕÑ S3")


def test_metadata_that_no_header_can_represent_is_counted(s3: Any, bucket: str) -> None:
    two_lines = b64encode(b"a\r\nset-cookie: b").decode()
    hidden = f"=?UTF-8?B?{two_lines}?="
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"a": hidden, "b": "plain"})
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["Metadata"], head["MissingMeta"]) == ({"b": "plain"}, 1)


def test_more_metadata_than_two_kilobytes_is_refused(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"a": "v" * 2047})
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", Metadata={"a": "v" * 2048}) == "MetadataTooLarge"


def test_expires_is_stored_as_sent(server: Any, s3: Any, bucket: str) -> None:
    send("PUT", f"{server.url}/{bucket}/k", {"expires": "tomorrow or so"}, b"x")
    assert s3.head_object(Bucket=bucket, Key="k")["ExpiresString"] == "tomorrow or so"


def test_storage_classes_are_stored_returned_and_checked(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", StorageClass="INTELLIGENT_TIERING")
    assert s3.head_object(Bucket=bucket, Key="k")["StorageClass"] == "INTELLIGENT_TIERING"
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == "INTELLIGENT_TIERING"
    for unknown in ("OUTPOSTS", "COLD"):
        arguments = {"Bucket": bucket, "Key": "k", "StorageClass": unknown}
        assert refused(s3.put_object, **arguments, Body=b"x") == "InvalidStorageClass"
        assert refused(s3.create_multipart_upload, **arguments) == "InvalidStorageClass"
    s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "k"}, StorageClass="STANDARD")
    assert "StorageClass" not in s3.head_object(Bucket=bucket, Key="k")


def test_a_redirect_is_not_copied(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", WebsiteRedirectLocation="/there", CacheControl="no-store")
    assert s3.head_object(Bucket=bucket, Key="k")["WebsiteRedirectLocation"] == "/there"
    source = {"Bucket": bucket, "Key": "k"}
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)
    copied = s3.head_object(Bucket=bucket, Key="copy")
    assert (copied["CacheControl"], "WebsiteRedirectLocation" in copied) == ("no-store", False)
    s3.copy_object(Bucket=bucket, Key="k", CopySource=source, WebsiteRedirectLocation="/elsewhere")
    assert s3.head_object(Bucket=bucket, Key="k")["WebsiteRedirectLocation"] == "/elsewhere"
    nowhere = {"Bucket": bucket, "Key": "k", "Body": b"x", "WebsiteRedirectLocation": "nowhere"}
    assert refused(s3.put_object, **nowhere) == "InvalidRedirectLocation"


def test_signed_requests_may_override_response_headers(server: Any, s3: Any, signer: Any, open_bucket: str) -> None:
    s3.put_object(Bucket=open_bucket, Key="k", Body=b"x", ACL="public-read")
    wanted = {"ResponseContentType": "a/b", "ResponseCacheControl": "no-store", "ResponseExpires": 1_700_000_000}
    url = signer.generate_presigned_url("get_object", Params={"Bucket": open_bucket, "Key": "k", **wanted})
    with urlopen(url) as answer:
        assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("a/b", "no-store")
        assert answer.headers["expires"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    with urlopen(f"{server.url}/{open_bucket}/k") as answer:
        assert answer.read() == b"x"
    import http.client

    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    connection.request("GET", f"/{open_bucket}/k?response-content-type=a/b")
    refusal = connection.getresponse()
    assert (refusal.status, b"<Code>InvalidRequest" in refusal.read()) == (400, True)
