"""The access control list of a bucket."""

from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import READ_BUCKET_LIST, WRITE_BUCKET_LIST, OnBucket
from lowcloud.api.aws.services.s3.translation.access_lists import (
    ACL,
    DISPLAY_NAMES,
    check_list_allowed,
    owner_id,
    parse_list,
    render_list,
)
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.access import access_lists
from lowcloud.core.storage.buckets import buckets, configurations


@s3_operation("GetBucketAcl", OnBucket("s3:GetBucketAcl", READ_BUCKET_LIST))
def get_bucket_acl(context: Context, _caller: Caller, request: Request) -> Answer:
    with context.database.read() as connection:
        buckets.require(connection, request["Bucket"])
        return render_list(access_lists.of_bucket(connection, request["Bucket"]), owner_id(context))


@s3_operation("PutBucketAcl", OnBucket("s3:PutBucketAcl", WRITE_BUCKET_LIST), ignored=DISPLAY_NAMES)
def put_bucket_acl(context: Context, _caller: Caller, request: Request) -> Answer:
    access_list = parse_list(request, owner_id(context))
    buckets.find(context, request["Bucket"])
    check_list_allowed(context, request["Bucket"], access_list)
    configurations.put(context, request["Bucket"], ACL, access_list)
    return {}
