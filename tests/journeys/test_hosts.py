"""Programs written for AWS's own hosts, under `lowcloud run`."""

import sys

import pytest

from tests.support.servers.server import Server

PUT_AND_GET = """
import boto3, sys
from botocore.config import Config
host, bucket, style = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=f"https://{host}", region_name="us-east-1",
                  config=Config(s3={"addressing_style": style}))
s3.create_bucket(Bucket=bucket)
s3.put_object(Bucket=bucket, Key="report/a.csv", Body=host.encode())
print(s3.get_object(Bucket=bucket, Key="report/a.csv")["Body"].read().decode())
"""


@pytest.mark.parametrize("style", ["virtual", "path"])
@pytest.mark.parametrize(
    "host", ["s3.us-east-1.amazonaws.com", "s3.amazonaws.com", "s3.dualstack.us-east-1.amazonaws.com"]
)
def test_an_object_is_in_the_bucket_that_the_program_named(server: Server, host: str, style: str) -> None:
    bucket = f"sagemaker-{style}-{len(host)}"
    own = server.client("s3")
    if "report" not in [found["Name"] for found in own.list_buckets()["Buckets"]]:
        own.create_bucket(Bucket="report")
    done = server.cli("run", sys.executable, "-c", PUT_AND_GET, host, bucket, style, check=False)
    assert done.stdout == host + "\n", done.stderr
    assert [found["Key"] for found in own.list_objects_v2(Bucket=bucket)["Contents"]] == ["report/a.csv"]
    assert own.list_objects_v2(Bucket="report")["KeyCount"] == 0


def test_a_default_client_of_another_region_reaches_its_bucket(server: Server) -> None:
    script = PUT_AND_GET.replace('endpoint_url=f"https://{host}", ', "")
    done = server.cli("run", sys.executable, "-c", script, "any", "sagemaker-default", "virtual", check=False)
    assert done.stdout == "any\n", done.stderr


def test_an_endpoint_that_is_not_understood_is_refused(server: Server) -> None:
    host = "s3-accelerate.amazonaws.com"
    done = server.cli("run", sys.executable, "-c", PUT_AND_GET, host, "mydata-fast", "virtual", check=False)
    assert "InvalidRequest" in done.stderr
    assert "mydata-fast" not in [found["Name"] for found in server.client("s3").list_buckets()["Buckets"]]


@pytest.mark.parametrize("spelling", ["NO_PROXY", "no_proxy"])
def test_programs_bypass_proxies_for_this_cloud(server: Server, spelling: str) -> None:
    script = """
import boto3, os, urllib.request
boto3.client("sts").get_caller_identity()
print(sorted({os.environ["NO_PROXY"], os.environ["no_proxy"]}), urllib.request.getproxies()["no"])
print(bool(urllib.request.proxy_bypass("127.0.0.1")), bool(urllib.request.proxy_bypass("intern.example")))
"""
    proxied = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", spelling: "intern.example"}
    other = {"NO_PROXY", "no_proxy"} - {spelling}
    done = server.cli("run", sys.executable, "-c", script, check=False, **proxied, **{other.pop(): "other.example"})
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    for host in ("intern.example", "other.example", "127.0.0.1", "localhost"):
        assert host in first
    assert first.count("[") == 1 and first.count("', '") == 0, "both spellings say the same"
    assert second == "True True"
