"""Multipart uploads through boto3."""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.support.servers.server import Server

MIB = 1024**2
CONTENT = hashlib.shake_128(b"content").digest(12 * MIB + 5)


@pytest.fixture(scope="module")
def s3(server: Server) -> Any:
    client = server.client("s3")
    client.create_bucket(Bucket="shelf")
    return client


def begin(s3: Any, key: str = "k", **options: Any) -> dict[str, Any]:
    upload = s3.create_multipart_upload(Bucket="shelf", Key=key, **options)
    return {"Bucket": "shelf", "Key": key, "UploadId": upload["UploadId"]}


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    return str(raised.value.response["Error"]["Code"])


def test_the_transfer_manager_uploads_downloads_and_copies(s3: Any) -> None:
    small = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=3)
    s3.upload_fileobj(io.BytesIO(CONTENT), "shelf", "big", Config=small, ExtraArgs={"Metadata": {"m": "1"}})
    head = s3.head_object(Bucket="shelf", Key="big", PartNumber=1)
    assert (head["PartsCount"], head["ContentLength"], head["ETag"][-3:]) == (3, 5 * MIB, '-3"')
    got = io.BytesIO()
    s3.download_fileobj("shelf", "big", got, Config=small)
    assert got.getvalue() == CONTENT
    s3.copy({"Bucket": "shelf", "Key": "big"}, "shelf", "copy", Config=small)
    assert s3.get_object(Bucket="shelf", Key="copy")["Body"].read() == CONTENT
    assert s3.head_object(Bucket="shelf", Key="big")["Metadata"] == {"m": "1"}


def test_parts_are_listed_page_by_page(s3: Any) -> None:
    upload = begin(s3)
    for number in (3, 1, 2):
        s3.upload_part(**upload, PartNumber=number, Body=b"%d" % number)
    pages = list(s3.get_paginator("list_parts").paginate(**upload, PaginationConfig={"PageSize": 2}))
    assert [[part["PartNumber"] for part in page["Parts"]] for page in pages] == [[1, 2], [3]]
    s3.abort_multipart_upload(**upload)
    assert refused(s3.list_parts, **upload) == "NoSuchUpload"


def test_uploads_in_progress_are_listed(s3: Any) -> None:
    begun = [begin(s3, key) for key in ("u/b", "u/a", "u/a")]
    paginator = s3.get_paginator("list_multipart_uploads")
    pages = list(paginator.paginate(Bucket="shelf", Prefix="u/", PaginationConfig={"PageSize": 1}))
    found = [(upload["Key"], upload["UploadId"]) for page in pages for upload in page["Uploads"]]
    assert found == sorted((upload["Key"], upload["UploadId"]) for upload in begun)
    folded = s3.list_multipart_uploads(Bucket="shelf", Delimiter="/")
    assert [folder["Prefix"] for folder in folded["CommonPrefixes"]] == ["u/"]
    for upload in begun:
        s3.abort_multipart_upload(**upload)


def test_a_full_object_checksum_is_returned(s3: Any) -> None:
    upload = begin(s3, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = [
        s3.upload_part(**upload, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32")
        for number, body in ((1, CONTENT[: 5 * MIB]), (2, CONTENT[5 * MIB :]))
    ]
    wanted = [
        {"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}
        for number, part in enumerate(parts, 1)
    ]
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": wanted}, ChecksumType="FULL_OBJECT")
    whole = s3.put_object(Bucket="shelf", Key="whole", Body=CONTENT, ChecksumAlgorithm="CRC32")
    assert done["ChecksumCRC32"] == whole["ChecksumCRC32"]
    assert s3.get_object(Bucket="shelf", Key="k", ChecksumMode="ENABLED")["Body"].read() == CONTENT
    again = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": wanted})
    assert again["ETag"] == done["ETag"]


@pytest.mark.parametrize("member", ["ChecksumSHA256", "ChecksumMD5"])
def test_a_parts_checksum_that_cannot_be_compared_is_refused(s3: Any, member: str) -> None:
    upload = begin(s3, "compared", ChecksumAlgorithm="CRC32")
    part = s3.upload_part(**upload, PartNumber=1, Body=b"part", ChecksumAlgorithm="CRC32")
    bare = {"PartNumber": 1, "ETag": part["ETag"]}
    assert refused(s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": [bare]}) == "InvalidRequest"
    other = {"Parts": [{**bare, member: "AAAA"}]}
    assert refused(s3.complete_multipart_upload, **upload, MultipartUpload=other) == "BadDigest"
    right = {**bare, "ChecksumCRC32": part["ChecksumCRC32"]}
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [right]})


def test_a_part_copied_from_a_range(s3: Any) -> None:
    s3.put_object(Bucket="shelf", Key="source", Body=b"0123456789")
    upload = begin(s3)
    source = {"CopySource": "shelf/source", "CopySourceRange": "bytes=2-5"}
    part = s3.upload_part_copy(**upload, PartNumber=1, **source)["CopyPartResult"]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert s3.get_object(Bucket="shelf", Key="k")["Body"].read() == b"2345"
    outside = {"CopySource": "shelf/source", "CopySourceRange": "bytes=20-25"}
    assert refused(s3.upload_part_copy, **begin(s3), PartNumber=1, **outside) == "InvalidRange"


def test_faulty_completions_are_refused_by_name(s3: Any) -> None:
    upload = begin(s3)
    etags = [s3.upload_part(**upload, PartNumber=number, Body=b"x")["ETag"] for number in (1, 2)]
    one, two = ({"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1))
    for parts, code in (
        ([two, one], "InvalidPartOrder"),
        ([one, two], "EntityTooSmall"),
        ([{**one, "ETag": '"0"'}], "InvalidPart"),
        ([{"PartNumber": 9, "ETag": etags[0]}], "InvalidPart"),
        ([], "MalformedXML"),
    ):
        assert refused(s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts}) == code
    assert refused(s3.upload_part, **upload, PartNumber=10_001, Body=b"x") == "InvalidArgument"
    wrong = {**upload, "UploadId": "none"}
    assert refused(s3.upload_part, **wrong, PartNumber=1, Body=b"x") == "NoSuchUpload"


def test_a_faulty_part_is_named(s3: Any) -> None:
    upload = begin(s3)
    etags = [s3.upload_part(**upload, PartNumber=number, Body=b"xyz")["ETag"] for number in (1, 2)]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    with pytest.raises(ClientError) as small:
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    reported = small.value.response["Error"]
    assert (reported["PartNumber"], reported["ProposedSize"], reported["MinSizeAllowed"]) == ("1", "3", str(5 * MIB))
    with pytest.raises(ClientError) as missing:
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{**parts[0], "ETag": '"0"'}]})
    reported = missing.value.response["Error"]
    assert (reported["PartNumber"], reported["ETag"], reported["UploadId"]) == ("1", "0", upload["UploadId"])


def test_an_upload_is_aborted_only_if_it_was_initiated_at_the_given_time(s3: Any) -> None:
    upload = begin(s3, "meant")
    [listed] = s3.list_multipart_uploads(Bucket="shelf", Prefix="meant")["Uploads"]
    assert refused(s3.abort_multipart_upload, **upload, IfMatchInitiatedTime=1_700_000_000) == "PreconditionFailed"
    s3.abort_multipart_upload(**upload, IfMatchInitiatedTime=listed["Initiated"])
    assert refused(s3.abort_multipart_upload, **upload) == "NoSuchUpload"
    assert refused(s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": "x"}]})


def test_a_completion_with_more_parts_than_an_upload_can_have_is_refused(s3: Any) -> None:
    upload = begin(s3, "many")
    parts = [{"PartNumber": 1 + number % 10_000, "ETag": "x"} for number in range(10_001)]
    assert refused(s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts}) == "MalformedXML"
    assert refused(s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts[:10_000]}) == "InvalidPart"
    s3.abort_multipart_upload(**upload)


def test_a_part_sent_again_replaces_the_first(s3: Any) -> None:
    upload = begin(s3, "again")
    s3.upload_part(**upload, PartNumber=1, Body=b"first")
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"second")["ETag"]
    [part] = s3.list_parts(**upload)["Parts"]
    assert (part["ETag"], part["Size"]) == (etag, 6)
    parts = [{"PartNumber": 1, "ETag": etag.strip('"')}]  # clients may leave the quotes out
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket="shelf", Key="again")["Body"].read() == b"second"


def test_a_listing_of_parts_has_its_markers(s3: Any) -> None:
    upload = begin(s3, "paged", StorageClass="GLACIER_IR")
    for number in (1, 5, 10_000):
        s3.upload_part(**upload, PartNumber=number, Body=b"x")
    page = s3.list_parts(**upload, MaxParts=1, PartNumberMarker=1)
    assert [part["PartNumber"] for part in page["Parts"]] == [5]
    assert (page["PartNumberMarker"], page["NextPartNumberMarker"], page["IsTruncated"]) == (1, 5, True)
    assert (page["MaxParts"], page["StorageClass"], page["Key"]) == (1, "GLACIER_IR", "paged")
    assert page["Initiator"] == page["Owner"] == s3.list_buckets()["Owner"]
    none = s3.list_parts(**upload, MaxParts=0)
    assert ("Parts" in none, none["IsTruncated"]) == (False, False)
    assert refused(s3.list_parts, **upload, MaxParts=-1) == "InvalidArgument"
    s3.abort_multipart_upload(**upload)


def test_a_listing_of_uploads_continues_after_its_markers(s3: Any) -> None:
    begun = sorted((begin(s3, key) for key in ("v/a", "v/a", "v/b")), key=lambda at: (at["Key"], at["UploadId"]))
    first = s3.list_multipart_uploads(Bucket="shelf", Prefix="v/", MaxUploads=1)
    assert (first["NextKeyMarker"], first["NextUploadIdMarker"]) == ("v/a", begun[0]["UploadId"])
    markers = {"KeyMarker": "v/a", "UploadIdMarker": begun[0]["UploadId"]}
    rest = s3.list_multipart_uploads(Bucket="shelf", Prefix="v/", **markers)
    assert [upload["UploadId"] for upload in rest["Uploads"]] == [at["UploadId"] for at in begun[1:]]
    after = s3.list_multipart_uploads(Bucket="shelf", Prefix="v/", KeyMarker="v/a")
    assert [upload["Key"] for upload in after["Uploads"]] == ["v/b"]
    for upload in begun:
        s3.abort_multipart_upload(**upload)


@pytest.mark.parametrize("span", ["0-2", "bytes=0", "bytes=hello-world", "bytes=2-", "bytes=-2", "bytes=0-2,3-5"])
def test_a_range_to_copy_has_both_ends(s3: Any, span: str) -> None:
    s3.put_object(Bucket="shelf", Key="source", Body=b"0123456789")
    arguments = {**begin(s3), "PartNumber": 1, "CopySource": "shelf/source", "CopySourceRange": span}
    assert refused(s3.upload_part_copy, **arguments) == "InvalidArgument"


def test_repeated_and_concurrent_completions_get_the_same_response(s3: Any) -> None:
    upload = begin(s3, "twice")
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: s3.complete_multipart_upload(**upload, MultipartUpload=parts), range(4)))
    assert len({answer["ETag"] for answer in answers}) == 1
    s3.put_object(Bucket="shelf", Key="twice", Body=b"replaced")
    assert refused(s3.complete_multipart_upload, **upload, MultipartUpload=parts) == "NoSuchUpload"


@pytest.mark.parametrize(("style", "host"), [("path", "localhost"), ("virtual", "shelf.localhost")])
def test_a_completion_returns_the_url_of_the_request(server: Server, s3: Any, style: str, host: str) -> None:
    config = {"signature_version": "s3v4", "s3": {"addressing_style": style}}
    signer = server.client("s3", endpoint_url="http://localhost:81", config=config)
    at = begin(s3, "a b/c")
    etag = s3.upload_part(**at, PartNumber=1, Body=b"x")["ETag"]
    url = urlsplit(signer.generate_presigned_url("complete_multipart_upload", at))
    part = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
    document = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>"
    here = f"{server.url}{url.path}?{url.query}"
    reply = urllib3.request("POST", here, body=document, headers={"Host": f"{host}:81"})
    place = f"{host}:81/shelf" if style == "path" else f"{host}:81"
    assert f"<Location>http://{place}/a%20b/c</Location>" in reply.data.decode()
