"""The events recorded for requests, by the notification configuration of their bucket."""

from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from lowcloud.api.aws.gateway import Gateway
from lowcloud.api.aws.services.s3.buckets.notification import EVENTS
from lowcloud.core.context import Context
from lowcloud.core.storage.objects import notifications
from tests.support.servers.gateways import serving

BUCKET = "reported"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:queue"


@pytest.fixture
def s3(context: Context, gateway: Gateway) -> Iterator[Any]:
    with serving(gateway) as server:
        client = server.client("s3", config={"signature_version": "s3v4"})
        client.create_bucket(Bucket=BUCKET)
        yield client


def watch(s3: Any, *events: str, **filters: str) -> None:
    rules = [{"Name": name, "Value": value} for name, value in filters.items()]
    queue = {"QueueArn": QUEUE, "Events": list(events), "Filter": {"Key": {"FilterRules": rules}}}
    configuration = {"QueueConfigurations": [queue]} if events else {}
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=configuration)


def reported(context: Context) -> list[tuple[str, str]]:
    return [(EVENTS[event.kind], event.key) for event in notifications.list_page(context)]


def test_every_kind_of_event_has_an_s3_name() -> None:
    assert EVENTS.keys() == set(notifications.KINDS)
    assert len(set(EVENTS.values())) == len(EVENTS)


def test_each_way_to_create_an_object_is_an_event_of_its_own(s3: Any, context: Context) -> None:
    watch(s3, "s3:ObjectCreated:*")
    s3.put_object(Bucket=BUCKET, Key="put", Body=b"1")
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "put"})
    upload = {
        "Bucket": BUCKET,
        "Key": "parts",
        "UploadId": s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"],
    }
    part = {"PartNumber": 1, "ETag": s3.upload_part(**upload, PartNumber=1, Body=b"1")["ETag"]}
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [part]})
    form = s3.generate_presigned_post(BUCKET, "form")
    reply = urllib3.request("POST", form["url"], fields={**form["fields"], "file": ("name", b"1")})
    assert reply.status == 204
    s3.delete_object(Bucket=BUCKET, Key="put")
    assert reported(context) == [
        ("s3:ObjectCreated:Put", "put"),
        ("s3:ObjectCreated:Copy", "copy"),
        ("s3:ObjectCreated:CompleteMultipartUpload", "parts"),
        ("s3:ObjectCreated:Post", "form"),
    ]


def test_removals_tags_and_lists_are_events(s3: Any, context: Context) -> None:
    watch(s3, "s3:ObjectRemoved:*", "s3:ObjectTagging:*", "s3:ObjectAcl:Put")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=BUCKET, Key="k", Body=b"1")["VersionId"]
    s3.put_object_tagging(Bucket=BUCKET, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object_tagging(Bucket=BUCKET, Key="k")
    s3.put_object_acl(Bucket=BUCKET, Key="k", ACL="private")
    s3.delete_object(Bucket=BUCKET, Key="k")
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "k", "VersionId": version}]})
    assert [name for name, _ in reported(context)] == [
        "s3:ObjectTagging:Put",
        "s3:ObjectTagging:Delete",
        "s3:ObjectAcl:Put",
        "s3:ObjectRemoved:DeleteMarkerCreated",
        "s3:ObjectRemoved:Delete",
    ]


def test_filters_select_keys_and_an_empty_configuration_disables_events(s3: Any, context: Context) -> None:
    watch(s3, "s3:ObjectCreated:Put", prefix="in/", suffix=".csv")
    for key in ("in/a.csv", "in/a.txt", "a.csv"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    watch(s3)
    s3.put_object(Bucket=BUCKET, Key="in/b.csv", Body=b"1")
    assert reported(context) == [("s3:ObjectCreated:Put", "in/a.csv")]


def test_an_event_bus_receives_every_event(s3: Any, context: Context) -> None:
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}})
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"1")
    s3.delete_object(Bucket=BUCKET, Key="k")
    assert reported(context) == [("s3:ObjectCreated:Put", "k"), ("s3:ObjectRemoved:Delete", "k")]


def test_events_that_never_occur_may_be_configured(s3: Any, context: Context) -> None:
    watch(s3, "s3:ObjectRestore:*", "s3:Replication:*")
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"1")
    assert reported(context) == []
