"""Every service that has operations: importing its module enters them into the table."""

from lowcloud.aws import cloudwatch, iam, logs, lowcloud, s3, sagemaker, sagemaker_metrics, sagemaker_runtime, sts
from lowcloud.aws.operations import OPERATIONS

__all__ = [
    "OPERATIONS",
    "cloudwatch",
    "iam",
    "logs",
    "lowcloud",
    "s3",
    "sagemaker",
    "sagemaker_metrics",
    "sagemaker_runtime",
    "sts",
]
