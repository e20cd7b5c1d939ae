"""The access control list of a bucket."""

from lowcloud.aws.operations import Answer, Request
from lowcloud.aws.s3.access_lists import ACL, DISPLAY_NAMES, admit_list, owner_id, sent_list, told_list
from lowcloud.aws.s3.operation import s3_operation
from lowcloud.core import access_lists, buckets, configurations
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud


@s3_operation("GetBucketAcl")
def get_bucket_acl(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    with cloud.database.read() as connection:
        buckets.require(connection, request["Bucket"])
        return told_list(access_lists.of_bucket(connection, request["Bucket"]), owner_id(cloud))


@s3_operation("PutBucketAcl", ignored=DISPLAY_NAMES)
def put_bucket_acl(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    wanted = sent_list(request, owner_id(cloud))
    buckets.find(cloud, request["Bucket"])
    admit_list(cloud, request["Bucket"], wanted)
    configurations.put(cloud, request["Bucket"], ACL, wanted)
    return {}
