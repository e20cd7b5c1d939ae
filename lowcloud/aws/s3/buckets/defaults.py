"""Configurations that no bucket here can have otherwise: who pays, and transfer acceleration."""

from lowcloud.aws.errors import AwsError
from lowcloud.aws.operations import Answer, Request
from lowcloud.aws.s3.operation import s3_operation
from lowcloud.core import buckets
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud


@s3_operation("GetBucketRequestPayment")
def get_bucket_request_payment(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    buckets.find(cloud, request["Bucket"])
    return {"Payer": "BucketOwner"}


@s3_operation("PutBucketRequestPayment")
def put_bucket_request_payment(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """The owner pays, as ever; nobody else can."""
    buckets.find(cloud, request["Bucket"])
    if request["RequestPaymentConfiguration"]["Payer"] != "BucketOwner":
        raise AwsError("NotImplemented", "Lowcloud has no requester-pays buckets.", 501)
    return {}


@s3_operation("GetBucketAccelerateConfiguration")
def get_bucket_accelerate_configuration(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """A bucket that never was accelerated has no Status."""
    buckets.find(cloud, request["Bucket"])
    return {}
