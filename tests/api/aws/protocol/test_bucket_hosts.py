"""The bucket in a host name."""

import pytest

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.services.s3_hosts import ServerNames, bucket_of

OWN = ServerNames(("cloud.example.org", "mybox", "mybox.local"), "mybox")

NAMES = [
    "localhost",
    "LOCALHOST:4900",
    "s3.localhost",
    "cloud.example.org",
    "mybox",
    "mybox.local:4900",
    "s3.amazonaws.com",
    "s3.us-east-1.amazonaws.com",
    "s3-us-west-2.amazonaws.com",
    "s3.dualstack.eu-central-1.amazonaws.com",
    "s3-fips.us-gov-west-1.amazonaws.com",
    "s3.cn-north-1.amazonaws.com.cn",
]
OTHERS = ["127.0.0.1:4900", "[::1]:4900", "192.168.1.20", "lowcloud:4900", "mybox.office.example.com"]


@pytest.mark.parametrize("host", NAMES + OTHERS)
def test_a_known_host_name_has_no_bucket(host: str) -> None:
    assert bucket_of(host, OWN) == ""


@pytest.mark.parametrize("host", NAMES)
@pytest.mark.parametrize("bucket", ["mydata", "my.dotted.data", "logs.s3.daily"])
def test_the_label_before_a_known_host_name_is_the_bucket(host: str, bucket: str) -> None:
    assert bucket_of(f"{bucket}.{host}", OWN) == bucket


@pytest.mark.parametrize(
    "host",
    [
        "data.example.com",
        "sub.other.example.org",
        "mydata.s3-accelerate.amazonaws.com",
        "point-123456789012.s3-accesspoint.us-east-1.amazonaws.com",
        "mydata.s3-website-us-east-1.amazonaws.com",
        "mydata.s3.us-east-1.amazonaws.com.evil.example",
        "xs3.us-east-1.amazonaws.com",
        "amazonaws.com",
    ],
)
def test_an_ambiguous_host_name_is_refused(host: str) -> None:
    with pytest.raises(AwsError, match="not clear whether") as refused:
        bucket_of(host, OWN)
    assert (refused.value.code, refused.value.status) == ("InvalidRequest", 400)
