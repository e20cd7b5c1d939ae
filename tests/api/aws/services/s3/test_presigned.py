"""URLs presigned with Signature Version 4."""

import time
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from xml.etree import ElementTree

import pytest
import urllib3

from lowcloud.api.aws.gateway import Gateway
from lowcloud.core.context import Context
from tests.api.aws.services.s3.conftest import refused
from tests.support.servers.gateways import serving
from tests.support.servers.server import Server

HTTP = urllib3.PoolManager(retries=False)


@pytest.fixture
def at(s3: Any, bucket: str) -> dict[str, str]:
    s3.put_object(Bucket=bucket, Key="a key", Body=b"data")
    return {"Bucket": bucket, "Key": "a key"}


def code(reply: urllib3.BaseHTTPResponse) -> str:
    return ElementTree.fromstring(reply.data).findtext("Code") or ""


def changed(url: str, **values: str) -> str:
    """Return the URL with other parameters: "X_Amz_Expires" stands for X-Amz-Expires."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | {name.replace("_", "-"): value for name, value in values.items()}
    return urlunsplit(parts._replace(query=urlencode(query)))


def test_head_and_delete_are_presigned_like_any_other(s3: Any, signer: Any, at: dict[str, str]) -> None:
    head = HTTP.request("HEAD", signer.generate_presigned_url("head_object", at))
    assert (head.status, head.headers["content-length"]) == (200, "4")
    assert HTTP.request("DELETE", signer.generate_presigned_url("delete_object", at)).status == 204
    assert refused(s3.head_object, **at) == "404"


def test_a_url_is_valid_for_one_method(signer: Any, s3: Any, at: dict[str, str]) -> None:
    url = signer.generate_presigned_url("get_object", at)
    for method in ("PUT", "DELETE"):
        assert code(HTTP.request(method, url, body=b"")) == "SignatureDoesNotMatch"
    assert s3.head_object(**at)["ContentLength"] == 4


def test_a_multipart_upload_can_be_presigned_completely(s3: Any, signer: Any, bucket: str) -> None:
    target = {"Bucket": bucket, "Key": "parts"}
    begun = HTTP.request("POST", signer.generate_presigned_url("create_multipart_upload", target))
    upload = next(item.text for item in ElementTree.fromstring(begun.data) if item.tag.endswith("UploadId"))
    part = signer.generate_presigned_url("upload_part", {**target, "UploadId": upload, "PartNumber": 1})
    sent = HTTP.request("PUT", part, body=b"x" * 2_000_000)
    listed = signer.generate_presigned_url("list_parts", {**target, "UploadId": upload})
    assert b"<Size>2000000</Size>" in HTTP.request("GET", listed).data
    finish = signer.generate_presigned_url("complete_multipart_upload", {**target, "UploadId": upload})
    document = (
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
        f"<ETag>{sent.headers['etag']}</ETag></Part></CompleteMultipartUpload>"
    )
    assert HTTP.request("POST", finish, body=document).status == 200
    assert s3.head_object(**target)["ContentLength"] == 2_000_000
    other = signer.generate_presigned_url("create_multipart_upload", target)
    begun = HTTP.request("POST", other)
    upload = next(item.text for item in ElementTree.fromstring(begun.data) if item.tag.endswith("UploadId"))
    abort = signer.generate_presigned_url("abort_multipart_upload", {**target, "UploadId": upload})
    assert HTTP.request("DELETE", abort).status == 204


def test_response_headers_can_be_overridden_in_the_url(signer: Any, at: dict[str, str]) -> None:
    reported = {"ResponseContentType": "text/csv", "ResponseContentDisposition": 'attachment; filename="a b.csv"'}
    reply = HTTP.request("GET", signer.generate_presigned_url("get_object", {**at, **reported}))
    assert reply.headers["content-type"] == "text/csv"
    assert reply.headers["content-disposition"] == 'attachment; filename="a b.csv"'
    assert reply.data == b"data"


def test_a_signed_header_must_be_sent_unchanged(signer: Any, s3: Any, bucket: str) -> None:
    url = signer.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "k", "ContentType": "text/plain"})
    wrong = HTTP.request("PUT", url, body=b"x", headers={"Content-Type": "text/html"})
    assert (wrong.status, code(wrong)) == (403, "SignatureDoesNotMatch")
    right = HTTP.request("PUT", url, body=b"x", headers={"Content-Type": "text/plain"})
    assert right.status == 200
    assert s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "text/plain"


def test_an_unsigned_amz_header_cannot_be_added(signer: Any, s3: Any, bucket: str) -> None:
    url = signer.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "k"})
    reply = HTTP.request("PUT", url, body=b"x", headers={"x-amz-meta-who": "me"})
    assert (reply.status, code(reply)) == (403, "AccessDenied")
    assert refused(s3.head_object, Bucket=bucket, Key="k") == "404"


@pytest.mark.parametrize(
    "changes",
    [{"X_Amz_Expires": "604800"}, {"response-content-type": "text/html"}, {"X_Amz_Date": "20200101T000000Z"}],
)
def test_a_changed_url_is_refused(signer: Any, at: dict[str, str], changes: dict[str, str]) -> None:
    reply = HTTP.request("GET", changed(signer.generate_presigned_url("get_object", at), **changes))
    assert reply.status in (400, 403)
    assert code(reply) in ("SignatureDoesNotMatch", "AuthorizationQueryParametersError", "AccessDenied")


@pytest.mark.parametrize(("seconds", "status"), [(1, 200), (604800, 200), (604801, 400), (0, 400), (-5, 400)])
def test_a_url_is_valid_for_one_second_to_seven_days(
    signer: Any, at: dict[str, str], seconds: int, status: int
) -> None:
    if seconds > 0:
        url = signer.generate_presigned_url("get_object", at, ExpiresIn=seconds)
    else:  # clients do not sign that
        url = changed(signer.generate_presigned_url("get_object", at), X_Amz_Expires=str(seconds))
    reply = HTTP.request("GET", url)
    assert reply.status == status
    if status == 400:
        assert code(reply) == "AuthorizationQueryParametersError"


def test_a_url_that_is_expired_or_not_yet_valid_is_refused(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(gateway) as server:
        signer = server.client("s3", config={"signature_version": "s3v4"})
        url = signer.generate_presigned_url("list_buckets", ExpiresIn=60)
        assert HTTP.request("GET", url).status == 200
        for seconds, said in ((120, b"Request has expired"), (-3600, b"Request is not yet valid")):
            moment = time.time() + seconds
            monkeypatch.setattr(Context, "now", lambda _context, moment=moment: moment)
            reply = HTTP.request("GET", url)
            assert (reply.status, code(reply)) == (403, "AccessDenied")
            assert said in reply.data


def test_a_url_of_a_session_needs_its_token(server: Server, at: dict[str, str]) -> None:
    session = server.client("sts").get_session_token()["Credentials"]
    client = server.client(
        "s3",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
        config={"signature_version": "s3v4"},
    )
    url = client.generate_presigned_url("get_object", at)
    assert HTTP.request("GET", url).data == b"data"
    parts = urlsplit(url)
    bare = urlencode([pair for pair in parse_qsl(parts.query) if pair[0] != "X-Amz-Security-Token"])
    reply = HTTP.request("GET", urlunsplit(parts._replace(query=bare)))
    assert (reply.status, code(reply)) == (403, "InvalidAccessKeyId")
    reply = HTTP.request("GET", changed(url, X_Amz_Security_Token="00"))
    assert (reply.status, code(reply)) == (400, "InvalidToken")


def in_query(signer: Any, bucket: str, parameters: str) -> str:
    """Return a presigned PUT URL with headers as signed parameters, as some clients create them."""
    events = signer.meta.events
    events.register_first("before-sign.s3.PutObject", add := partial(_add_parameters, parameters))
    try:
        return str(signer.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "k"}))
    finally:
        events.unregister("before-sign.s3.PutObject", add)


def _add_parameters(parameters: str, request: Any, **_: Any) -> None:
    request.url += ("&" if "?" in request.url else "?") + parameters


def test_headers_in_the_signed_query_are_honoured(signer: Any, s3: Any, open_bucket: str) -> None:
    said = (
        "x-amz-meta-foo=a%2Bb%20c&x-amz-storage-class=STANDARD_IA&x-amz-tagging=a%3D1&x-amz-acl=public-read"
        "&X-Amz-Server-Side-Encryption=AES256&x-amz-website-redirect-location=%2Felsewhere"
        "&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32"  # of no body, from JavaScript
    )
    url = in_query(signer, open_bucket, said)
    reply = HTTP.request("PUT", url, body=b"data")
    assert reply.status == 200, reply.data
    head = s3.head_object(Bucket=open_bucket, Key="k")
    assert (head["Metadata"], head["StorageClass"]) == ({"foo": "a+b c"}, "STANDARD_IA")
    assert (head["ServerSideEncryption"], head["WebsiteRedirectLocation"]) == ("AES256", "/elsewhere")
    assert s3.get_object_tagging(Bucket=open_bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}]
    assert HTTP.request("GET", urlunsplit(urlsplit(url)._replace(query=""))).data == b"data"
    assert code(HTTP.request("PUT", url.replace("foo=a", "foo=b"), body=b"data")) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("x-amz-storage-class=NONSENSE", "InvalidStorageClass"),
        ("x-amz-meta-foo=a%0D%0Ab", "InvalidArgument"),
    ],
)
def test_headers_in_the_query_are_checked(signer: Any, s3: Any, bucket: str, said: str, expected: str) -> None:
    assert code(HTTP.request("PUT", in_query(signer, bucket, said), body=b"data")) == expected
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_parameters_of_a_header_signed_request_are_not_headers(s3: Any, bucket: str) -> None:
    s3.meta.events.register_first("before-sign.s3.PutObject", add := partial(_add_parameters, "x-amz-meta-foo=a"))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.meta.events.unregister("before-sign.s3.PutObject", add)
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {}
