"""Tags of a bucket."""

from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.buckets.documents import absent
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.translation.tags import MOST_OF_A_BUCKET, read_tags, tell_tags
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Caller
from lowcloud.core.storage.buckets import configurations

KIND = "tags"


@s3_operation("PutBucketTagging")
def put_bucket_tagging(context: Context, _caller: Caller, request: Request) -> Answer:
    values = read_tags(request["Tagging"]["TagSet"], MOST_OF_A_BUCKET, "Bucket")
    configurations.put(context, request["Bucket"], KIND, values)
    return {}


@s3_operation("GetBucketTagging")
def get_bucket_tagging(context: Context, _caller: Caller, request: Request) -> Answer:
    values = configurations.get(context, request["Bucket"], KIND)
    if not values:
        raise absent("NoSuchTagSet", "The TagSet does not exist", request["Bucket"])
    return {"TagSet": tell_tags(values)}


@s3_operation("DeleteBucketTagging")
def delete_bucket_tagging(context: Context, _caller: Caller, request: Request) -> Answer:
    configurations.remove(context, request["Bucket"], KIND)
    return {}
