"""boto3: transfer manager, presigned requests, paginators, waiters, resources and file-like transfers."""

import io
import json
import os
import threading
from http.client import HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import botocore.session
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError, WaiterError
from s3transfer import crt

from tests.support.programs.shell import keys

MIB = 1 << 20
IN_PARTS = TransferConfig(multipart_threshold=6 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)


def open_url(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> HTTPResponse:
    """Send a request with only its URL."""
    answer: HTTPResponse = urlopen(Request(url, body, headers, method=method))
    return answer


@pytest.mark.parametrize("size", [0, 1, 6 * MIB - 1, 6 * MIB, 17 * MIB + 3])
def test_a_file_is_uploaded_and_downloaded_unchanged(boto, bucket, tmp_path, size):
    source, target = tmp_path / "up.bin", tmp_path / "down.bin"
    source.write_bytes(os.urandom(size))
    seen: list[int] = []
    extra = {"ContentType": "x/raw", "Metadata": {"origin": "sensor 7"}, "CacheControl": "max-age=60"}
    boto.upload_file(str(source), bucket, "k", ExtraArgs=extra, Callback=seen.append, Config=IN_PARTS)
    boto.download_file(bucket, "k", str(target), Config=IN_PARTS)
    assert target.read_bytes() == source.read_bytes()
    assert sum(seen) == size
    head = boto.head_object(Bucket=bucket, Key="k")
    assert {"ContentType": "x/raw", "Metadata": {"origin": "sensor 7"}, "CacheControl": "max-age=60"}.items() <= (
        head.items()
    )
    assert ("-" in head["ETag"]) == (size >= 6 * MIB)


def test_a_stream_of_unknown_length_is_uploaded(boto, bucket):
    content = os.urandom(12 * MIB)
    read, write = os.pipe()

    def feed() -> None:
        with os.fdopen(write, "wb") as out:
            out.write(content)

    feeder = threading.Thread(target=feed)
    feeder.start()
    with os.fdopen(read, "rb") as source:
        boto.upload_fileobj(source, bucket, "k", Config=IN_PARTS)
    feeder.join()
    found = io.BytesIO()
    boto.download_fileobj(bucket, "k", found, Config=IN_PARTS)
    assert found.getvalue() == content


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_a_multipart_upload_has_the_requested_checksum(boto, bucket, algorithm):
    content = os.urandom(11 * MIB)
    extra = {"ChecksumAlgorithm": algorithm}
    boto.upload_fileobj(io.BytesIO(content), bucket, "k", ExtraArgs=extra, Config=IN_PARTS)
    found = boto.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert found["Body"].read() == content  # boto3 verifies it where it covers the whole object
    assert found[f"Checksum{algorithm}"]


def test_a_managed_copy_uses_parts(boto, bucket):
    content = os.urandom(13 * MIB)
    extra = {"ContentType": "x/raw", "Metadata": {"origin": "sensor 7"}}
    boto.upload_fileobj(io.BytesIO(content), bucket, "a key/ä+b", ExtraArgs=extra)
    boto.copy({"Bucket": bucket, "Key": "a key/ä+b"}, bucket, "copy", Config=IN_PARTS)
    found = boto.get_object(Bucket=bucket, Key="copy")
    assert found["Body"].read() == content
    assert found["ETag"].endswith('-3"')


def test_boto3_resources(session, client_variables, bucket):
    shelf = session.resource("s3", endpoint_url=client_variables["AWS_ENDPOINT_URL"]).Bucket(bucket)
    for number in range(25):
        shelf.put_object(Key=f"{number % 2}/{number}", Body=str(number).encode())
    assert shelf.Object("1/7").get()["Body"].read() == b"7"
    assert len(list(shelf.objects.filter(Prefix="1/").page_size(5))) == 12
    shelf.objects.filter(Prefix="1/").delete()
    assert {found.key[:2] for found in shelf.objects.all()} == {"0/"}
    shelf.objects.all().delete()
    shelf.delete()
    shelf.wait_until_not_exists()


def test_presigned_requests_permit_only_what_they_were_signed_for(boto, bucket):
    def link(method: str, key: str = "a key/ä", seconds: int = 300, **more: Any) -> str:
        return str(boto.generate_presigned_url(method, {"Bucket": bucket, "Key": key, **more}, ExpiresIn=seconds))

    typed = link("put_object", ContentType="text/csv", Metadata={"origin": "sensor-7"})
    headers = {"Content-Type": "text/csv", "x-amz-meta-origin": "sensor-7"}
    assert open_url(typed, "PUT", b"1,2,3", **headers).status == 200
    answer = open_url(link("get_object"))
    assert (answer.read(), answer.headers["Content-Type"]) == (b"1,2,3", "text/csv")
    named = link("get_object", ResponseContentDisposition='attachment; filename="a b.csv"')
    assert open_url(named).headers["Content-Disposition"] == 'attachment; filename="a b.csv"'
    assert open_url(link("get_object"), Range="bytes=2-").read() == b"2,3"
    head = open_url(link("head_object"), "HEAD")
    assert (head.headers["Content-Length"], head.headers["x-amz-meta-origin"]) == ("5", "sensor-7")
    for url, method, body in (
        (typed, "PUT", b"without its headers"),
        (link("get_object"), "DELETE", None),
        (link("get_object").replace("a%20key", "another"), "GET", None),
        (link("get_object") + "&versionId=null", "GET", None),
    ):
        with pytest.raises(HTTPError, match="403"):
            open_url(url, method, body)
    assert open_url(link("delete_object"), "DELETE").status == 204
    with pytest.raises(HTTPError, match="404"):
        open_url(link("get_object"))


def test_a_multipart_upload_can_be_presigned(boto, bucket):
    upload = boto.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    parts, content = [], [os.urandom(5 * MIB), b"the end"]
    for number, piece in enumerate(content, 1):
        of_part = {"Bucket": bucket, "Key": "k", "UploadId": upload, "PartNumber": number}
        answer = open_url(boto.generate_presigned_url("upload_part", of_part), "PUT", piece)
        parts.append({"PartNumber": number, "ETag": answer.headers["ETag"]})
    boto.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"".join(content)


def test_paginators_walk_every_listing(boto, bucket):
    names = [f"{folder}/{number:02} ä+&" for folder in "abc" for number in range(7)]
    for name in names:
        boto.put_object(Bucket=bucket, Key=name, Body=b"")
    for method in ("list_objects", "list_objects_v2"):
        pages = list(boto.get_paginator(method).paginate(Bucket=bucket, PaginationConfig={"PageSize": 4}))
        assert [len(page["Contents"]) for page in pages] == [4, 4, 4, 4, 4, 1]
        assert [found["Key"] for page in pages for found in page["Contents"]] == names
        folded = boto.get_paginator(method).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2})
        assert [found["Prefix"] for found in folded.search("CommonPrefixes")] == ["a/", "b/", "c/"]


def test_paginators_walk_uploads_and_their_parts(boto, bucket):
    uploads = [boto.create_multipart_upload(Bucket=bucket, Key=f"u{number}")["UploadId"] for number in range(5)]
    pages = boto.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    assert [found["UploadId"] for found in pages.search("Uploads")] == uploads
    first = {"Bucket": bucket, "Key": "u0", "UploadId": uploads[0]}
    for number in range(1, 6):
        boto.upload_part(**first, PartNumber=number, Body=b"x")
    parts = boto.get_paginator("list_parts").paginate(**first, PaginationConfig={"PageSize": 2})
    assert [found["PartNumber"] for found in parts.search("Parts")] == [1, 2, 3, 4, 5]


def test_waiters_for_existing_and_missing_objects(boto, bucket):
    once = {"WaiterConfig": {"Delay": 1, "MaxAttempts": 1}}
    boto.get_waiter("bucket_exists").wait(Bucket=bucket, **once)
    boto.get_waiter("object_not_exists").wait(Bucket=bucket, Key="k", **once)
    with pytest.raises(WaiterError):
        boto.get_waiter("object_exists").wait(Bucket=bucket, Key="k", **once)
    boto.put_object(Bucket=bucket, Key="k", Body=b"1")
    boto.get_waiter("object_exists").wait(Bucket=bucket, Key="k", **once)
    boto.delete_object(Bucket=bucket, Key="k")
    boto.delete_bucket(Bucket=bucket)
    boto.get_waiter("bucket_not_exists").wait(Bucket=bucket, **once)


def test_of_concurrent_conditional_writes_one_succeeds(boto, bucket):
    reported: list[str] = []

    def create(name: str) -> None:
        try:
            boto.put_object(Bucket=bucket, Key="lock", Body=name.encode(), IfNoneMatch="*")
            reported.append(name)
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict")

    threads = [threading.Thread(target=create, args=[f"writer {number}"]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reported == [boto.get_object(Bucket=bucket, Key="lock")["Body"].read().decode()]


def test_a_connection_can_be_reused_after_an_empty_or_refused_body(boto, bucket):
    for turn in range(3):
        boto.put_object(Bucket=bucket, Key=f"empty {turn}", Body=b"")
        boto.put_object(Bucket=bucket, Key=f"full {turn}", Body=b"some")
        for size in (4, 2 * MIB):
            with pytest.raises(boto.exceptions.NoSuchBucket):
                boto.put_object(Bucket="no-such-sagemaker-bucket", Key="k", Body=bytes(size))
            with pytest.raises(ClientError, match="PreconditionFailed"):
                boto.put_object(Bucket=bucket, Key=f"full {turn}", Body=bytes(size), IfNoneMatch="*")
    assert keys(boto, bucket) == [*(f"empty {turn}" for turn in range(3)), *(f"full {turn}" for turn in range(3))]


def test_errors_are_the_exception_classes_of_the_client(boto, bucket):
    with pytest.raises(boto.exceptions.NoSuchKey):
        boto.get_object(Bucket=bucket, Key="nothing")
    with pytest.raises(boto.exceptions.NoSuchBucket):
        boto.list_objects_v2(Bucket="no-such-sagemaker-bucket")
    with pytest.raises(boto.exceptions.NoSuchUpload):
        boto.list_parts(Bucket=bucket, Key="k", UploadId="none")
    with pytest.raises(ClientError, match="404"):
        boto.download_file(bucket, "nothing", os.devnull)


ODD_KEYS = [
    "a//b",
    "a/./b",
    "a/../b",
    "/lead",
    "trail/",
    " space ",
    "line\nline",
    "\x7f",
    "%2F",
    "a\\b",
    "🙂",
    "e\u0301",
    "é",
]


def test_keys_are_never_normalised(boto, bucket):
    for key in ODD_KEYS:
        boto.put_object(Bucket=bucket, Key=key, Body=repr(key))
    assert keys(boto, bucket) == sorted(ODD_KEYS, key=str.encode)
    for key in ODD_KEYS:
        assert boto.get_object(Bucket=bucket, Key=key)["Body"].read() == repr(key).encode()
        boto.copy_object(Bucket=bucket, Key=f"copy {key}", CopySource={"Bucket": bucket, "Key": key})
        url = boto.generate_presigned_url("get_object", {"Bucket": bucket, "Key": f"copy {key}"})
        assert open_url(url).read() == repr(key).encode()
    gone = boto.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in ODD_KEYS]})
    assert {item["Key"] for item in gone["Deleted"]} == set(ODD_KEYS)
    assert keys(boto, bucket) == sorted((f"copy {key}" for key in ODD_KEYS), key=str.encode)


def test_the_common_runtime_uploads_and_downloads_in_parts(client_variables, boto, bucket, tmp_path):
    """The AWS Common Runtime, which version 2 of the aws CLI and Mountpoint use."""
    session = botocore.session.Session()
    session.set_credentials(
        client_variables["AWS_ACCESS_KEY_ID"],
        client_variables["AWS_SECRET_ACCESS_KEY"],
        client_variables["AWS_SESSION_TOKEN"],
    )
    credentials = crt.BotocoreCRTCredentialsWrapper(session.get_credentials()).to_crt_credentials_provider()
    runtime = crt.create_s3_crt_client(
        "us-east-1", crt_credentials_provider=credentials, use_ssl=False, part_size=5 * MIB
    )
    at = {"endpoint_url": client_variables["AWS_ENDPOINT_URL"], "region_name": "us-east-1"}
    (tmp_path / "up").write_bytes(os.urandom(17 * MIB))
    (tmp_path / "small").write_bytes(b"in one piece")
    with crt.CRTTransferManager(runtime, crt.BotocoreCRTRequestSerializer(session, at)) as transfers:
        transfers.upload(str(tmp_path / "up"), bucket, "k ä").result(60)
        transfers.upload(str(tmp_path / "small"), bucket, "small").result(60)
        transfers.download(bucket, "k ä", str(tmp_path / "down")).result(60)
        transfers.delete(bucket, "small").result(60)
    assert (tmp_path / "down").read_bytes() == (tmp_path / "up").read_bytes()
    assert keys(boto, bucket) == ["k ä"]
    assert boto.head_object(Bucket=bucket, Key="k ä", PartNumber=1)["PartsCount"] == 4


def test_a_body_is_read_line_by_line(boto, bucket):
    rows = [{"id": number, "text": "ä" * number} for number in range(100)]
    boto.put_object(Bucket=bucket, Key="rows", Body="\n".join(map(json.dumps, rows)))
    lines = boto.get_object(Bucket=bucket, Key="rows")["Body"].iter_lines(chunk_size=100)
    assert [json.loads(line) for line in lines] == rows
    assert keys(boto, bucket) == ["rows"]
