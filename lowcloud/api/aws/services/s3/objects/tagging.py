"""The tags of an object."""

from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.translation.headers import told_version
from lowcloud.api.aws.services.s3.translation.tags import MOST_OF_AN_OBJECT, read_tags, tell_tags
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Caller
from lowcloud.core.storage.objects import objects, revisions


@s3_operation("PutObjectTagging")
def put_object_tagging(context: Context, _caller: Caller, request: Request) -> Answer:
    tags = read_tags(request["Tagging"]["TagSet"], MOST_OF_AN_OBJECT)
    return told_version(revisions.set_tags(context, request["Bucket"], request["Key"], request.get("VersionId"), tags))


@s3_operation("GetObjectTagging")
def get_object_tagging(context: Context, _caller: Caller, request: Request) -> Answer:
    found = objects.head(context, request["Bucket"], request["Key"], version=request.get("VersionId"))
    return {"TagSet": tell_tags(found.description.tags), **told_version(found)}


@s3_operation("DeleteObjectTagging")
def delete_object_tagging(context: Context, _caller: Caller, request: Request) -> Answer:
    return told_version(revisions.remove_tags(context, request["Bucket"], request["Key"], request.get("VersionId")))
