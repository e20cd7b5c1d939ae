"""IAM operations on access keys."""

from collections.abc import Iterator
from dataclasses import replace

from lowcloud.api.aws.access.calls import Call
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.iam.permissions import on_user
from lowcloud.api.aws.services.iam.translation import page, user_name_of
from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity import access_keys
from lowcloud.core.identity.access import Permission
from lowcloud.core.identity.access_keys import AccessKey
from lowcloud.core.identity.callers import Caller

STATUS = {True: "Active", False: "Inactive"}


@operation("iam", "CreateAccessKey", on_user())
def create_access_key(context: Context, caller: Caller, request: Request) -> Answer:
    name = user_name_of(caller, request)
    key, secret = access_keys.create(context, name)
    return {"AccessKey": {**_describe(name, key), "SecretAccessKey": secret}}


@operation("iam", "ListAccessKeys", on_user())
def list_access_keys(context: Context, caller: Caller, request: Request) -> Answer:
    name = user_name_of(caller, request)
    keys = [_describe(name, key) for key in access_keys.of_user(context, name)]
    return page("AccessKeyMetadata", keys, request)


@operation("iam", "UpdateAccessKey", on_user())
def update_access_key(context: Context, caller: Caller, request: Request) -> Answer:
    name = user_name_of(caller, request)
    access_keys.activate(context, name, request["AccessKeyId"], request["Status"] == STATUS[True])
    return {}


@operation("iam", "DeleteAccessKey", on_user())
def delete_access_key(context: Context, caller: Caller, request: Request) -> Answer:
    access_keys.delete(context, user_name_of(caller, request), request["AccessKeyId"])
    return {}


def _on_user_of_key(call: Call) -> Iterator[Permission]:
    """Need the action on the user whose key the request names."""
    try:
        _, user_name = access_keys.find_with_user(call.context, call.request["AccessKeyId"])
    except NotFoundError:
        user_name = "*"
    yield from on_user()(replace(call, request={"UserName": user_name}))


@operation("iam", "GetAccessKeyLastUsed", _on_user_of_key)
def get_access_key_last_used(context: Context, caller: Caller, request: Request) -> Answer:
    key, user_name = access_keys.find_with_user(context, request["AccessKeyId"])
    used = {
        "LastUsedDate": key.last_used_at,
        "ServiceName": key.last_used_service or "N/A",
        "Region": key.last_used_region or "N/A",
    }
    return {"UserName": user_name, "AccessKeyLastUsed": used}


def _describe(user_name: str, key: AccessKey) -> dict[str, object]:
    return {
        "UserName": user_name,
        "AccessKeyId": key.id,
        "Status": STATUS[key.is_active],
        "CreateDate": key.created_at,
    }
