"""Checksums: verified, stored and returned; full-object, per part and composite."""

import hashlib
import zlib
from base64 import b64encode
from typing import Any

import pytest
from awscrt import checksums as crt

from tests.api.aws.services.s3.conftest import refused
from tests.support.servers.wire_client import send

MIB = 1024**2
FIRST, LAST = hashlib.shake_128(b"1").digest(5 * MIB), b"the end"
CONTENT = b"123456789"
# By definition, of the nine digits.
DIGESTS = {
    "CRC32": zlib.crc32(CONTENT).to_bytes(4, "big"),
    "CRC32C": bytes.fromhex("e3069283"),
    "CRC64NVME": bytes.fromhex("ae8b14860a799888"),
    "SHA1": hashlib.sha1(CONTENT).digest(),
    "SHA256": hashlib.sha256(CONTENT).digest(),
    "SHA512": hashlib.sha512(CONTENT).digest(),
    "MD5": hashlib.md5(CONTENT).digest(),
    "XXHASH64": crt.XXHash.compute_xxhash64(CONTENT),
    "XXHASH3": crt.XXHash.compute_xxhash3_64(CONTENT),
    "XXHASH128": crt.XXHash.compute_xxhash3_128(CONTENT),
}


def reported(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name.startswith("Checksum")}


def begin(s3: Any, bucket: str, **options: Any) -> dict[str, Any]:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", **options)
    return {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_each_algorithm_is_verified_stored_and_returned(s3: Any, bucket: str, algorithm: str) -> None:
    name, value = f"Checksum{algorithm}", b64encode(DIGESTS[algorithm]).decode()
    at = {"Bucket": bucket, "Key": "k"}
    put = s3.put_object(**at, Body=CONTENT, **{name: value})
    assert reported(put) == {name: value, "ChecksumType": "FULL_OBJECT"}
    assert reported(s3.head_object(**at, ChecksumMode="ENABLED")) == reported(put)
    assert reported(s3.head_object(**at)) == {}
    assert refused(s3.put_object, **at, Body=b"other", **{name: value}) == "BadDigest"
    code = "InvalidDigest" if algorithm == "MD5" else "InvalidRequest"
    assert refused(s3.put_object, **at, Body=CONTENT, **{name: "AAA"}) == code


def test_xxh64_is_returned_in_big_endian_order() -> None:
    assert crt.XXHash.compute_xxhash64(b"") == bytes.fromhex("ef46db3751d8e999")  # of its specification


def test_two_md5s_that_differ_are_refused(s3: Any, bucket: str) -> None:
    right, wrong = (b64encode(hashlib.md5(body).digest()).decode() for body in (CONTENT, b"other"))
    at = {"Bucket": bucket, "Key": "k", "Body": CONTENT}
    assert refused(s3.put_object, **at, ContentMD5=wrong, ChecksumMD5=right) == "BadDigest"
    s3.put_object(**at, ContentMD5=right, ChecksumMD5=right)


def test_an_object_put_without_one_has_crc64nvme(server: Any, s3: Any, bucket: str) -> None:
    bare = server.client("s3", config={"request_checksum_calculation": "when_required"})
    bare.put_object(Bucket=bucket, Key="k", Body=CONTENT)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head["ChecksumCRC64NVME"] == b64encode(DIGESTS["CRC64NVME"]).decode()


def test_the_named_algorithm_must_be_the_one_sent(server: Any, s3: Any, bucket: str) -> None:
    url = f"{server.url}/{bucket}/k"
    named = {"x-amz-sdk-checksum-algorithm": "CRC32"}
    assert b"<Code>InvalidRequest" in send("PUT", url, named, CONTENT).body
    sha1 = {"x-amz-checksum-sha1": b64encode(DIGESTS["SHA1"]).decode()}
    assert b"<Code>InvalidRequest" in send("PUT", url, named | sha1, CONTENT).body
    crc32 = {"x-amz-checksum-crc32": b64encode(DIGESTS["CRC32"]).decode()}
    assert b"<Code>InvalidRequest" in send("PUT", url, sha1 | crc32, CONTENT).body  # two
    assert send("PUT", url, named | crc32, CONTENT).status == 200
    assert b"<Code>InvalidRequest" in send("PUT", url, {"x-amz-sdk-checksum-algorithm": "CRC7"}, CONTENT).body


def test_a_copy_may_have_another_algorithm(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=CONTENT, ChecksumAlgorithm="SHA1")
    source = {"Bucket": bucket, "Key": "k"}
    kept = s3.copy_object(Bucket=bucket, Key="kept", CopySource=source)["CopyObjectResult"]
    assert kept["ChecksumSHA1"] == b64encode(DIGESTS["SHA1"]).decode()
    other = s3.copy_object(Bucket=bucket, Key="c", CopySource=source, ChecksumAlgorithm="CRC32C")["CopyObjectResult"]
    assert reported(other) == {"ChecksumCRC32C": b64encode(DIGESTS["CRC32C"]).decode(), "ChecksumType": "FULL_OBJECT"}


def test_a_composite_checksum_covers_those_of_the_parts(s3: Any, bucket: str) -> None:
    at = begin(s3, bucket, ChecksumAlgorithm="SHA256")
    parts = []
    for number, body in enumerate((FIRST, LAST), 1):
        part = s3.upload_part(**at, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256")
        assert part["ChecksumSHA256"] == b64encode(hashlib.sha256(body).digest()).decode()
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
    wrong = [{**parts[0], "ChecksumSHA256": parts[1]["ChecksumSHA256"]}, parts[1]]
    assert refused(s3.complete_multipart_upload, **at, MultipartUpload={"Parts": wrong}) == "InvalidPart"
    other = {"MultipartUpload": {"Parts": parts}, "ChecksumType": "FULL_OBJECT"}
    assert refused(s3.complete_multipart_upload, **at, **other) == "InvalidRequest"
    done = s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})
    both = hashlib.sha256(hashlib.sha256(FIRST).digest() + hashlib.sha256(LAST).digest()).digest()
    assert reported(done) == {"ChecksumSHA256": f"{b64encode(both).decode()}-2", "ChecksumType": "COMPOSITE"}
    here = {"Bucket": bucket, "Key": "k", "ChecksumMode": "ENABLED"}
    assert reported(s3.head_object(**here)) == reported(done)
    second = s3.get_object(**here, PartNumber=2)
    assert second["Body"].read() == LAST  # boto3 compares with the part's checksum
    assert second["ChecksumSHA256"] == parts[1]["ChecksumSHA256"]
    assert reported(s3.get_object(**here, Range="bytes=0-9")) == {}


def test_a_full_checksum_is_combined_from_the_parts_and_verified(s3: Any, bucket: str) -> None:
    at = begin(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = []
    for number, body in enumerate((FIRST, LAST), 1):
        part = s3.upload_part(**at, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32")
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    whole = b64encode(zlib.crc32(FIRST + LAST).to_bytes(4, "big")).decode()
    complete = {**at, "MultipartUpload": {"Parts": parts}}
    assert refused(s3.complete_multipart_upload, **complete, ChecksumCRC32="AAAAAA==") == "BadDigest"
    assert refused(s3.complete_multipart_upload, **complete, MpuObjectSize=1) == "InvalidRequest"
    size = len(FIRST + LAST)
    done = s3.complete_multipart_upload(**complete, ChecksumCRC32=whole, ChecksumType="FULL_OBJECT", MpuObjectSize=size)
    assert reported(done) == {"ChecksumCRC32": whole, "ChecksumType": "FULL_OBJECT"}


@pytest.mark.parametrize(
    "options",
    [
        {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "COMPOSITE"},
        {"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"},
        {"ChecksumAlgorithm": "XXHASH3", "ChecksumType": "FULL_OBJECT"},
        {"ChecksumType": "COMPOSITE"},
        {"ChecksumAlgorithm": "CRC7"},
    ],
)
def test_a_checksum_type_the_algorithm_does_not_support_is_refused(
    s3: Any, bucket: str, options: dict[str, str]
) -> None:
    assert refused(s3.create_multipart_upload, Bucket=bucket, Key="k", **options) == "InvalidRequest"


def test_parts_have_the_algorithm_of_their_upload(s3: Any, bucket: str) -> None:
    at = begin(s3, bucket, ChecksumAlgorithm="SHA1")
    arguments = {**at, "PartNumber": 1, "Body": b"x", "ChecksumAlgorithm": "CRC32"}
    assert refused(s3.upload_part, **arguments) == "InvalidRequest"
    copied = s3.put_object(Bucket=bucket, Key="source", Body=CONTENT) and s3.upload_part_copy(
        **at, PartNumber=1, CopySource={"Bucket": bucket, "Key": "source"}
    )
    assert copied["CopyPartResult"]["ChecksumSHA1"] == b64encode(DIGESTS["SHA1"]).decode()
