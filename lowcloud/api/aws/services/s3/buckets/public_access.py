"""The public access block of a bucket, which overrides public policies and access control lists."""

from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.buckets.documents import not_configured
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import OnBucket
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.buckets import configurations
from lowcloud.core.storage.buckets.buckets import PUBLIC_ACCESS_BLOCK

_NAMES = {
    "BlockPublicAcls": "block_lists",
    "IgnorePublicAcls": "ignore_lists",
    "BlockPublicPolicy": "block_policy",
    "RestrictPublicBuckets": "restrict",
}


@s3_operation("PutPublicAccessBlock", OnBucket("s3:PutBucketPublicAccessBlock"))
def put_public_access_block(context: Context, _caller: Caller, request: Request) -> Answer:
    block = request["PublicAccessBlockConfiguration"]
    document = {name: block.get(member, False) for member, name in _NAMES.items()}
    configurations.put(context, request["Bucket"], PUBLIC_ACCESS_BLOCK, document)
    return {}


@s3_operation("GetPublicAccessBlock", OnBucket("s3:GetBucketPublicAccessBlock"))
def get_public_access_block(context: Context, _caller: Caller, request: Request) -> Answer:
    block = configurations.get(context, request["Bucket"], PUBLIC_ACCESS_BLOCK)
    if block is None:
        message = "The public access block configuration was not found"
        raise not_configured("NoSuchPublicAccessBlockConfiguration", message, request["Bucket"])
    return {"PublicAccessBlockConfiguration": {member: block[name] for member, name in _NAMES.items()}}


@s3_operation("DeletePublicAccessBlock", OnBucket("s3:PutBucketPublicAccessBlock"))
def delete_public_access_block(context: Context, _caller: Caller, request: Request) -> Answer:
    configurations.delete(context, request["Bucket"], PUBLIC_ACCESS_BLOCK)
    return {}
