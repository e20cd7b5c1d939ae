"""IAM operations on groups and their members."""

from lowcloud.api.aws.access.permissions import on_any
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.iam.permissions import Renames, on_group, on_user
from lowcloud.api.aws.services.iam.translation import describe_group, describe_user, entity_page, page
from lowcloud.core.context import Context
from lowcloud.core.identity import entities, groups
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.groups import GROUP


@operation("iam", "CreateGroup", on_group())
def create_group(context: Context, caller: Caller, request: Request) -> Answer:
    return {"Group": describe_group(groups.create(context, request["GroupName"], request.get("Path", "/")))}


@operation("iam", "GetGroup", on_group())
def get_group(context: Context, caller: Caller, request: Request) -> Answer:
    group, members = groups.members(context, request["GroupName"])
    return {"Group": describe_group(group), **page("Users", [describe_user(user) for user in members], request)}


@operation("iam", "ListGroups", on_any())
def list_groups(context: Context, caller: Caller, request: Request) -> Answer:
    return entity_page(context, GROUP, "Groups", request, describe_group)


@operation("iam", "ListGroupsForUser", on_user())
def list_groups_for_user(context: Context, caller: Caller, request: Request) -> Answer:
    found = groups.of_user(context, request["UserName"])
    return page("Groups", [describe_group(group) for group in found], request)


@operation("iam", "UpdateGroup", Renames(on_group(), "NewGroupName"))
def update_group(context: Context, caller: Caller, request: Request) -> Answer:
    entities.rename(context, GROUP, request["GroupName"], request.get("NewGroupName"), request.get("NewPath"))
    return {}


@operation("iam", "DeleteGroup", on_group())
def delete_group(context: Context, caller: Caller, request: Request) -> Answer:
    groups.delete(context, request["GroupName"])
    return {}


@operation("iam", "AddUserToGroup", on_group())
def add_user_to_group(context: Context, caller: Caller, request: Request) -> Answer:
    groups.add_member(context, request["GroupName"], request["UserName"])
    return {}


@operation("iam", "RemoveUserFromGroup", on_group())
def remove_user_from_group(context: Context, caller: Caller, request: Request) -> Answer:
    groups.remove_member(context, request["GroupName"], request["UserName"])
    return {}
