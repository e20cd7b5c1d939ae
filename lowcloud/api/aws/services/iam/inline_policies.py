"""IAM operations on the policies written into users, groups and roles."""

from typing import Any

from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.iam.permissions import on_group, on_role, on_user
from lowcloud.api.aws.services.iam.translation import encode, page, require_modifiable
from lowcloud.core.context import Context
from lowcloud.core.identity import permissions
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.groups import GROUP
from lowcloud.core.identity.roles import ROLE
from lowcloud.core.identity.users import USER
from lowcloud.core.policies import documents
from lowcloud.core.resource_kind import ResourceKind


@operation("iam", "PutUserPolicy", on_user())
def put_user_policy(context: Context, caller: Caller, request: Request) -> Answer:
    return _put(context, USER, request["UserName"], request)


@operation("iam", "PutGroupPolicy", on_group())
def put_group_policy(context: Context, caller: Caller, request: Request) -> Answer:
    return _put(context, GROUP, request["GroupName"], request)


@operation("iam", "PutRolePolicy", on_role())
def put_role_policy(context: Context, caller: Caller, request: Request) -> Answer:
    return _put(context, ROLE, request["RoleName"], request)


@operation("iam", "GetUserPolicy", on_user())
def get_user_policy(context: Context, caller: Caller, request: Request) -> Answer:
    return {"UserName": request["UserName"], **_get(context, USER, request["UserName"], request)}


@operation("iam", "GetGroupPolicy", on_group())
def get_group_policy(context: Context, caller: Caller, request: Request) -> Answer:
    return {"GroupName": request["GroupName"], **_get(context, GROUP, request["GroupName"], request)}


@operation("iam", "GetRolePolicy", on_role())
def get_role_policy(context: Context, caller: Caller, request: Request) -> Answer:
    return {"RoleName": request["RoleName"], **_get(context, ROLE, request["RoleName"], request)}


@operation("iam", "ListUserPolicies", on_user())
def list_user_policies(context: Context, caller: Caller, request: Request) -> Answer:
    return _list(context, USER, request["UserName"], request)


@operation("iam", "ListGroupPolicies", on_group())
def list_group_policies(context: Context, caller: Caller, request: Request) -> Answer:
    return _list(context, GROUP, request["GroupName"], request)


@operation("iam", "ListRolePolicies", on_role())
def list_role_policies(context: Context, caller: Caller, request: Request) -> Answer:
    return _list(context, ROLE, request["RoleName"], request)


@operation("iam", "DeleteUserPolicy", on_user())
def delete_user_policy(context: Context, caller: Caller, request: Request) -> Answer:
    return _delete(context, USER, request["UserName"], request)


@operation("iam", "DeleteGroupPolicy", on_group())
def delete_group_policy(context: Context, caller: Caller, request: Request) -> Answer:
    return _delete(context, GROUP, request["GroupName"], request)


@operation("iam", "DeleteRolePolicy", on_role())
def delete_role_policy(context: Context, caller: Caller, request: Request) -> Answer:
    return _delete(context, ROLE, request["RoleName"], request)


def _put(context: Context, kind: ResourceKind[Any], name: str, request: Request) -> Answer:
    require_modifiable(context, kind, name)
    documents.parse(request["PolicyDocument"], documents.IDENTITY)
    permissions.put_inline(context, kind, name, request["PolicyName"], request["PolicyDocument"])
    return {}


def _get(context: Context, kind: ResourceKind[Any], name: str, request: Request) -> dict[str, Any]:
    document = permissions.get_inline(context, kind, name, request["PolicyName"])
    return {"PolicyName": request["PolicyName"], "PolicyDocument": encode(document)}


def _list(context: Context, kind: ResourceKind[Any], name: str, request: Request) -> Answer:
    return page("PolicyNames", [policy.name for policy in permissions.inline(context, kind, name)], request)


def _delete(context: Context, kind: ResourceKind[Any], name: str, request: Request) -> Answer:
    require_modifiable(context, kind, name)
    permissions.delete_inline(context, kind, name, request["PolicyName"])
    return {}
