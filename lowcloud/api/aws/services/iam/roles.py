"""IAM operations on roles."""

from typing import Any

from lowcloud.api.aws.access.permissions import on_any
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.iam import trust_policies
from lowcloud.api.aws.services.iam.permissions import on_role, tagged
from lowcloud.api.aws.services.iam.translation import (
    boundary_of,
    describe_role,
    entity_page,
    page,
    read_tags,
    require_modifiable,
    tags_of,
    write_tags,
)
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.identity import entities, permissions, roles
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.roles import ROLE, Role

REQUESTED = {"Description": "description", "MaxSessionDuration": "max_session_seconds"}


@operation("iam", "CreateRole", tagged(on_role(), "iam:TagRole"), refused=("MaxSigninSessionDuration",))
def create_role(context: Context, caller: Caller, request: Request) -> Answer:
    trusted_ids = trust_policies.check(context, request["AssumeRolePolicyDocument"])
    role = roles.create(
        context,
        request["RoleName"],
        request["AssumeRolePolicyDocument"],
        request.get("Path", "/"),
        request.get("Description", ""),
        request.get("MaxSessionDuration", roles.DEFAULT_SESSION_SECONDS),
        request.get("PermissionsBoundary"),
        read_tags(request),
        trusted_ids,
    )
    return {"Role": describe_whole(context, role)}


@operation("iam", "GetRole", on_role())
def get_role(context: Context, caller: Caller, request: Request) -> Answer:
    return {"Role": describe_whole(context, resources.find(context, ROLE, request["RoleName"]))}


@operation("iam", "ListRoles", on_any())
def list_roles(context: Context, caller: Caller, request: Request) -> Answer:
    return entity_page(context, ROLE, "Roles", request, describe_role)


@operation("iam", "UpdateRole", on_role(), refused=("MaxSigninSessionDuration", "ResetMaxSigninSessionDuration"))
def update_role(context: Context, caller: Caller, request: Request) -> Answer:
    _change(context, request)
    return {}


@operation("iam", "UpdateRoleDescription", on_role())
def update_role_description(context: Context, caller: Caller, request: Request) -> Answer:
    return {"Role": describe_whole(context, _change(context, request))}


@operation("iam", "UpdateAssumeRolePolicy", on_role())
def update_assume_role_policy(context: Context, caller: Caller, request: Request) -> Answer:
    require_modifiable(context, ROLE, request["RoleName"])
    trusted_ids = trust_policies.check(context, request["PolicyDocument"])
    roles.trust(context, request["RoleName"], request["PolicyDocument"], trusted_ids)
    return {}


@operation("iam", "DeleteRole", on_role())
def delete_role(context: Context, caller: Caller, request: Request) -> Answer:
    require_modifiable(context, ROLE, request["RoleName"])
    roles.delete(context, request["RoleName"])
    return {}


@operation("iam", "TagRole", on_role())
def tag_role(context: Context, caller: Caller, request: Request) -> Answer:
    entities.tag(context, ROLE, request["RoleName"], read_tags(request))
    return {}


@operation("iam", "UntagRole", on_role())
def untag_role(context: Context, caller: Caller, request: Request) -> Answer:
    entities.untag(context, ROLE, request["RoleName"], request["TagKeys"])
    return {}


@operation("iam", "ListRoleTags", on_role())
def list_role_tags(context: Context, caller: Caller, request: Request) -> Answer:
    role = resources.find(context, ROLE, request["RoleName"])
    return page("Tags", write_tags(entities.tags_of(context, role)), request)


@operation("iam", "PutRolePermissionsBoundary", on_role())
def put_role_permissions_boundary(context: Context, caller: Caller, request: Request) -> Answer:
    require_modifiable(context, ROLE, request["RoleName"])
    permissions.put_boundary(context, ROLE, request["RoleName"], request["PermissionsBoundary"])
    return {}


@operation("iam", "DeleteRolePermissionsBoundary", on_role())
def delete_role_permissions_boundary(context: Context, caller: Caller, request: Request) -> Answer:
    permissions.delete_boundary(context, ROLE, request["RoleName"])
    return {}


def describe_whole(context: Context, role: Role) -> dict[str, Any]:
    """Return everything about a role."""
    used = {"LastUsedDate": role.last_used_at, "Region": role.last_used_region} if role.last_used_at else {}
    return {**describe_role(role), **boundary_of(role), **tags_of(context, role), "RoleLastUsed": used}


def _change(context: Context, request: Request) -> Role:
    values = {column: request[member] for member, column in REQUESTED.items() if member in request}
    return roles.change(context, request["RoleName"], values)
