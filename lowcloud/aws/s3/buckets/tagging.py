"""Tags of a bucket."""

from lowcloud.aws.operations import Answer, Request
from lowcloud.aws.s3.buckets.documents import absent
from lowcloud.aws.s3.operation import s3_operation
from lowcloud.aws.s3.tags import MOST_OF_A_BUCKET, read_tags, tell_tags
from lowcloud.core import configurations
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud

KIND = "tags"


@s3_operation("PutBucketTagging")
def put_bucket_tagging(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    values = read_tags(request["Tagging"]["TagSet"], MOST_OF_A_BUCKET, "Bucket")
    configurations.put(cloud, request["Bucket"], KIND, values)
    return {}


@s3_operation("GetBucketTagging")
def get_bucket_tagging(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    values = configurations.get(cloud, request["Bucket"], KIND)
    if not values:
        raise absent("NoSuchTagSet", "The TagSet does not exist", request["Bucket"])
    return {"TagSet": tell_tags(values)}


@s3_operation("DeleteBucketTagging")
def delete_bucket_tagging(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    configurations.remove(cloud, request["Bucket"], KIND)
    return {}
