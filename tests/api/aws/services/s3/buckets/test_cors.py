"""CORS configurations, preflight requests and response headers."""

from typing import Any

import pytest

from tests.api.aws.services.s3.conftest import refused
from tests.support.servers.server import Server
from tests.support.servers.wire_client import Reply, exchange, send

PAGE = "https://www.example.com"
RULE = {
    "ID": "pages",
    "AllowedOrigins": ["https://*.example.com"],
    "AllowedMethods": ["GET", "PUT"],
    "AllowedHeaders": ["x-amz-*", "Content-Type"],
    "ExposeHeaders": ["ETag"],
    "MaxAgeSeconds": 600,
}
OPEN = {"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD"]}


@pytest.fixture
def page_bucket(s3: Any, bucket: str) -> str:
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [RULE, OPEN]})
    return bucket


def preflight(server: Server, path: str, method: str | None, headers: str = "", origin: str | None = PAGE) -> Reply:
    sent = {"Host": server.url.partition("//")[2]}
    if origin is not None:
        sent["Origin"] = origin
    if method is not None:
        sent["Access-Control-Request-Method"] = method
    if headers:
        sent["Access-Control-Request-Headers"] = headers
    return exchange("OPTIONS", server.url + path, sent, [])


def test_rules_are_stored_and_deleted(s3: Any, bucket: str) -> None:
    assert refused(s3.get_bucket_cors, Bucket=bucket) == "NoSuchCORSConfiguration"
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [RULE, OPEN]})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [RULE, OPEN]
    s3.delete_bucket_cors(Bucket=bucket)
    assert refused(s3.get_bucket_cors, Bucket=bucket) == "NoSuchCORSConfiguration"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"AllowedMethods": ["PATCH"]}, "InvalidRequest"),
        ({"AllowedMethods": []}, "MalformedXML"),
        ({"AllowedOrigins": ["*.a.*"]}, "InvalidRequest"),
        ({"AllowedHeaders": ["*-*"]}, "InvalidRequest"),
        ({"ExposeHeaders": ["*"]}, "InvalidRequest"),
        ({"ID": "x" * 256}, "MalformedXML"),
    ],
)
def test_invalid_rules_are_refused(s3: Any, bucket: str, changes: dict[str, Any], code: str) -> None:
    rules = {"CORSRules": [{**RULE, **changes}]}
    assert refused(s3.put_bucket_cors, Bucket=bucket, CORSConfiguration=rules) == code


def test_more_than_a_hundred_rules_are_refused(s3: Any, bucket: str) -> None:
    assert refused(s3.put_bucket_cors, Bucket=bucket, CORSConfiguration={"CORSRules": [OPEN] * 101}) == "InvalidRequest"


def test_a_preflight_is_answered_by_the_rule_that_matches(server: Server, page_bucket: str) -> None:
    reply = preflight(server, f"/{page_bucket}/some/key", "PUT", "Content-Type, x-amz-date")
    assert reply.status == 200
    assert reply.body == b""
    assert reply.headers["access-control-allow-origin"] == PAGE
    assert reply.headers["access-control-allow-methods"] == "GET, PUT"
    assert reply.headers["access-control-allow-headers"] == "content-type, x-amz-date"
    assert reply.headers["access-control-expose-headers"] == "ETag"
    assert reply.headers["access-control-max-age"] == "600"
    assert reply.headers["access-control-allow-credentials"] == "true"
    assert "Origin" in reply.headers["vary"]


def test_a_preflight_of_a_presigned_url_is_answered_too(s3: Any, server: Server, page_bucket: str) -> None:
    url = s3.generate_presigned_url("put_object", {"Bucket": page_bucket, "Key": "k"})
    assert preflight(server, url.removeprefix(server.url), "PUT").status == 200


def test_a_rule_for_every_origin_allows_a_star(server: Server, page_bucket: str) -> None:
    reply = preflight(server, f"/{page_bucket}", "HEAD", origin="https://elsewhere.test")
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in reply.headers


@pytest.mark.parametrize(
    ("method", "headers", "origin"),
    [("PUT", "", "https://elsewhere.test"), ("DELETE", "", PAGE), ("PUT", "authorization", PAGE)],
)
def test_a_preflight_that_no_rule_matches_is_refused(
    server: Server, page_bucket: str, method: str, headers: str, origin: str
) -> None:
    reply = preflight(server, f"/{page_bucket}/k", method, headers, origin)
    assert reply.status == 403
    assert b"<Code>AccessForbidden</Code>" in reply.body
    assert b"CORSResponse: This CORS request is not allowed" in reply.body
    assert "access-control-allow-origin" not in reply.headers


def test_a_preflight_of_a_bucket_without_rules_is_refused(server: Server, bucket: str) -> None:
    assert b"CORSResponse: CORS is not enabled for this bucket." in preflight(server, f"/{bucket}/k", "GET").body
    assert b"CORSResponse: Bucket not found" in preflight(server, "/no-such-bucket/k", "GET").body


def test_an_incomplete_preflight_is_refused(server: Server, page_bucket: str) -> None:
    for reply in (
        preflight(server, f"/{page_bucket}/k", "PUT", origin=None),
        preflight(server, f"/{page_bucket}/k", None),
        preflight(server, f"/{page_bucket}/k", "BREW"),
    ):
        assert reply.status == 400
        assert b"<Code>BadRequest</Code>" in reply.body


def test_responses_and_errors_have_cors_headers(s3: Any, server: Server, page_bucket: str) -> None:
    s3.put_object(Bucket=page_bucket, Key="k", Body=b"data")
    for key, status in (("k", 200), ("missing", 404)):
        reply = send("GET", f"{server.url}/{page_bucket}/{key}", {"Origin": PAGE})
        assert reply.status == status
        assert reply.headers["access-control-allow-origin"] == PAGE
        assert reply.headers["access-control-expose-headers"] == "ETag"
    unsigned = exchange("GET", f"{server.url}/{page_bucket}/k", {"Host": "localhost", "Origin": PAGE}, [])
    assert (unsigned.status, unsigned.headers["access-control-allow-origin"]) == (403, PAGE)


def test_responses_to_other_origins_have_no_cors_headers(s3: Any, server: Server, page_bucket: str) -> None:
    s3.put_object(Bucket=page_bucket, Key="k", Body=b"data")
    for headers in ({"Origin": "https://elsewhere.test"}, {}):
        reply = send("GET", f"{server.url}/{page_bucket}/k", headers)
        assert reply.status == 200
        assert "access-control-allow-origin" not in reply.headers
    assert send("GET", server.url + "/", {"Origin": PAGE}).status == 200
