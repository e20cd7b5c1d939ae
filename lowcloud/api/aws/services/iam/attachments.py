"""IAM operations that attach managed policies to users, groups and roles."""

from typing import Any

from lowcloud.api.aws.access.permissions import on
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.iam.errors import invalid, no_such_entity
from lowcloud.api.aws.services.iam.permissions import on_group, on_role, on_user
from lowcloud.api.aws.services.iam.translation import page, require_modifiable
from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity import arns, managed_policies, permissions
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.groups import GROUP
from lowcloud.core.identity.roles import ROLE
from lowcloud.core.identity.users import USER
from lowcloud.core.resource_kind import ResourceKind


@operation("iam", "AttachUserPolicy", on_user())
def attach_user_policy(context: Context, caller: Caller, request: Request) -> Answer:
    return _attach(context, USER, request["UserName"], request["PolicyArn"])


@operation("iam", "AttachGroupPolicy", on_group())
def attach_group_policy(context: Context, caller: Caller, request: Request) -> Answer:
    return _attach(context, GROUP, request["GroupName"], request["PolicyArn"])


@operation("iam", "AttachRolePolicy", on_role())
def attach_role_policy(context: Context, caller: Caller, request: Request) -> Answer:
    return _attach(context, ROLE, request["RoleName"], request["PolicyArn"])


@operation("iam", "DetachUserPolicy", on_user())
def detach_user_policy(context: Context, caller: Caller, request: Request) -> Answer:
    return _detach(context, USER, request["UserName"], request["PolicyArn"])


@operation("iam", "DetachGroupPolicy", on_group())
def detach_group_policy(context: Context, caller: Caller, request: Request) -> Answer:
    return _detach(context, GROUP, request["GroupName"], request["PolicyArn"])


@operation("iam", "DetachRolePolicy", on_role())
def detach_role_policy(context: Context, caller: Caller, request: Request) -> Answer:
    return _detach(context, ROLE, request["RoleName"], request["PolicyArn"])


@operation("iam", "ListAttachedUserPolicies", on_user())
def list_attached_user_policies(context: Context, caller: Caller, request: Request) -> Answer:
    return _list(context, USER, request["UserName"], request)


@operation("iam", "ListAttachedGroupPolicies", on_group())
def list_attached_group_policies(context: Context, caller: Caller, request: Request) -> Answer:
    return _list(context, GROUP, request["GroupName"], request)


@operation("iam", "ListAttachedRolePolicies", on_role())
def list_attached_role_policies(context: Context, caller: Caller, request: Request) -> Answer:
    return _list(context, ROLE, request["RoleName"], request)


@operation("iam", "ListEntitiesForPolicy", on("{PolicyArn}"))
def list_entities_for_policy(context: Context, caller: Caller, request: Request) -> Answer:
    """Users, groups and roles in one list of pages, as AWS has them."""
    arn = request["PolicyArn"]
    managed_policies.find(context, arn)
    found = [
        (member, {name: entity.name, identifier: entity.id})
        for kind, member, name, identifier in (
            (GROUP, "PolicyGroups", "GroupName", "GroupId"),
            (USER, "PolicyUsers", "UserName", "UserId"),
            (ROLE, "PolicyRoles", "RoleName", "RoleId"),
        )
        if request.get("EntityFilter", "All")
        in ("All", {"group": "Group", "user": "User", "role": "Role"}[kind.prefix])
        for entity in _holders(context, kind, arn, request.get("PolicyUsageFilter"))
        if entity.path.startswith(request.get("PathPrefix", "/"))
    ]
    answer = page("found", found, request)
    on_page = answer.pop("found")
    members = ("PolicyGroups", "PolicyUsers", "PolicyRoles")
    return {**answer, **{member: [one for name, one in on_page if name == member] for member in members}}


def describe(arn: str) -> dict[str, str]:
    """Return a policy as lists of attached policies have it."""
    return {"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn}


def _holders(context: Context, kind: ResourceKind[Any], arn: str, usage: str | None) -> list[Any]:
    attached = [] if usage == "PermissionsBoundary" else list(permissions.holders(context, kind, arn))
    if usage == "PermissionsPolicy" or kind is GROUP:
        return attached
    known = {entity.id for entity in attached}
    return attached + [one for one in permissions.limited_by(context, kind, arn) if one.id not in known]


def _attach(context: Context, kind: ResourceKind[Any], name: str, arn: str) -> Answer:
    if arns.parse(arn) is None:
        raise invalid(f"ARN {arn} is not valid.")
    require_modifiable(context, kind, name)
    try:
        permissions.attach(context, kind, name, arn)
    except NotFoundError as error:
        raise _not_attachable(error, arn) from error
    return {}


def _not_attachable(error: NotFoundError, arn: str) -> AwsError | NotFoundError:
    if error.noun != "policy":
        return error
    return no_such_entity(f"Policy {arn} does not exist or is not attachable.")


def _detach(context: Context, kind: ResourceKind[Any], name: str, arn: str) -> Answer:
    require_modifiable(context, kind, name)
    permissions.detach(context, kind, name, arn)
    return {}


def _list(context: Context, kind: ResourceKind[Any], name: str, request: Request) -> Answer:
    path = request.get("PathPrefix", "/")
    attached = [
        describe(arn)
        for arn in permissions.attachments(context, kind, name)
        if arn.partition(":policy")[2].startswith(path)
    ]
    return page("AttachedPolicies", attached, request)
