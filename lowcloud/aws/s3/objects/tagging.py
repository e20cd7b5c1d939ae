"""The tags of an object."""

from lowcloud.aws.operations import Answer, Request
from lowcloud.aws.s3.headers import told_version
from lowcloud.aws.s3.operation import s3_operation
from lowcloud.aws.s3.tags import MOST_OF_AN_OBJECT, read_tags, tell_tags
from lowcloud.core import objects, revisions
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud


@s3_operation("PutObjectTagging")
def put_object_tagging(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    tags = read_tags(request["Tagging"]["TagSet"], MOST_OF_AN_OBJECT)
    return told_version(revisions.set_tags(cloud, request["Bucket"], request["Key"], request.get("VersionId"), tags))


@s3_operation("GetObjectTagging")
def get_object_tagging(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    found = objects.head(cloud, request["Bucket"], request["Key"], version=request.get("VersionId"))
    return {"TagSet": tell_tags(found.description.tags), **told_version(found)}


@s3_operation("DeleteObjectTagging")
def delete_object_tagging(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    return told_version(revisions.remove_tags(cloud, request["Bucket"], request["Key"], request.get("VersionId")))
