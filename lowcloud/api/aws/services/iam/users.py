"""IAM operations on users."""

from lowcloud.api.aws.access.permissions import on_any
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.iam.errors import no_such_entity
from lowcloud.api.aws.services.iam.permissions import Renames, on_user, tagged
from lowcloud.api.aws.services.iam.translation import (
    boundary_of,
    describe_user,
    entity_page,
    page,
    read_tags,
    tags_of,
    user_name_of,
    write_tags,
)
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity import entities, permissions, users
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.roles import ROLE
from lowcloud.core.identity.users import USER
from lowcloud.home.settings import EXECUTION_ROLE


@operation("iam", "CreateUser", tagged(on_user(), "iam:TagUser"))
def create_user(context: Context, caller: Caller, request: Request) -> Answer:
    tags = read_tags(request)
    boundary = request.get("PermissionsBoundary")
    user = users.create(context, request["UserName"], request.get("Path", "/"), boundary, tags)
    return {"User": {**describe_user(user), **boundary_of(user), **tags_of(context, user)}}


@operation("iam", "GetUser", on_user())
def get_user(context: Context, caller: Caller, request: Request) -> Answer:
    """Without a name: the caller."""
    if "UserName" not in request and caller.is_root:
        return {"User": {"UserId": caller.account_id, "Arn": caller.arn, "CreateDate": _start(context)}}
    user = resources.find(context, USER, user_name_of(caller, request))
    return {"User": {**describe_user(user), **boundary_of(user), **tags_of(context, user)}}


@operation("iam", "ListUsers", on_any())
def list_users(context: Context, caller: Caller, request: Request) -> Answer:
    return entity_page(context, USER, "Users", request, describe_user)


@operation("iam", "UpdateUser", Renames(on_user(), "NewUserName"))
def update_user(context: Context, caller: Caller, request: Request) -> Answer:
    entities.rename(context, USER, request["UserName"], request.get("NewUserName"), request.get("NewPath"))
    return {}


@operation("iam", "DeleteUser", on_user())
def delete_user(context: Context, caller: Caller, request: Request) -> Answer:
    users.delete(context, request["UserName"])
    return {}


@operation("iam", "TagUser", on_user())
def tag_user(context: Context, caller: Caller, request: Request) -> Answer:
    entities.tag(context, USER, request["UserName"], read_tags(request))
    return {}


@operation("iam", "UntagUser", on_user())
def untag_user(context: Context, caller: Caller, request: Request) -> Answer:
    entities.untag(context, USER, request["UserName"], request["TagKeys"])
    return {}


@operation("iam", "ListUserTags", on_user())
def list_user_tags(context: Context, caller: Caller, request: Request) -> Answer:
    user = resources.find(context, USER, request["UserName"])
    return page("Tags", write_tags(entities.tags_of(context, user)), request)


@operation("iam", "PutUserPermissionsBoundary", on_user())
def put_user_permissions_boundary(context: Context, caller: Caller, request: Request) -> Answer:
    permissions.put_boundary(context, USER, request["UserName"], request["PermissionsBoundary"])
    return {}


@operation("iam", "DeleteUserPermissionsBoundary", on_user())
def delete_user_permissions_boundary(context: Context, caller: Caller, request: Request) -> Answer:
    permissions.delete_boundary(context, USER, request["UserName"])
    return {}


@operation("iam", "GetLoginProfile", on_user())
def get_login_profile(context: Context, caller: Caller, request: Request) -> Answer:
    """Users have no passwords here; programs ask before they delete a user."""
    name = resources.find(context, USER, user_name_of(caller, request)).name
    raise no_such_entity(f"Login Profile for User {name} cannot be found.")


def _start(context: Context) -> float:
    """Return when the account began: with its execution role."""
    try:
        return resources.find(context, ROLE, EXECUTION_ROLE).created_at
    except NotFoundError:
        return 0.0
