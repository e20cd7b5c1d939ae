"""Which operations are recorded as reads and as access to data: compared with AWS's reference."""

import json
from pathlib import Path

import pytest

from lowcloud.api.aws import access
from lowcloud.api.aws.audit.classes import is_data, is_read_only
from lowcloud.api.aws.services import OPERATIONS

REFERENCE = json.loads((Path(access.__file__).parent / "reference.json").read_text())
# What AWS calls a read, and is recorded as durably as a change: it returns credentials, or counts as use of the data.
STRICTER = {"GetSessionToken", "GetFederationToken", "SelectObjectContent"}


@pytest.mark.parametrize(("service", "name"), sorted(OPERATIONS))
def test_no_operation_that_changes_something_counts_as_a_read(service: str, name: str) -> None:
    action = REFERENCE.get(service, {}).get("actions", {}).get(name)
    if action is not None and is_read_only(name):
        assert action["level"] in ("Read", "List"), f"{service}:{name} is a {action['level']} to AWS"
    if action is not None and action["level"] in ("Read", "List") and name not in STRICTER:
        assert is_read_only(name) or name.startswith(("Assume", "Simulate", "Validate", "Generate", "Batch", "Query"))


def test_objects_predictions_logs_and_metrics_are_data_and_buckets_are_not() -> None:
    data = [("s3", "GetObject"), ("s3", "PutObjectTagging"), ("s3", "ListObjectsV2"), ("s3", "UploadPart")]
    data += [("sagemaker-runtime", "InvokeEndpoint"), ("logs", "GetLogEvents"), ("cloudwatch", "PutMetricData")]
    assert all(is_data(*one) for one in data)
    managing = [("s3", "PutBucketPolicy"), ("s3", "ListBuckets"), ("s3", "PutObjectLockConfiguration")]
    managing += [("sagemaker", "CreateTrainingJob"), ("logs", "DescribeLogGroups")]
    assert not any(is_data(*one) for one in managing)
