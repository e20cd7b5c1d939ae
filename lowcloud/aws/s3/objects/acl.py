"""The access control list of an object."""

from lowcloud.aws.operations import Answer, Request
from lowcloud.aws.s3.access_lists import DISPLAY_NAMES, admit_list, owner_id, sent_list, told_list
from lowcloud.aws.s3.operation import s3_operation
from lowcloud.core import access_lists, objects
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud


@s3_operation("GetObjectAcl")
def get_object_acl(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    found = objects.head(cloud, request["Bucket"], request["Key"], version=request.get("VersionId"))
    with cloud.database.read() as connection:
        return told_list(access_lists.of_object(connection, found.bucket, found.key, found.id), owner_id(cloud))


@s3_operation("PutObjectAcl", ignored=DISPLAY_NAMES)
def put_object_acl(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    wanted = sent_list(request, owner_id(cloud))
    found = objects.head(cloud, request["Bucket"], request["Key"], version=request.get("VersionId"))
    admit_list(cloud, found.bucket, wanted)
    access_lists.replace_of_object(cloud, found, wanted)
    return {}
