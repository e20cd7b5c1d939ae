"""Signature Version 4: AWS's test vectors, botocore's signer, and every reason to refuse a request."""

import time
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from lowcloud.api.aws.auth.signature_v4 import (
    SignatureClaim,
    SignatureError,
    SignatureFault,
    canonical_request,
    read_claim,
    sign,
    string_to_sign,
    verify,
)
from lowcloud.api.http.messages import HttpRequest
from tests.support.servers.botocore_cases import DATA

VECTORS = sorted(path for path in (DATA / "auth" / "aws4_testsuite").glob("**/*.req"))
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEY = "AKIDEXAMPLE"
VECTOR_TOKEN = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def read_vector(path: Path) -> tuple[HttpRequest, bytes]:
    """Return the request in a .req file, signed as in its .authz file."""
    head, _, body = path.read_bytes().partition(b"\n\n")
    first, *lines = head.decode().split("\n")
    method, _, rest = first.partition(" ")
    target = rest.rpartition(" ")[0]
    headers: dict[str, str] = {}
    name = ""
    for line in lines:
        if line[:1].isspace():
            headers[name] += " " + line.strip()
            continue
        name, _, value = line.partition(":")
        name = name.lower()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    if "x-amz-security-token" in (authorization := path.with_suffix(".authz").read_text().strip()):
        headers.setdefault("x-amz-security-token", VECTOR_TOKEN)
    headers["authorization"] = authorization
    query_path, _, query = target.partition("?")
    return HttpRequest(method, query_path, query, headers), body


@pytest.mark.skipif(not VECTORS, reason="the aws4 vectors are not beside the checkout")
@pytest.mark.parametrize("path", VECTORS, ids=[path.stem for path in VECTORS])
def test_canonical_requests_and_signatures_match_the_test_vectors(path):
    request, body = read_vector(path)
    claim = read_claim(request)
    assert claim is not None
    canonical = canonical_request(request, claim, sha256(body).hexdigest())
    assert canonical == path.with_suffix(".creq").read_text().replace("\r\n", "\n")
    assert string_to_sign(claim, canonical) == path.with_suffix(".sts").read_text().replace("\r\n", "\n")
    assert sign(string_to_sign(claim, canonical), claim, SECRET) == claim.signature


def signed(method="GET", url="http://127.0.0.1:4900/", headers=None, body=b"", service="sts", auth=None) -> HttpRequest:
    """Return a request signed by botocore."""
    request = AWSRequest(method, url, headers=headers or {}, data=body)
    default = S3SigV4Auth if service == "s3" else SigV4Auth
    (auth or default)(Credentials(KEY, SECRET), service, "us-east-1").add_auth(request)
    prepared = request.prepare()
    path, _, query = prepared.url.removeprefix("http://127.0.0.1:4900").partition("?")
    found = {
        name.lower(): value if isinstance(value, str) else value.decode() for name, value in prepared.headers.items()
    }
    return HttpRequest(method, path, query, {"host": "127.0.0.1:4900", **found})


def check(
    request: HttpRequest, payload_hash: str = EMPTY, secret: str = SECRET, now: float | None = None
) -> SignatureClaim:
    claim = read_claim(request)
    assert claim is not None
    verify(request, claim, secret, payload_hash, time.time() if now is None else now)
    return claim


def refused(request: HttpRequest, **options) -> SignatureFault:
    with pytest.raises(SignatureError) as caught:
        check(request, **options)
    return caught.value.fault


KEYS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=30)


@settings(max_examples=150, deadline=None)
@given(KEYS, st.dictionaries(KEYS, KEYS, max_size=3), st.sampled_from(["s3", "sts", "lambda"]))
def test_botocores_signatures_of_any_path_and_query_verify(key, query, service):
    pairs = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query.items())
    request = signed(url=f"http://127.0.0.1:4900/bucket/{quote(key, safe='/~')}?{pairs}", service=service)
    check(request, request.headers.get("x-amz-content-sha256", EMPTY))


def test_a_presigned_url_verifies_until_it_expires():
    def auth(*arguments):
        return S3SigV4QueryAuth(*arguments, expires=60)

    request = signed(url="http://127.0.0.1:4900/bucket/key", service="s3", auth=auth)
    claim = check(request, "UNSIGNED-PAYLOAD")
    assert claim.expires_seconds == 60
    assert refused(request, payload_hash="UNSIGNED-PAYLOAD", now=time.time() + 61) == SignatureFault.EXPIRED_URL
    assert refused(request, payload_hash="UNSIGNED-PAYLOAD", now=time.time() - 1000) == SignatureFault.EXPIRED_URL


@pytest.mark.parametrize("change", ["method", "path", "query", "header", "body", "secret"])
def test_any_change_of_a_signed_request_is_refused(change):
    request = signed("PUT", "http://127.0.0.1:4900/a/b?x=1", {"x-amz-meta-a": "1"}, b"body")
    payload_hash, secret = sha256(b"body").hexdigest(), SECRET
    check(request, payload_hash)
    if change == "method":
        request = HttpRequest("POST", request.path, request.query, request.headers)
    elif change == "path":
        request = HttpRequest("PUT", request.path + "c", request.query, request.headers)
    elif change == "query":
        request = HttpRequest("PUT", request.path, "x=2", request.headers)
    elif change == "header":
        request = HttpRequest("PUT", request.path, request.query, {**request.headers, "x-amz-meta-a": "2"})
    elif change == "body":
        payload_hash = sha256(b"other").hexdigest()
    else:
        secret = SECRET + "x"
    assert refused(request, payload_hash=payload_hash, secret=secret) == SignatureFault.MISMATCH


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_clock_more_than_a_quarter_of_an_hour_away_is_refused(minutes):
    assert refused(signed(), now=time.time() + 60 * minutes) == SignatureFault.SKEWED


def test_amz_headers_must_be_signed():
    request = signed()
    request = HttpRequest("GET", request.path, "", {**request.headers, "x-amz-copy-source": "/other/key"})
    assert refused(request) == SignatureFault.UNSIGNED_HEADERS


@pytest.mark.parametrize(
    ("authorization", "fault"),
    [
        ("AWS AKID:c2lnbmF0dXJl", SignatureFault.UNSUPPORTED_VERSION),
        ("Bearer token", SignatureFault.MALFORMED),
        (
            "AWS4-HMAC-SHA256 Credential=a/20200101/r/s/aws4_request, SignedHeaders=host, Signature=b,"
            "AWS4-HMAC-SHA256 Credential=c/20200101/r/s/aws4_request, SignedHeaders=host, Signature=d",
            SignatureFault.MALFORMED,
        ),
        ("AWS4-HMAC-SHA256", SignatureFault.MALFORMED),
        ("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=b", SignatureFault.MALFORMED),
        ("AWS4-HMAC-SHA256 Credential=a/20200101/r/s/aws4_request, Signature=b", SignatureFault.MALFORMED),
        (
            "AWS4-HMAC-SHA256 Credential=a/20200101/r/s/aws4_request, SignedHeaders=date, Signature=b",
            SignatureFault.MALFORMED,
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/20200102/r/s/aws4_request, SignedHeaders=host, Signature=b",
            SignatureFault.MALFORMED,
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/20200101/r/s/aws4_request, SignedHeaders=host, Signature=\u00fc",
            SignatureFault.SKEWED,
        ),
        ("", SignatureFault.MALFORMED),
    ],
)
def test_a_malformed_authorization_is_refused(authorization, fault):
    headers = {"authorization": authorization, "x-amz-date": "20200101T000000Z", "host": "h"}
    assert refused(HttpRequest("GET", "/", "", headers)) == fault


def test_a_signature_that_is_not_ascii_is_a_mismatch():
    request = signed()
    headers = {**request.headers, "authorization": request.headers["authorization"][:-1] + "\u00fc"}
    assert refused(HttpRequest("GET", request.path, "", headers)) == SignatureFault.MISMATCH


@pytest.mark.parametrize("seconds", ["0", "604801", "-1", "1e3", "", "9" * 40, "\u0663"])
def test_a_presigned_url_is_valid_for_one_second_to_seven_days(seconds):
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2F20200101%2Fr%2Fs3%2Faws4_request"
        f"&X-Amz-Date=20200101T000000Z&X-Amz-Expires={quote(seconds)}&X-Amz-SignedHeaders=host&X-Amz-Signature=0"
    )
    assert refused(HttpRequest("GET", "/", query, {"host": "h"})) == SignatureFault.MALFORMED_QUERY


def test_a_version_2_url_has_no_version_4_signature():
    assert read_claim(HttpRequest("GET", "/b/k", "AWSAccessKeyId=AKID&Signature=x&Expires=1", {"host": "h"})) is None


@pytest.mark.parametrize(
    ("authorization", "query"),
    [
        ("AWS4-HMAC-SHA256 Credential=a", "X-Amz-Algorithm=AWS4-HMAC-SHA256"),
        ("AWS4-HMAC-SHA256 Credential=a", "list-type=2&X-Amz-Signature=0"),
        ("AWS4-HMAC-SHA256 Credential=a", "AWSAccessKeyId=AKID&Signature=x&Expires=1"),
        (None, "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0&Signature=x"),
    ],
)
def test_a_request_with_two_signatures_is_refused(authorization, query):
    headers = {"host": "h"} | ({"authorization": authorization} if authorization else {})
    assert refused(HttpRequest("GET", "/b/k", query, headers)) == SignatureFault.SEVERAL


def test_a_parameter_whose_value_looks_like_a_signature_is_no_signature():
    assert (
        read_claim(HttpRequest("GET", "/b", "prefix=X-Amz-Signature%3D1&my-X-Amz-Signature=2", {"host": "h"})) is None
    )
