"""IAM operations on roles and the policies stored with them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from lowcloud.api.aws.access.permissions import on, on_any
from lowcloud.api.aws.errors import AwsError, ErrorCodes, register_errors
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.pages import page_of
from lowcloud.api.aws.services.policies import check_policy, check_trust_policy
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, ForbiddenError, InUseError, InvalidError, NotFoundError
from lowcloud.core.identity import roles
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.roles import ROLE

DEFAULT_PAGE_SIZE = 100
INLINE_POLICY_LIMIT = 10240  # characters

register_errors(
    "iam",
    ErrorCodes(
        {
            NotFoundError: ("NoSuchEntity", 404),
            AlreadyExistsError: ("EntityAlreadyExists", 409),
            InvalidError: ("InvalidInput", 400),
            InUseError: ("DeleteConflict", 409),
            ForbiddenError: ("AccessDenied", 403),
        }
    ),
)


@operation(
    "iam", "CreateRole", on("role/{RoleName}"), refused=("MaxSigninSessionDuration", "PermissionsBoundary", "Tags")
)
def create_role(context: Context, caller: Caller, request: Request) -> Answer:
    check_trust_policy(request["AssumeRolePolicyDocument"])
    role = roles.create(
        context,
        request["RoleName"],
        request["AssumeRolePolicyDocument"],
        request.get("Path", "/"),
        request.get("Description", ""),
        request.get("MaxSessionDuration", roles.DEFAULT_SESSION_SECONDS),
    )
    return {"Role": _describe(context, role)}


@operation("iam", "GetRole", on("role/{RoleName}"))
def get_role(context: Context, caller: Caller, request: Request) -> Answer:
    return {"Role": _describe(context, resources.find(context, ROLE, request["RoleName"]))}


@operation("iam", "ListRoles", on_any())
def list_roles(context: Context, caller: Caller, request: Request) -> Answer:
    limit = request.get("MaxItems", DEFAULT_PAGE_SIZE)
    found, has_more = roles.list_page(context, request.get("PathPrefix", "/"), request.get("Marker", ""), limit)
    answer = {"Roles": [_describe(context, role) for role in found], "IsTruncated": has_more}
    return {**answer, "Marker": found[-1].name} if has_more else answer


@operation("iam", "DeleteRole", on("role/{RoleName}"))
def delete_role(context: Context, caller: Caller, request: Request) -> Answer:
    roles.delete(context, request["RoleName"])
    return {}


@operation("iam", "AttachRolePolicy", on("role/{RoleName}"))
def attach_role_policy(context: Context, caller: Caller, request: Request) -> Answer:
    if not request["PolicyArn"].startswith("arn:aws:iam::"):
        raise AwsError("InvalidInput", f"ARN {request['PolicyArn']} is not valid.")
    roles.attach(context, request["RoleName"], request["PolicyArn"])
    return {}


@operation("iam", "DetachRolePolicy", on("role/{RoleName}"))
def detach_role_policy(context: Context, caller: Caller, request: Request) -> Answer:
    roles.detach(context, request["RoleName"], request["PolicyArn"])
    return {}


@operation("iam", "ListAttachedRolePolicies", on("role/{RoleName}"))
def list_attached_role_policies(context: Context, caller: Caller, request: Request) -> Answer:
    path = request.get("PathPrefix", "/")
    attached = [
        {"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn}
        for arn in roles.attachments(context, request["RoleName"])
        if arn.partition(":policy")[2].startswith(path)
    ]
    return _page("AttachedPolicies", attached, request)


@operation("iam", "PutRolePolicy", on("role/{RoleName}"))
def put_role_policy(context: Context, caller: Caller, request: Request) -> Answer:
    check_policy(request["PolicyDocument"])
    if len(request["PolicyDocument"]) > INLINE_POLICY_LIMIT:
        raise AwsError("LimitExceeded", f"A role policy has at most {INLINE_POLICY_LIMIT} characters.", 409)
    roles.put_policy(context, request["RoleName"], request["PolicyName"], request["PolicyDocument"])
    return {}


@operation("iam", "GetRolePolicy", on("role/{RoleName}"))
def get_role_policy(context: Context, caller: Caller, request: Request) -> Answer:
    document = roles.get_policy(context, request["RoleName"], request["PolicyName"])
    return {
        "RoleName": request["RoleName"],
        "PolicyName": request["PolicyName"],
        "PolicyDocument": quote(document, safe=""),
    }


@operation("iam", "ListRolePolicies", on("role/{RoleName}"))
def list_role_policies(context: Context, caller: Caller, request: Request) -> Answer:
    return _page("PolicyNames", list(roles.policies(context, request["RoleName"])), request)


@operation("iam", "DeleteRolePolicy", on("role/{RoleName}"))
def delete_role_policy(context: Context, caller: Caller, request: Request) -> Answer:
    roles.delete_policy(context, request["RoleName"], request["PolicyName"])
    return {}


def role_arn(context: Context, role: roles.Role) -> str:
    """Return the ARN of a role."""
    return f"arn:aws:iam::{context.settings.account_id}:role{role.path}{role.name}"


def _describe(context: Context, role: roles.Role) -> Mapping[str, Any]:
    return {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.role_id,
        "Arn": role_arn(context, role),
        "CreateDate": role.created_at,
        "AssumeRolePolicyDocument": quote(role.trust_policy, safe=""),
        "Description": role.description,
        "MaxSessionDuration": role.max_session_seconds,
    }


def _page(member: str, items: list[Any], request: Request) -> Answer:
    page, marker = page_of(items, request.get("Marker"), request.get("MaxItems", DEFAULT_PAGE_SIZE))
    return {member: page, "IsTruncated": marker is not None, "Marker": marker}
