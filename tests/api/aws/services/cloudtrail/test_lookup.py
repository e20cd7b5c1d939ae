"""LookupEvents: its attributes, times and pages."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lowcloud.api.aws.gateway import Gateway
from lowcloud.api.aws.services.cloudtrail.events import resource_name, resource_type
from tests.support.identities import policy
from tests.support.servers.endpoint import ROOT_KEY, Endpoint
from tests.support.servers.gateways import make_context, serving

NAMES = [f"bucket-{number}" for number in range(7)]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    context = make_context(tmp_path_factory.mktemp("cloudtrail") / "home")
    gateway = Gateway(context)
    with serving(gateway) as endpoint:
        for name in NAMES:
            endpoint.client("s3").create_bucket(Bucket=name)
        iam = endpoint.client("iam")
        iam.create_user(UserName="reader")
        iam.put_user_policy(UserName="reader", PolicyName="may", PolicyDocument=policy("cloudtrail:LookupEvents"))
        yield endpoint
    gateway.close()
    context.database.close()


def names(cloud: Endpoint, key: str, value: str, **options: Any) -> list[str]:
    attributes = [{"AttributeKey": key, "AttributeValue": value}]
    events = cloud.client("cloudtrail").lookup_events(LookupAttributes=attributes, **options)["Events"]
    return [event["EventName"] for event in events]


def code(cloud: Endpoint, **request: Any) -> str:
    with pytest.raises(ClientError) as caught:
        cloud.client("cloudtrail").lookup_events(**request)
    return str(caught.value.response["Error"]["Code"])


def test_each_attribute_selects_events(cloud: Endpoint) -> None:
    assert names(cloud, "EventName", "CreateBucket") == ["CreateBucket"] * 7
    assert names(cloud, "EventSource", "iam.amazonaws.com") == ["PutUserPolicy", "CreateUser"]
    assert names(cloud, "ResourceName", "bucket-3") == ["CreateBucket"]
    assert names(cloud, "ResourceName", "arn:aws:s3:::bucket-3") == ["CreateBucket"]
    assert names(cloud, "ResourceName", "bucket") == []
    assert names(cloud, "ResourceType", "AWS::IAM::User") == ["PutUserPolicy", "CreateUser"]
    assert len(names(cloud, "ReadOnly", "false")) == 9
    assert len(names(cloud, "Username", "root")) >= 9
    assert names(cloud, "Username", "nobody") == []
    assert set(names(cloud, "AccessKeyId", ROOT_KEY)) >= {"CreateBucket", "CreateUser"}
    (event,) = cloud.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": "bucket-1"}]
    )["Events"]
    assert names(cloud, "EventId", event["EventId"]) == ["CreateBucket"]
    assert event["Resources"] == [{"ResourceType": "AWS::S3::Bucket", "ResourceName": "bucket-1"}]
    assert (event["ReadOnly"], event["AccessKeyId"], event["Username"]) == ("false", ROOT_KEY, "root")


def test_pages_lead_through_all_events_the_newest_first(cloud: Endpoint) -> None:
    chosen = [{"AttributeKey": "EventName", "AttributeValue": "CreateBucket"}]
    pages = cloud.client("cloudtrail").get_paginator("lookup_events")
    found = list(pages.paginate(LookupAttributes=chosen, PaginationConfig={"PageSize": 3}))
    assert [len(page["Events"]) for page in found] == [3, 3, 1]
    buckets = [event["Resources"][0]["ResourceName"] for page in found for event in page["Events"]]
    assert buckets == NAMES[::-1]


def test_times_limit_the_events(cloud: Endpoint) -> None:
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    assert len(names(cloud, "EventName", "CreateBucket", StartTime=now - hour, EndTime=now + hour)) == 7
    assert names(cloud, "EventName", "CreateBucket", StartTime=now + hour) == []
    assert names(cloud, "EventName", "CreateBucket", EndTime=now - hour) == []
    assert code(cloud, StartTime=now, EndTime=now - hour) == "InvalidTimeRangeException"


def test_requests_that_make_no_sense_get_cloudtrails_errors(cloud: Endpoint) -> None:
    attribute = {"AttributeKey": "EventName", "AttributeValue": "x"}
    assert code(cloud, LookupAttributes=[attribute, attribute]) == "InvalidLookupAttributesException"
    maybe = {"AttributeKey": "ReadOnly", "AttributeValue": "maybe"}
    assert code(cloud, LookupAttributes=[maybe]) == "InvalidLookupAttributesException"
    for token in ("nonsense", "e30=", "WzEsIC0xXQ==", "WyJhIiwgMV0=", "W05hTiwgMV0=", "WzEsIEluZmluaXR5XQ=="):
        assert code(cloud, NextToken=token) == "InvalidNextTokenException"
    with pytest.raises(ClientError, match="NotImplemented"):
        cloud.client("cloudtrail").describe_trails()


def test_only_who_may_look_up_events_does(cloud: Endpoint) -> None:
    iam = cloud.client("iam")
    iam.create_user(UserName="stranger")
    for name, may in (("reader", True), ("stranger", False)):
        key = iam.create_access_key(UserName=name)["AccessKey"]
        client = cloud.client(
            "cloudtrail", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
        )
        if may:
            assert client.lookup_events()["Events"]
            continue
        with pytest.raises(ClientError, match="cloudtrail:LookupEvents"):
            client.lookup_events()


@pytest.mark.parametrize(
    ("arn", "type_name", "name"),
    [
        ("arn:aws:sagemaker:us-east-1:1:training-job/one", "AWS::SageMaker::TrainingJob", "one"),
        ("arn:aws:s3:::bucket/a/b", "AWS::S3::Object", "bucket/a/b"),
        ("arn:aws:iam::1:role/path/R", "AWS::IAM::Role", "path/R"),
        ("arn:aws:logs:us-east-1:1:log-group:/aws/x", "AWS::Logs::LogGroup", "/aws/x"),
        ("odd", "AWS::::", ""),
    ],
)
def test_resources_have_types_and_names(arn: str, type_name: str, name: str) -> None:
    assert (resource_type(arn), resource_name(arn)) == (type_name, name)
