"""What the gateway records of each request, looked up as CloudTrail's clients do."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import select

from lowcloud.api.aws.audit import recording
from lowcloud.api.aws.gateway import Gateway
from lowcloud.core.audit import log
from lowcloud.core.audit.log import Query, Verified
from lowcloud.core.context import Context
from lowcloud.store.db.tables.audit import audit_records
from tests.support.identities import policy
from tests.support.servers.endpoint import ACCOUNT, Endpoint
from tests.support.servers.gateways import make_context, serving
from tests.support.waiting import wait_for

JOB = {
    "TrainingJobName": "secretive",
    "AlgorithmSpecification": {"TrainingImage": "nothing", "TrainingInputMode": "File"},
    "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/LowcloudExecutionRole",
    "OutputDataConfig": {"S3OutputPath": "s3://output/"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    "Environment": {"API_KEY": "value-of-a-variable"},
    "HyperParameters": {"password": "value-of-a-parameter"},
}


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    context = make_context(tmp_path / "home")
    yield context
    context.database.close()


@pytest.fixture
def cloud(context: Context) -> Iterator[Endpoint]:
    yield from served(context)


def served(context: Context) -> Iterator[Endpoint]:
    gateway = Gateway(context)
    with serving(gateway) as endpoint:
        yield endpoint
    gateway.close()


def records(cloud: Endpoint, **attribute: str) -> list[dict[str, Any]]:
    """Records in CloudTrail's form, the newest first; the keyword is an attribute."""
    chosen = [{"AttributeKey": key, "AttributeValue": value} for key, value in attribute.items()]
    pages = cloud.client("cloudtrail").get_paginator("lookup_events").paginate(LookupAttributes=chosen)
    return [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]


def keys_of(cloud: Endpoint, name: str, *policies: str) -> dict[str, str]:
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    for number, document in enumerate(policies):
        iam.put_user_policy(UserName=name, PolicyName=str(number), PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def test_a_change_is_in_the_log_when_it_is_answered(cloud: Endpoint) -> None:
    answer = cloud.client("s3").create_bucket(Bucket="made")
    (found,) = records(cloud, EventName="CreateBucket")
    assert found["requestID"] == answer["ResponseMetadata"]["RequestId"]
    assert (found["eventSource"], found["readOnly"], found["sourceIPAddress"]) == (
        "s3.amazonaws.com",
        False,
        "127.0.0.1",
    )
    assert found["userIdentity"]["type"] == "Root"
    assert found["resources"] == [{"accountId": ACCOUNT, "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::made"}]
    assert found["requestParameters"]["Bucket"] == "made"
    assert found["userAgent"].startswith("Boto3/")
    assert "errorCode" not in found


def test_a_refusal_says_who_what_and_why(cloud: Endpoint) -> None:
    key = keys_of(cloud, "eve", policy("s3:*"), policy("sagemaker:*", effect="Deny"))
    for call in (
        lambda: cloud.client("sagemaker", **key).list_models(),
        lambda: cloud.client("iam", **key).delete_user(UserName="eve"),
    ):
        with pytest.raises(ClientError):
            call()
    implicit, explicit = records(cloud, Username="eve")
    assert (implicit["errorCode"], implicit["eventName"]) == ("AccessDenied", "DeleteUser")
    assert "is not authorized to perform: iam:DeleteUser" in implicit["errorMessage"]
    assert implicit["resources"][0]["ARN"] == f"arn:aws:iam::{ACCOUNT}:user/eve"
    identity = implicit["userIdentity"]
    assert (identity["type"], identity["userName"]) == ("IAMUser", "eve")
    assert identity["accessKeyId"] == key["aws_access_key_id"]
    assert explicit["additionalEventData"] == {
        "refused": True,
        "decidingPolicy": "identity-based policy",
        "explicitDeny": True,
    }


def test_access_to_data_is_not_recorded_but_its_refusal_is(cloud: Endpoint) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="one", Body=b"1")
    key = keys_of(cloud, "mallory", policy("s3:DeleteObject", resource="arn:aws:s3:::data/mine/*"))
    other = cloud.client("s3", **key)
    with pytest.raises(ClientError):
        other.get_object(Bucket="data", Key="one")
    other.delete_objects(Bucket="data", Delete={"Objects": [{"Key": "mine/1"}, {"Key": "one"}]})
    assert records(cloud, EventName="PutObject") == []
    (read,) = records(cloud, EventName="GetObject")
    assert (read["eventCategory"], read["managementEvent"]) == ("Data", False)
    (partly,) = records(cloud, EventName="DeleteObjects")
    assert (partly["errorCode"], partly["resources"][0]["ARN"]) == ("AccessDenied", "arn:aws:s3:::data/one")


def test_data_events_are_recorded_if_the_operator_wants_them(context: Context) -> None:
    chosen = replace(context, settings=replace(context.settings, audits_data=True))
    for cloud in served(chosen):
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket="data")
        s3.put_object(Bucket="data", Key="one", Body=b"1")
        (found,) = records(cloud, ResourceName="data/one")
        assert (found["eventName"], found["requestParameters"]["Body"]) == (
            "PutObject",
            "HIDDEN_DUE_TO_SECURITY_REASONS",
        )


def test_senders_that_prove_nothing_are_recorded_by_the_key_that_they_claim(cloud: Endpoint) -> None:
    with pytest.raises(ClientError):
        cloud.client("sagemaker", aws_access_key_id="AKIANOBODY").list_models()
    with pytest.raises(ClientError):
        cloud.client("s3", aws_secret_access_key="wrong").list_buckets()
    (unknown,) = records(cloud, AccessKeyId="AKIANOBODY")
    assert unknown["userIdentity"] == {"type": "Unknown", "accessKeyId": "AKIANOBODY"}
    assert (unknown["errorCode"], unknown["additionalEventData"]) == ("UnrecognizedClientException", {"refused": True})
    wrong = next(one for one in records(cloud) if one.get("errorCode") == "SignatureDoesNotMatch")
    assert wrong["userIdentity"]["type"] == "Unknown"


def test_many_senders_that_prove_nothing_do_not_fill_the_disk(
    cloud: Endpoint, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording.time, "monotonic", lambda: 5.0)
    stranger = cloud.client("sagemaker", aws_access_key_id="AKIANOBODY")
    for _ in range(recording.UNPROVEN_PER_SECOND + 3):
        with pytest.raises(ClientError):
            stranger.list_models()
    cloud.client("s3").create_bucket(Bucket="after")
    assert len(records(cloud, AccessKeyId="AKIANOBODY")) == recording.UNPROVEN_PER_SECOND
    (after,) = records(cloud, EventName="CreateBucket")
    assert after["additionalEventData"] == {"refusalsOmittedBefore": 3}


def test_secrets_are_nowhere_in_the_log(cloud: Endpoint, context: Context) -> None:
    key = keys_of(cloud, "holder")
    for request in (JOB, {**JOB, "Environment": {"API_KEY": "value-of-a-variable" * 100}}):
        with pytest.raises(ClientError):
            cloud.client("sagemaker").create_training_job(**request)
    cloud.client("s3").create_bucket(Bucket="sealed")
    with context.database.read() as connection:
        documents = connection.scalars(select(audit_records.c.document)).all()
    text = "".join(documents)
    assert "secretive" in text
    assert "holder" in text
    for secret in (key["aws_secret_access_key"], "value-of-a-variable", "value-of-a-parameter"):
        assert secret not in text
    files = list((context.settings.home / "data").glob("lowcloud.db*"))
    assert not any(key["aws_secret_access_key"].encode() in path.read_bytes() for path in files)


def test_reads_are_in_the_log_soon(cloud: Endpoint, context: Context) -> None:
    cloud.client("sagemaker").list_models()
    (found,) = wait_for(lambda: records(cloud, EventName="ListModels"))
    assert (found["readOnly"], "resources" in found) == (True, False)
    assert list(log.verify(context, Verified())) == []


def test_preflights_of_browsers_are_no_calls(cloud: Endpoint, context: Context) -> None:
    headers = {"Origin": "http://x", "Access-Control-Request-Method": "GET"}
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(f"{cloud.url}/no", headers=headers, method="OPTIONS"), timeout=60)
    cloud.client("s3").create_bucket(Bucket="after")
    (found,) = log.find(context, Query(ACCOUNT), 10)
    assert found[1].operation == "CreateBucket"
