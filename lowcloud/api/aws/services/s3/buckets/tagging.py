"""Tags of a bucket."""

from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.buckets.documents import not_configured
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import OnBucket
from lowcloud.api.aws.services.s3.translation.tags import MAX_BUCKET_TAGS, parse_tags, render_tags
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.buckets import configurations

KIND = "tags"


@s3_operation("PutBucketTagging", OnBucket("s3:PutBucketTagging"))
def put_bucket_tagging(context: Context, _caller: Caller, request: Request) -> Answer:
    values = parse_tags(request["Tagging"]["TagSet"], MAX_BUCKET_TAGS, "Bucket")
    configurations.put(context, request["Bucket"], KIND, values)
    return {}


@s3_operation("GetBucketTagging", OnBucket("s3:GetBucketTagging"))
def get_bucket_tagging(context: Context, _caller: Caller, request: Request) -> Answer:
    values = configurations.get(context, request["Bucket"], KIND)
    if not values:
        raise not_configured("NoSuchTagSet", "The TagSet does not exist", request["Bucket"])
    return {"TagSet": render_tags(values)}


@s3_operation("DeleteBucketTagging", OnBucket("s3:PutBucketTagging"))
def delete_bucket_tagging(context: Context, _caller: Caller, request: Request) -> Answer:
    configurations.delete(context, request["Bucket"], KIND)
    return {}
