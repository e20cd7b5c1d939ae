"""The tags of an object."""

from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import OnObject
from lowcloud.api.aws.services.s3.translation.headers import render_version
from lowcloud.api.aws.services.s3.translation.tags import MAX_OBJECT_TAGS, parse_tags, render_tags
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.objects import objects, version_updates


@s3_operation("PutObjectTagging", OnObject("s3:PutObjectTagging"))
def put_object_tagging(context: Context, _caller: Caller, request: Request) -> Answer:
    tags = parse_tags(request["Tagging"]["TagSet"], MAX_OBJECT_TAGS)
    return render_version(
        version_updates.set_tags(context, request["Bucket"], request["Key"], request.get("VersionId"), tags)
    )


@s3_operation("GetObjectTagging", OnObject("s3:GetObjectTagging"))
def get_object_tagging(context: Context, _caller: Caller, request: Request) -> Answer:
    found = objects.head(context, request["Bucket"], request["Key"], version=request.get("VersionId"))
    return {"TagSet": render_tags(found.metadata.tags), **render_version(found)}


@s3_operation("DeleteObjectTagging", OnObject("s3:DeleteObjectTagging"))
def delete_object_tagging(context: Context, _caller: Caller, request: Request) -> Answer:
    return render_version(
        version_updates.delete_tags(context, request["Bucket"], request["Key"], request.get("VersionId"))
    )
