"""URLs and forms signed with Signature Version 2, boto3's default in us-east-1."""

import time
from base64 import b64encode
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit
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
    s3.put_object(Bucket=bucket, Key="a key+", Body=b"data")
    return {"Bucket": bucket, "Key": "a key+"}


def code(reply: urllib3.BaseHTTPResponse) -> str:
    return ElementTree.fromstring(reply.data).findtext("Code") or ""


def url_of(s3: Any, operation: str, at: dict[str, Any], **options: Any) -> str:
    url = str(s3.generate_presigned_url(operation, at, **options))
    assert "AWSAccessKeyId=" in url
    return url


def changed(url: str, **values: str | None) -> str:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True)) | values
    return urlunsplit(parts._replace(query=urlencode({name: value for name, value in query.items() if value})))


def of_session(server: Server) -> Any:
    session = server.client("sts").get_session_token()["Credentials"]
    return server.client(
        "s3",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )


def test_objects_are_put_read_headed_and_deleted(s3: Any, at: dict[str, str]) -> None:
    assert HTTP.request("PUT", url_of(s3, "put_object", at), body=b"other").status == 200
    assert HTTP.request("GET", url_of(s3, "get_object", at)).data == b"other"
    head = HTTP.request("HEAD", url_of(s3, "head_object", at))
    assert (head.status, head.headers["content-length"]) == (200, "5")
    assert HTTP.request("DELETE", url_of(s3, "delete_object", at)).status == 204
    assert refused(s3.head_object, **at) == "404"


def test_listings_and_versions_are_read(s3: Any, shelf: str) -> None:
    versions = [s3.put_object(Bucket=shelf, Key="k", Body=body)["VersionId"] for body in (b"one", b"two")]
    first = url_of(s3, "get_object", {"Bucket": shelf, "Key": "k", "VersionId": versions[0]})
    assert HTTP.request("GET", first).data == b"one"
    assert code(HTTP.request("GET", changed(first, versionId=versions[1]))) == "SignatureDoesNotMatch"
    for operation in ("list_objects", "list_objects_v2", "list_object_versions"):
        assert b"<Key>k</Key>" in HTTP.request("GET", url_of(s3, operation, {"Bucket": shelf})).data


def test_a_multipart_upload_can_be_signed_completely(s3: Any, bucket: str) -> None:
    target = {"Bucket": bucket, "Key": "parts"}
    begun = HTTP.request("POST", url_of(s3, "create_multipart_upload", target))
    upload = next(item.text for item in ElementTree.fromstring(begun.data) if item.tag.endswith("UploadId"))
    part = url_of(s3, "upload_part", {**target, "UploadId": upload, "PartNumber": 1})
    etag = HTTP.request("PUT", part, body=b"x" * 2_000_000).headers["etag"]
    assert code(HTTP.request("PUT", changed(part, partNumber="2"), body=b"x")) == "SignatureDoesNotMatch"
    finish = url_of(s3, "complete_multipart_upload", {**target, "UploadId": upload})
    parts = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
    document = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"
    assert HTTP.request("POST", finish, body=document).status == 200
    assert s3.head_object(**target)["ContentLength"] == 2_000_000


def test_response_headers_can_be_overridden_in_the_url(s3: Any, at: dict[str, str]) -> None:
    reported = {"ResponseContentType": "text/csv", "ResponseContentDisposition": 'attachment; filename="a +b.csv"'}
    url = url_of(s3, "get_object", {**at, **reported})
    reply = HTTP.request("GET", url)
    assert reply.headers["content-type"] == "text/csv"
    assert reply.headers["content-disposition"] == 'attachment; filename="a +b.csv"'
    changed_url = changed(url, **{"response-content-type": "text/html"})
    assert code(HTTP.request("GET", changed_url)) == "SignatureDoesNotMatch"


def test_signed_headers_are_read_from_the_url(s3: Any, bucket: str) -> None:
    said = {"ContentType": "text/plain", "Metadata": {"who": "me"}, "StorageClass": "STANDARD_IA"}
    url = url_of(s3, "put_object", {"Bucket": bucket, "Key": "k", **said})
    assert HTTP.request("PUT", url, body=b"x").status == 200
    head = s3.head_object(Bucket=bucket, Key="k")
    assert {name: head[name] for name in said} == said
    for headers in ({"Content-Type": "text/html"}, {"x-amz-meta-who": "you"}, {"x-amz-acl": "public-read"}):
        assert code(HTTP.request("PUT", url, body=b"x", headers=headers)) == "SignatureDoesNotMatch"
    assert code(HTTP.request("PUT", f"{url}&x-amz-tagging=a%3D1", body=b"x")) == "SignatureDoesNotMatch"


def test_the_bucket_may_be_in_the_host_name(server: Server, s3: Any, at: dict[str, str]) -> None:
    config = {"s3": {"addressing_style": "virtual"}}
    client = server.client("s3", endpoint_url="http://localhost:81", config=config)
    url = urlsplit(url_of(client, "get_object", at))
    assert url.netloc == f"{at['Bucket']}.localhost:81"
    here = f"{server.url}{url.path}?{url.query}"
    assert HTTP.request("GET", here, headers={"Host": url.netloc}).data == b"data"
    assert code(HTTP.request("GET", here, headers={"Host": "other.localhost:81"})) == "SignatureDoesNotMatch"
    assert HTTP.request("GET", here).status == 403


def test_a_url_is_for_one_key_one_method_and_one_time(s3: Any, at: dict[str, str]) -> None:
    url = url_of(s3, "get_object", at)
    expires = dict(parse_qsl(urlsplit(url).query))["Expires"]
    for method in ("PUT", "DELETE"):
        assert code(HTTP.request(method, url, body=b"")) == "SignatureDoesNotMatch"
    for other in (url.replace("a%20key", "b%20key"), changed(url, Expires=str(int(expires) + 1))):
        assert code(HTTP.request("GET", other)) == "SignatureDoesNotMatch"
    assert s3.head_object(**at)["ContentLength"] == 4


@pytest.mark.parametrize(
    ("method", "operation", "further"),
    [
        ("GET", "get_object", "attributes"),
        ("GET", "get_object", "acl"),
        ("GET", "get_object", "tagging"),
        ("GET", "get_object", "retention"),
        ("PUT", "put_object", "legal-hold"),
        ("PUT", "put_object", "%61cl"),
        ("DELETE", "delete_object", "tagging"),
    ],
)
def test_a_url_is_for_one_operation(s3: Any, at: dict[str, str], method: str, operation: str, further: str) -> None:
    url = url_of(s3, operation, at)
    assert code(HTTP.request(method, f"{url}&{further}", body=b"")) == "SignatureDoesNotMatch"
    assert s3.head_object(**at)["ContentLength"] == 4


def test_a_wrong_secret_and_an_unknown_key_are_refused(server: Server, at: dict[str, str]) -> None:
    wrong = server.client("s3", aws_secret_access_key="wrong")
    assert code(HTTP.request("GET", url_of(wrong, "get_object", at))) == "SignatureDoesNotMatch"
    unknown = server.client("s3", aws_access_key_id="AKIANOBODY")
    assert code(HTTP.request("GET", url_of(unknown, "get_object", at))) == "InvalidAccessKeyId"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"Expires": None}, (403, "AccessDenied")),
        ({"Expires": "tomorrow"}, (403, "AccessDenied")),
        ({"Expires": "-1"}, (403, "AccessDenied")),
        ({"Expires": "9" * 400}, (403, "AccessDenied")),
        ({"Expires": "1"}, (403, "AccessDenied")),
        ({"Expires": "9" * 12}, (400, "AuthorizationQueryParametersError")),
        ({"Signature": "\u00fc"}, (403, "SignatureDoesNotMatch")),
        ({"x-amz-meta-a": "a\r\nb"}, (400, "InvalidArgument")),
    ],
)
def test_malformed_parameters_are_refused(s3: Any, at: dict[str, str], changes: Any, expected: tuple[int, str]) -> None:
    reply = HTTP.request("GET", changed(url_of(s3, "get_object", at), **changes))
    assert (reply.status, code(reply)) == expected


def test_a_url_expires_after_at_most_seven_days(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(gateway) as server:
        s3 = server.client("s3")
        long = url_of(s3, "list_buckets", {}, ExpiresIn=8 * 24 * 3600)
        assert code(HTTP.request("GET", long)) == "AuthorizationQueryParametersError"
        url = url_of(s3, "list_buckets", {}, ExpiresIn=7 * 24 * 3600)
        assert HTTP.request("GET", url).status == 200
        moment = time.time() + 7 * 24 * 3600 + 2
        monkeypatch.setattr(Context, "now", lambda _context: moment)
        reply = HTTP.request("GET", url)
        assert (reply.status, code(reply)) == (403, "AccessDenied")
        assert b"Request has expired" in reply.data


def test_a_url_of_a_session_needs_its_token(server: Server, at: dict[str, str]) -> None:
    url = url_of(of_session(server), "get_object", at)
    assert HTTP.request("GET", url).data == b"data"
    bare = changed(url, **{"x-amz-security-token": None})
    assert code(HTTP.request("GET", bare)) == "InvalidAccessKeyId"
    assert code(HTTP.request("GET", changed(url, **{"x-amz-security-token": "00"}))) == "InvalidToken"


def test_the_header_of_version_2_is_refused_by_name(server: Server, at: dict[str, str]) -> None:
    url = f"{server.url}/{at['Bucket']}/{quote(at['Key'])}"
    reply = HTTP.request("GET", url, headers={"Authorization": "AWS AKID:c2lnbmF0dXJl"})
    assert (code(reply), b"AWS4-HMAC-SHA256" in reply.data) == ("InvalidRequest", True)


def send(form: dict[str, Any], **fields: str) -> urllib3.BaseHTTPResponse:
    return HTTP.request("POST", form["url"], fields=[*{**form["fields"], **fields}.items(), ("file", ("f", b"file"))])


def test_a_form_puts_an_object(server: Server, s3: Any, bucket: str) -> None:
    for client in (s3, of_session(server)):
        form = client.generate_presigned_post(bucket, "key", {"acl": "private"}, [{"acl": "private"}])
        assert "AWSAccessKeyId" in form["fields"]
        assert send(form).status == 204
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"file"
    assert s3.head_object(Bucket=bucket, Key="key")["Metadata"] == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"key": "other"}, "AccessDenied"),
        ({"signature": "AAAA"}, "SignatureDoesNotMatch"),
        ({"signature": ""}, "InvalidArgument"),
        ({"policy": b64encode(b"{}").decode()}, "SignatureDoesNotMatch"),
        ({"AWSAccessKeyId": "AKIANOBODY"}, "InvalidAccessKeyId"),
        ({"x-amz-meta-a": "b"}, "AccessDenied"),
    ],
)
def test_a_changed_form_is_refused(s3: Any, bucket: str, changes: dict[str, str], expected: str) -> None:
    assert code(send(s3.generate_presigned_post(bucket, "key"), **changes)) == expected
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_an_expired_form_is_refused(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(gateway) as server:
        s3 = server.client("s3")
        s3.create_bucket(Bucket="shelf")
        form = s3.generate_presigned_post("shelf", "key", ExpiresIn=60)
        moment = time.time() + 62
        monkeypatch.setattr(Context, "now", lambda _context: moment)
        assert code(send(form)) == "AccessDenied"
