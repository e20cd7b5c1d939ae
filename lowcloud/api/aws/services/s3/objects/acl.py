"""The access control list of an object."""

from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import READ_OBJECT_LIST, WRITE_OBJECT_LIST, OnObject
from lowcloud.api.aws.services.s3.translation.access_lists import (
    DISPLAY_NAMES,
    check_list_allowed,
    owner_id,
    parse_list,
    render_list,
)
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.access import access_lists
from lowcloud.core.storage.objects import objects


@s3_operation("GetObjectAcl", OnObject("s3:GetObjectAcl", READ_OBJECT_LIST))
def get_object_acl(context: Context, _caller: Caller, request: Request) -> Answer:
    found = objects.head(context, request["Bucket"], request["Key"], version=request.get("VersionId"))
    with context.database.read() as connection:
        return render_list(access_lists.of_object(connection, found.bucket, found.key, found.id), owner_id(context))


@s3_operation("PutObjectAcl", OnObject("s3:PutObjectAcl", WRITE_OBJECT_LIST), ignored=DISPLAY_NAMES)
def put_object_acl(context: Context, _caller: Caller, request: Request) -> Answer:
    access_list = parse_list(request, owner_id(context))
    found = objects.head(context, request["Bucket"], request["Key"], version=request.get("VersionId"))
    check_list_allowed(context, found.bucket, access_list)
    access_lists.replace_object_list(context, found, access_list)
    return {}
