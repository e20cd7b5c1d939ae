"""Trust policies: the conditions on the source of a service's request are compared, others are never met."""

import json
from typing import Any

import pytest

from lowcloud.api.aws.services.policies import trusts_service

SERVICE = "sagemaker.amazonaws.com"
SOURCE = "arn:aws:sagemaker:us-east-1:123456789012:"


@pytest.mark.parametrize(
    ("condition", "is_trusted"),
    [
        ({"StringEquals": {"aws:SourceAccount": "123456789012"}}, True),
        ({"StringEquals": {"AWS:sourceaccount": ["999999999999", "123456789012"]}}, True),
        ({"StringLike": {"aws:SourceAccount": "1234*"}}, True),
        ({"StringEqualsIfExists": {"aws:SourceAccount": "123456789012"}}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:*:123456789012:*"}}, True),
        ({"ArnEquals": {"aws:SourceArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/*"}}, True),
        ({"StringLike": {"aws:SourceArn": "arn:aws:sagemaker:*"}}, True),
        ({"StringEquals": {"aws:SourceArn": f"{SOURCE}training-job/mine"}}, True),
        ({"StringEquals": {"aws:SourceAccount": "999999999999"}}, False),
        ({"StringEquals": {"aws:SourceAccount": "1234*"}}, False),
        ({"StringNotEquals": {"aws:SourceAccount": "123456789012"}}, False),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:*:999999999999:*"}}, False),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:lambda:us-east-1:123456789012:*"}}, False),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:eu-west-1:123456789012:*"}}, False),
        ({"StringLike": {"aws:SourceArn": "arn:aws:lambda:*"}}, False),
        ({"StringEquals": {"aws:SourceAccount": "123456789012", "sts:ExternalId": "x"}}, False),
        ({"StringEquals": {"aws:SourceAccount": []}}, False),
        ({"StringEquals": {"aws:SourceAccount": 123456789012}}, False),
        ({"StringEquals": "aws:SourceAccount"}, False),
    ],
)
def test_a_service_is_trusted_for_the_account_and_the_arns_that_a_condition_names(
    condition: dict[str, Any], is_trusted: bool
) -> None:
    statement = {"Effect": "Allow", "Principal": {"Service": SERVICE}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": {**statement, "Condition": condition}})
    assert trusts_service(policy, SERVICE, SOURCE) == is_trusted
