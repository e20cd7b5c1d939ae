"""Configurations with a fixed value: request payment and transfer acceleration."""

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import OnBucket
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.buckets import buckets


@s3_operation("GetBucketRequestPayment", OnBucket("s3:GetBucketRequestPayment"))
def get_bucket_request_payment(context: Context, _caller: Caller, request: Request) -> Answer:
    buckets.find(context, request["Bucket"])
    return {"Payer": "BucketOwner"}


@s3_operation("PutBucketRequestPayment", OnBucket("s3:PutBucketRequestPayment"))
def put_bucket_request_payment(context: Context, _caller: Caller, request: Request) -> Answer:
    """Only BucketOwner, the default, is supported."""
    buckets.find(context, request["Bucket"])
    if request["RequestPaymentConfiguration"]["Payer"] != "BucketOwner":
        raise AwsError("NotImplemented", "Lowcloud does not support requester-pays buckets.", 501)
    return {}


@s3_operation("GetBucketAccelerateConfiguration", OnBucket("s3:GetAccelerateConfiguration"))
def get_bucket_accelerate_configuration(context: Context, _caller: Caller, request: Request) -> Answer:
    """A bucket without acceleration has no Status."""
    buckets.find(context, request["Bucket"])
    return {}
