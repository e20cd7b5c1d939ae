"""ListPoliciesGrantingServiceAccess."""

from typing import Any

from lowcloud.api.aws.access.permissions import on
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.iam import attachments
from lowcloud.api.aws.services.iam.errors import invalid, no_such_entity
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity import arns, caller_policies, groups, managed_policies, permissions
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.entities import Entity
from lowcloud.core.identity.groups import GROUP
from lowcloud.core.identity.roles import ROLE
from lowcloud.core.identity.users import USER
from lowcloud.core.policies.documents import Policy, Statement
from lowcloud.core.resource_kind import ResourceKind

KINDS: dict[str, ResourceKind[Any]] = {"user": USER, "group": GROUP, "role": ROLE}
PAGE_SIZE = 20  # services of one answer; there is no MaxItems


@operation("iam", "ListPoliciesGrantingServiceAccess", on("{Arn}"))
def list_policies_granting_service_access(context: Context, caller: Caller, request: Request) -> Answer:
    """The policies of a user, of its groups, of a group or of a role that allow any action of a service."""
    found = _policies(context, request["Arn"])
    names = request["ServiceNamespaces"]
    start = int(request.get("Marker", "0")) if str(request.get("Marker", "0")).isdecimal() else 0
    page = names[start : start + PAGE_SIZE]
    has_more = start + PAGE_SIZE < len(names)
    return {
        "PoliciesGrantingServiceAccess": [
            {
                "ServiceNamespace": name,
                "Policies": [member for member, policy in found if _grants(policy, name)],
            }
            for name in page
        ],
        "IsTruncated": has_more,
        "Marker": str(start + PAGE_SIZE) if has_more else None,
    }


def _policies(context: Context, arn: str) -> list[tuple[dict[str, str], Policy]]:
    parts = arns.parse(arn)
    if parts is None or parts.sort not in KINDS:
        raise invalid(f"ARN {arn} is not valid.")
    try:
        entity = resources.find(context, KINDS[parts.sort], parts.name)
    except NotFoundError as error:
        raise no_such_entity(f"{arn} was not found.") from error
    holders: list[tuple[str, Entity]] = [(parts.sort, entity)]
    if parts.sort == "user":
        holders += [("group", group) for group in groups.of_user(context, entity.name)]
    return [found for sort, holder in holders for found in _of_holder(context, sort, holder)]


def _of_holder(context: Context, sort: str, holder: Entity) -> list[tuple[dict[str, str], Policy]]:
    kind = KINDS[sort]
    written = [
        (
            {
                "PolicyName": policy.name,
                "PolicyType": "INLINE",
                "EntityType": sort.upper(),
                "EntityName": holder.name,
            },
            caller_policies.compiled(policy.document, policy.name),
        )
        for policy in permissions.inline(context, kind, holder.name)
    ]
    attached = [
        ({**attachments.describe(arn), "PolicyType": "MANAGED"}, _managed(context, arn))
        for arn in permissions.attachments(context, kind, holder.name)
        if _exists(context, arn)  # earlier versions attached what there is not
    ]
    return [*written, *attached]


def _exists(context: Context, arn: str) -> bool:
    try:
        managed_policies.find(context, arn)
    except NotFoundError:
        return False
    return True


def _managed(context: Context, arn: str) -> Policy:
    default = next(version for version in managed_policies.versions(context, arn) if version.is_default)
    return caller_policies.compiled(default.document, arn)


def _grants(policy: Policy, service: str) -> bool:
    return any(statement.allows and _names_service(statement, service.lower()) for statement in policy.statements)


def _names_service(statement: Statement, service: str) -> bool:
    """Return whether a statement names any action of a service; NotAction leaves one unless it excludes them all."""
    actions = [action.text for action in statement.actions]
    if statement.excludes_actions:
        return not any(action in ("*", f"{service}:*") for action in actions)
    return any(action == "*" or action.partition(":")[0] == service for action in actions)
