"""Addressing styles: one object requested with the bucket in the path and in the host, with every form of endpoint."""

import http.client
import secrets
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

KEY = "a folder/ä+b & c=(1).txt"


@pytest.fixture
def local_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve names under localhost to this machine (RFC 6761), which not every resolver does."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        is_local = isinstance(host, str) and host.endswith(".localhost")
        return resolve("127.0.0.1" if is_local else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def client(client_variables: Any, host: str, style: str, region: str = "us-east-1", port: int | None = None) -> Any:
    port = port or urlsplit(client_variables["AWS_ENDPOINT_URL"]).port
    return boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name=region,
        aws_access_key_id=client_variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=client_variables["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=client_variables["AWS_SESSION_TOKEN"],
        config=Config(signature_version="s3v4", s3={"addressing_style": style}, retries={"total_max_attempts": 1}),
    )


NAMES = ["localhost", "s3.localhost", "s3.us-east-1.localhost", "s3-us-west-2.localhost"]
WAYS = [
    *((name, style, host) for name in NAMES for style, host in (("path", name), ("virtual", f"BUCKET.{name}"))),
    ("127.0.0.1", "path", "127.0.0.1"),
    ("127.0.0.1", "auto", "127.0.0.1"),  # SDKs do not put a bucket before an IP address
    ("localhost", "auto", "localhost"),  # nor before a host name without a domain
]


@pytest.mark.usefixtures("local_names")
@pytest.mark.parametrize(("name", "style", "host"), WAYS)
@pytest.mark.parametrize("is_dotted", [False, True])
def test_an_object_is_reached_by(client_variables, s3, bucket, name, style, host, is_dotted):
    if is_dotted:
        bucket = f"{bucket}.dotted.data"
        s3.create_bucket(Bucket=bucket)
    found = client(client_variables, name, style)
    requested: list[str] = []
    found.meta.events.register("before-send.s3", lambda request, **_: requested.append(urlsplit(request.url).hostname))
    put = found.put_object(Bucket=bucket, Key=KEY, Body=b"by any way")
    assert requested == [host.replace("BUCKET", bucket)], "the client used the expected host name"
    assert s3.head_object(Bucket=bucket, Key=KEY)["ETag"] == put["ETag"]
    assert found.get_object(Bucket=bucket, Key=KEY)["Body"].read() == b"by any way"
    assert [item["Key"] for item in found.list_objects_v2(Bucket=bucket)["Contents"]] == [KEY]
    assert bucket in [item["Name"] for item in found.list_buckets()["Buckets"]]
    assert found.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": KEY})
    assert opened(found.generate_presigned_url("get_object", {"Bucket": bucket, "Key": KEY})) == (200, b"by any way")
    found.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": KEY}, {"Key": "copy"}]})
    found.delete_bucket(Bucket=bucket)
    with pytest.raises(ClientError, match="404"):
        s3.head_bucket(Bucket=bucket)


def opened(url: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.fixture
def other_region(client_variables, s3) -> Iterator[tuple[Any, str]]:
    """A client of another region, and a bucket created there."""
    found, name = (
        client(client_variables, "127.0.0.1", "auto", "eu-central-1"),
        f"sagemaker-journey-{secrets.token_hex(6)}",
    )
    found.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield found, name
    s3.delete_bucket(Bucket=name)


def test_a_bucket_keeps_its_region_and_can_be_used_from_every_other(client_variables, s3, other_region):
    there, bucket = other_region
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == "eu-central-1"
    assert s3.head_bucket(Bucket=bucket)["BucketRegion"] == "eu-central-1"
    assert there.list_buckets(BucketRegion="eu-central-1", Prefix=bucket)["Buckets"][0]["Name"] == bucket
    for found in (there, s3, client(client_variables, "127.0.0.1", "auto", "aws-global")):
        found.put_object(Bucket=bucket, Key="k", Body=b"from anywhere")
        assert found.get_object(Bucket=bucket, Key="k")["Body"].read() == b"from anywhere"
        found.delete_object(Bucket=bucket, Key="k")


def test_the_sdk_for_javascript_puts_the_bucket_before_the_host(shell, node):
    node("addressing.mjs")
