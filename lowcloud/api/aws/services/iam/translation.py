"""Members of requests and answers that several IAM resources share: ARNs, documents, tags, boundaries and pages."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.iam.errors import invalid
from lowcloud.api.aws.services.pages import page_of
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.identity import arns, entities
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.entities import Entity, Found
from lowcloud.core.identity.groups import Group
from lowcloud.core.identity.roles import ROLE, Role
from lowcloud.core.identity.users import User
from lowcloud.core.policies.requests import PrincipalKind
from lowcloud.core.resource_kind import ResourceKind

DEFAULT_PAGE_SIZE = 100
SERVICE_ROLES = "/aws-service-role/"  # the path of roles that a service has made for itself
Item = TypeVar("Item")


def arn_of(sort: str, entity: Entity) -> str:
    """Return the ARN of a user, group, role, policy or instance profile."""
    return arns.of(entity.account, sort, entity.path, entity.name)


def encode(document: str) -> str:
    """Return a policy document as answers have it."""
    return quote(document, safe="")


def describe_user(user: User) -> dict[str, Any]:
    """Return what lists say of a user."""
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": arn_of("user", user),
        "CreateDate": user.created_at,
    }


def describe_group(group: Group) -> dict[str, Any]:
    """Return what lists say of a group."""
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.id,
        "Arn": arn_of("group", group),
        "CreateDate": group.created_at,
    }


def describe_role(role: Role) -> dict[str, Any]:
    """Return what lists say of a role."""
    return {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": arn_of("role", role),
        "CreateDate": role.created_at,
        "AssumeRolePolicyDocument": encode(role.trust_policy),
        "Description": role.description or None,
        "MaxSessionDuration": role.max_session_seconds,
    }


def boundary_of(entity: User | Role) -> Mapping[str, Any]:
    """Return the member for a boundary."""
    if entity.boundary is None:
        return {}
    return {"PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": entity.boundary}}


def read_tags(request: Request) -> dict[str, str]:
    """Return the Tags member as a mapping. Raises AwsError."""
    found: Sequence[Mapping[str, str]] = request.get("Tags", [])
    tags = {tag["Key"]: tag["Value"] for tag in found}
    if len({key.lower() for key in tags}) < len(found):
        raise invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key.lower().startswith("aws:") for key in tags):
        raise invalid("Tag keys that begin with aws: are reserved for AWS use.")
    return tags


def write_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as a list of keys and values."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_of(context: Context, entity: Entity) -> Mapping[str, Any]:
    """Return the Tags member of an entity, if it has tags."""
    tags = entities.tags_of(context, entity)
    return {"Tags": write_tags(tags)} if tags else {}


def user_name_of(caller: Caller, request: Request) -> str:
    """Return the user that a request is about: by default the one who sends it. Raises AwsError."""
    if "UserName" in request:
        return str(request["UserName"])
    if caller.kind is not PrincipalKind.USER:
        raise AwsError("ValidationError", "Must specify userName when calling with non-User credentials")
    return caller.name


def require_modifiable(context: Context, kind: ResourceKind[Any], name: str) -> None:
    """Raise AwsError for a role that belongs to a service, and NotFoundError."""
    if kind is ROLE and resources.find(context, ROLE, name).path.startswith(SERVICE_ROLES):
        raise AwsError(
            "UnmodifiableEntity",
            f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS",
        )


def page(member: str, items: Sequence[Any], request: Request) -> dict[str, Any]:
    """Return a page of a list that was read whole."""
    found, marker = page_of(items, request.get("Marker"), request.get("MaxItems", DEFAULT_PAGE_SIZE))
    return {member: found, "IsTruncated": marker is not None, "Marker": marker}


def entity_page(
    context: Context,
    kind: ResourceKind[Found],
    member: str,
    request: Request,
    describe: Callable[[Found], Mapping[str, Any]],
) -> Answer:
    """Return a page of the entities of a kind."""
    limit = request.get("MaxItems", DEFAULT_PAGE_SIZE)
    found, has_more = entities.list_page(
        context, kind, request.get("PathPrefix", "/"), request.get("Marker", ""), limit
    )
    answer = {member: [describe(one) for one in found], "IsTruncated": has_more}
    return {**answer, "Marker": found[-1].name} if has_more else answer
