"""Notification configurations: validation and storage."""

from typing import Any

import pytest

from tests.api.aws.services.s3.conftest import refused

QUEUE = "arn:aws:sqs:us-east-1:123456789012:queue"
TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:name"
CREATED = "s3:ObjectCreated:*"


def names(**values: str) -> dict[str, Any]:
    return {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in values.items()]}}


def kept(s3: Any, bucket: str) -> dict[str, Any]:
    answer = s3.get_bucket_notification_configuration(Bucket=bucket)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def test_a_configuration_is_returned_as_sent_and_deleted_by_an_empty_one(s3: Any, bucket: str) -> None:
    assert kept(s3, bucket) == {}
    wanted = {
        "QueueConfigurations": [
            {"Id": "q", "QueueArn": QUEUE, "Events": [CREATED], "Filter": names(prefix="in/", suffix=".csv")}
        ],
        "TopicConfigurations": [{"Id": "t", "TopicArn": TOPIC, "Events": ["s3:ObjectRemoved:Delete"]}],
        "LambdaFunctionConfigurations": [
            {"Id": "f", "LambdaFunctionArn": FUNCTION, "Events": [CREATED], "Filter": names(prefix="models/")}
        ],
        "EventBridgeConfiguration": {},
    }
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)
    assert kept(s3, bucket) == wanted
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    assert kept(s3, bucket) == {}


def test_a_configuration_without_an_id_gets_one(s3: Any, bucket: str) -> None:
    queues = {"QueueConfigurations": [{"QueueArn": QUEUE, "Events": [CREATED]}]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=queues)
    assert kept(s3, bucket)["QueueConfigurations"][0]["Id"]


def queue(number: int, **changes: Any) -> dict[str, Any]:
    return {"Id": f"q{number}", "QueueArn": QUEUE, "Events": [CREATED], **changes}


@pytest.mark.parametrize(
    ("queues", "code"),
    [
        ([queue(1, QueueArn="queue")], "InvalidArgument"),
        ([queue(1, QueueArn=TOPIC)], "InvalidArgument"),
        ([queue(1, Events=["s3:ObjectBurnt"])], "MalformedXML"),
        ([queue(1, Events=[])], "MalformedXML"),
        ([queue(1, Filter=names(infix="a"))], "MalformedXML"),
        ([queue(1, Filter={"Key": {"FilterRules": [{"Name": "prefix", "Value": "a"}] * 2}})], "InvalidArgument"),
        ([queue(1), queue(1, Events=["s3:ObjectRemoved:*"])], "InvalidArgument"),
        ([queue(1), queue(2)], "InvalidArgument"),
        ([queue(1), queue(2, Events=["s3:ObjectCreated:Put"], Filter=names(prefix="a"))], "InvalidArgument"),
        ([queue(1, Filter=names(prefix="a/")), queue(2, Filter=names(prefix="a/b"))], "InvalidArgument"),
    ],
)
def test_an_invalid_configuration_is_refused(s3: Any, bucket: str, queues: list[dict[str, Any]], code: str) -> None:
    wanted = {"QueueConfigurations": queues}
    assert refused(s3.put_bucket_notification_configuration, Bucket=bucket, NotificationConfiguration=wanted) == code
    assert kept(s3, bucket) == {}


def test_configurations_for_different_keys_coexist(s3: Any, bucket: str) -> None:
    queues = [
        queue(1, Filter=names(prefix="a", suffix=".csv")),
        queue(2, Filter=names(prefix="a", suffix=".json")),
        queue(3, Filter=names(prefix="b")),
        queue(4, Events=["s3:ObjectRemoved:*"]),
    ]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": queues})
    assert kept(s3, bucket) == {"QueueConfigurations": queues}
