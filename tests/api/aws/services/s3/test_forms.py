"""Browser uploads: forms signed by boto3, sent by a plain HTTP client."""

import hmac
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
import urllib3

from lowcloud.api.aws.auth.signature_v4 import signing_key
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.services.s3.forms.multipart_form import parse_form
from tests.api.aws.services.s3.conftest import refused
from tests.support.servers.endpoint import ROOT_SECRET
from tests.support.servers.server import Server

HTTP = urllib3.PoolManager(retries=False)
FILE = ("photo.jpg", b"the file's bytes")


@pytest.fixture(scope="module")
def s3(signer: Any) -> Any:
    return signer


def send(form: dict[str, Any], file: Any = FILE, **fields: str) -> urllib3.BaseHTTPResponse:
    return HTTP.request("POST", form["url"], fields=[*{**form["fields"], **fields}.items(), ("file", file)])


def code(reply: urllib3.BaseHTTPResponse) -> str:
    return ElementTree.fromstring(reply.data).findtext("Code") or ""


def body(s3: Any, bucket: str, key: str) -> bytes:
    return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


@pytest.fixture
def form(s3: Any, bucket: str) -> dict[str, Any]:
    return dict(s3.generate_presigned_post(bucket, "key"))


def signed(s3: Any, bucket: str, key: str, conditions: list[Any], **fields: str) -> dict[str, Any]:
    """Return a form with these fields in addition to those of boto3."""
    return dict(s3.generate_presigned_post(bucket, key, Fields=fields, Conditions=conditions))


def signed_by_hand(s3: Any, bucket: str, policy: bytes) -> dict[str, Any]:
    """Return a form whose policy is this text."""
    made = s3.generate_presigned_post(bucket, "key")
    fields = made["fields"]
    _, date, region, service, _ = fields["x-amz-credential"].split("/")
    fields["policy"] = b64encode(policy).decode()
    key = signing_key(ROOT_SECRET, date, region, service)
    fields["x-amz-signature"] = hmac.digest(key, fields["policy"].encode(), "sha256").hex()
    return dict(made)


def test_a_signed_form_puts_an_object(s3: Any, bucket: str, form: dict[str, Any]) -> None:
    reply = send(form)
    assert (reply.status, reply.data) == (204, b"")
    found = s3.head_object(Bucket=bucket, Key="key")
    assert reply.headers["etag"] == found["ETag"]
    assert reply.headers["location"].endswith(f"/{bucket}/key")
    assert body(s3, bucket, "key") == FILE[1]


def test_a_form_is_stored_in_the_bucket_of_the_host_name(s3: Any, bucket: str, form: dict[str, Any]) -> None:
    url = form["url"].removesuffix(f"/{bucket}")
    fields = [*form["fields"].items(), ("file", FILE)]
    assert HTTP.request("POST", url, fields=fields, headers={"Host": f"{bucket}.s3.localhost"}).status == 204
    assert body(s3, bucket, "key") == FILE[1]


def test_the_files_name_may_be_part_of_the_key(s3: Any, bucket: str) -> None:
    made = s3.generate_presigned_post(bucket, "uploads/${filename}")
    assert send(made, ("C:\\My Pictures\\größe 1.jpg", b"x")).status == 204
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["uploads/größe 1.jpg"]


def test_fields_become_headers_and_metadata_of_the_object(s3: Any, bucket: str) -> None:
    fields = {"Content-Type": "image/jpeg", "x-amz-meta-who": "me", "Cache-Control": "no-store"}
    made = signed(s3, bucket, "key", [{name: value} for name, value in fields.items()], **fields)
    assert send(made).status == 204
    found = s3.head_object(Bucket=bucket, Key="key")
    assert (found["ContentType"], found["Metadata"], found["CacheControl"]) == ("image/jpeg", {"who": "me"}, "no-store")


def test_a_large_file_streams(s3: Any, bucket: str, form: dict[str, Any]) -> None:
    content = bytes(range(256)) * 40_000 + b"\r\n--almost-a-boundary"
    assert send(form, ("large", content)).status == 204
    assert body(s3, bucket, "key") == content


@pytest.mark.parametrize(("requested", "status"), [("200", 200), ("201", 201), ("204", 204), ("500", 204), ("x", 204)])
def test_the_form_selects_its_response(s3: Any, bucket: str, requested: str, status: int) -> None:
    made = signed(s3, bucket, "a/b", [{"success_action_status": requested}], success_action_status=requested)
    reply = send(made)
    assert reply.status == status
    if status == 201:
        reported = {element.tag: element.text for element in ElementTree.fromstring(reply.data)}
        assert reported == {
            "Bucket": bucket,
            "Key": "a/b",
            "ETag": reply.headers["etag"],
            "Location": reply.headers["location"],
        }
    else:
        assert reply.data == b""


def test_a_form_may_redirect_the_browser(s3: Any, bucket: str) -> None:
    there = "https://example.com/done?page=1"
    made = signed(s3, bucket, "a b", [{"success_action_redirect": there}], success_action_redirect=there)
    reply = HTTP.request("POST", made["url"], fields=[*made["fields"].items(), ("file", FILE)], redirect=False)
    assert reply.status == 303
    assert reply.headers["location"].startswith(there)
    reported = parse_qs(urlsplit(reply.headers["location"]).query)
    assert reported == {"page": ["1"], "bucket": [bucket], "key": ["a b"], "etag": [reply.headers["etag"]]}


def test_a_form_with_an_invalid_redirect_gets_a_plain_response(s3: Any, bucket: str) -> None:
    there = "javascript:alert(1)"
    made = signed(s3, bucket, "k", [{"success_action_redirect": there}], success_action_redirect=there)
    assert send(made).status == 204


def test_fields_must_meet_their_conditions(s3: Any, bucket: str) -> None:
    conditions = [["starts-with", "$key", "mine/"], ["starts-with", "$Content-Type", "image/"]]
    for key, kind, status in (
        ("mine/a", "image/png", 204),
        ("yours/a", "image/png", 403),
        ("mine/a", "text/html", 403),
        ("mine/a", "image/png,text/html", 403),
    ):
        made = s3.generate_presigned_post(bucket, "mine/${filename}", Conditions=conditions)
        reply = send(made, key=key, **{"Content-Type": kind})
        assert reply.status == status
        if status == 403:
            assert code(reply) == "AccessDenied"
            assert b"Invalid according to Policy: Policy Condition failed" in reply.data


def test_fields_without_a_condition_are_refused(s3: Any, bucket: str, form: dict[str, Any]) -> None:
    reply = send(form, **{"x-amz-meta-more": "x"})
    assert (reply.status, code(reply)) == (403, "AccessDenied")
    assert b"Invalid according to Policy: Extra input fields: x-amz-meta-more" in reply.data
    assert send(form, **{"x-ignore-me": "x"}).status == 204


def test_the_policy_is_for_one_bucket(s3: Any, make_bucket: Any, form: dict[str, Any]) -> None:
    other = make_bucket()
    reply = send({**form, "url": form["url"].rpartition("/")[0] + f"/{other}"})
    assert code(reply) == "AccessDenied"
    assert s3.list_objects_v2(Bucket=other)["KeyCount"] == 0


@pytest.mark.parametrize(
    ("least", "most", "expected"), [(1, 16, ""), (17, 20, "EntityTooSmall"), (0, 15, "EntityTooLarge")]
)
def test_the_file_must_be_as_large_as_the_policy_says(
    s3: Any, bucket: str, least: int, most: int, expected: str
) -> None:
    reply = send(signed(s3, bucket, "key", [["content-length-range", least, most]]))
    if expected:
        assert (reply.status, code(reply)) == (400, expected)
        assert refused(s3.head_object, Bucket=bucket, Key="key") == "404"
    else:
        assert reply.status == 204


def test_an_expired_policy_is_refused(s3: Any, bucket: str) -> None:
    reply = send(s3.generate_presigned_post(bucket, "key", ExpiresIn=-1))
    assert (reply.status, code(reply)) == (403, "AccessDenied")
    assert b"Invalid according to Policy: Policy expired." in reply.data


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"x-amz-signature": "0" * 64}, "SignatureDoesNotMatch"),
        ({"x-amz-signature": ""}, "InvalidArgument"),
        ({"x-amz-credential": "AKIANOBODY/20300101/us-east-1/s3/aws4_request"}, "InvalidArgument"),
        ({"x-amz-algorithm": "AWS4-NONE"}, "InvalidArgument"),
        ({"policy": b64encode(b"{}").decode()}, "SignatureDoesNotMatch"),
        ({"AWSAccessKeyId": "x", "signature": "y"}, "InvalidRequest"),
        ({"key": ""}, "InvalidArgument"),
    ],
)
def test_an_unsigned_form_is_refused(
    s3: Any, bucket: str, form: dict[str, Any], changes: dict[str, str], expected: str
) -> None:
    assert code(send(form, **changes)) == expected
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_an_unknown_key_is_refused(server: Server, s3: Any, bucket: str) -> None:
    other = server.client("s3", aws_access_key_id="AKIANOBODY", config={"signature_version": "s3v4"})
    assert code(send(other.generate_presigned_post(bucket, "key"))) == "InvalidAccessKeyId"


@pytest.mark.parametrize(
    "policy",
    [
        b"no json",
        b"[]",
        b"{}",
        b'{"expiration": "tomorrow", "conditions": []}',
        b'{"expiration": "2100-01-01T00:00:00Z"}',
        b'{"expiration": "2100-01-01T00:00:00Z", "conditions": [["like", "$key", "a"]]}',
        b'{"expiration": "2100-01-01T00:00:00Z", "conditions": [["eq", "key", "a"]]}',
        b'{"expiration": "2100-01-01T00:00:00Z", "conditions": [["content-length-range", "a", "b"]]}',
        b'{"expiration": "2100-01-01T00:00:00Z", "conditions": [["content-length-range", 1, 1e400]]}',
        b'{"expiration": "2100-01-01T00:00:00Z", "conditions": [7]}',
    ],
)
def test_a_malformed_policy_is_refused(s3: Any, bucket: str, policy: bytes) -> None:
    assert code(send(signed_by_hand(s3, bucket, policy))) == "InvalidPolicyDocument"


def test_a_form_signed_by_a_session_carries_its_token(server: Server, s3: Any, bucket: str) -> None:
    session = server.client("sts").get_session_token()["Credentials"]
    client = server.client(
        "s3",
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
        config={"signature_version": "s3v4"},
    )
    made = client.generate_presigned_post(bucket, "key")
    assert send(made).status == 204
    del made["fields"]["x-amz-security-token"]
    assert code(send(made)) == "InvalidAccessKeyId"


def test_checksums_of_a_form_are_verified(s3: Any, bucket: str) -> None:
    sums = {"x-amz-checksum-crc32": "AAAAAA=="}
    made = signed(s3, bucket, "key", [{name: value} for name, value in sums.items()], **sums)
    assert code(send(made)) == "BadDigest"
    assert refused(s3.head_object, Bucket=bucket, Key="key") == "404"


def test_a_form_is_refused_if_a_put_is(s3: Any, server: Server, form: dict[str, Any], bucket: str) -> None:
    gone = s3.generate_presigned_post("no-such-bucket", "key")
    assert code(send(gone)) == "NoSuchBucket"
    made = signed(s3, bucket, "key", [{"acl": "public-read"}], acl="public-read")
    assert code(send(made)) == "AccessControlListNotSupported"
    made = signed(s3, bucket, "k" * 1025, [])
    assert code(send(made)) == "KeyTooLongError"


def test_a_form_without_a_policy_is_anonymous(s3: Any, server: Server, open_bucket: str) -> None:
    plain = {"url": f"{server.url}/{open_bucket}", "fields": {"key": "k"}}
    assert code(send(plain)) == "AccessDenied"
    s3.put_bucket_acl(Bucket=open_bucket, ACL="public-read-write")
    assert send(plain).status == 204
    assert body(s3, open_bucket, "k") == FILE[1]


@pytest.mark.parametrize(
    ("content_type", "content", "expected"),
    [
        ("multipart/form-data", b"", "MalformedPOSTRequest"),
        ("multipart/form-data; boundary=x", b"", "MalformedPOSTRequest"),
        ("multipart/form-data; boundary=x", b"--x\r\nnonsense\r\n\r\n", "MalformedPOSTRequest"),
        ("multipart/form-data; boundary=x", b"--x--\r\n", "InvalidArgument"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\n' + b"k" * 21_000,
            "MaxPostPreDataLengthExceeded",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\ndata\r\n--x--\r\n',
            "InvalidArgument",
        ),
    ],
)
def test_a_body_that_is_not_a_form_is_refused(
    server: Server, bucket: str, content_type: str, content: bytes, expected: str
) -> None:
    headers = {"Content-Type": content_type}
    reply = HTTP.request("POST", f"{server.url}/{bucket}", headers=headers, body=content)
    assert (reply.status, code(reply)) == (400, expected)


def test_a_file_that_ends_early_stores_nothing(s3: Any, bucket: str, form: dict[str, Any]) -> None:
    whole, content_type = urllib3.encode_multipart_formdata([*form["fields"].items(), ("file", FILE)])
    reply = HTTP.request("POST", form["url"], headers={"Content-Type": content_type}, body=whole[:-20])
    assert code(reply) == "MalformedPOSTRequest"
    assert refused(s3.head_object, Bucket=bucket, Key="key") == "404"


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_form_parses_the_same_however_it_is_split(size: int) -> None:
    content = b"line\r\n--bound\r\n--boundar\r\n"
    form = (
        b'--boundary\r\nContent-Disposition: form-data; name="Key"\r\n\r\na\r\nb\r\n'
        b'--boundary\r\nContent-Disposition: form-data; name="file"; filename="a\\"b"\r\n'
        b"Content-Type: text/plain\r\n\r\n" + content + b"\r\n--boundary--\r\n"
    )
    pieces = [form[start : start + size] for start in range(0, len(form), size)]
    upload = parse_form("multipart/form-data; boundary=boundary", pieces)
    assert (upload.fields, upload.filename) == ({"key": "a\r\nb"}, 'a"b')
    assert b"".join(upload.file) == content


def test_a_truncated_form_is_never_accepted() -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\ndata\r\n--b--'

    def read(pieces: Iterator[bytes]) -> bytes:
        return b"".join(parse_form("multipart/form-data; boundary=b", pieces).file)

    assert read(iter([form])) == b"data"
    for end in range(len(form) - len("--")):
        with pytest.raises(AwsError, match="not well-formed"):
            read(iter([form[:end]]))
