"""Whether a caller may do what it requests: every request passes `authorise`."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lowcloud.core.context import Context
from lowcloud.core.errors import ForbiddenError
from lowcloud.core.identity import caller_policies
from lowcloud.core.identity.callers import Caller
from lowcloud.core.policies.evaluation import UNSHARED, Decision, Grant, ResourceAccess, evaluate
from lowcloud.core.policies.requests import AccessRequest, Facts


@dataclass(frozen=True)
class Permission:
    """One thing that an operation needs: to perform an action on a resource."""

    action: str  # "s3:GetObject"
    resource: str  # its ARN, or "*" for actions that have none
    account_id: str  # of the owner of the resource
    facts: Facts = field(default_factory=dict)  # condition keys of the request
    find_access: Callable[[], ResourceAccess] | None = None  # the resource's policy
    find_grant: Callable[[], Grant] | None = None  # of an access control list; asked if no policy allows


class AccessDeniedError(ForbiddenError):
    """No policy allows the request, or one denies it. The message names principal, action and resource."""

    def __init__(self, caller: Caller, permission: Permission, decision: Decision):
        super().__init__(_message(caller, permission, decision))
        self.caller = caller
        self.permission = permission
        self.decision = decision


def authorise(context: Context, caller: Caller, permission: Permission) -> None:
    """Refuse what the caller may not do. Raises AccessDeniedError."""
    decision = decide(context, caller, permission)
    if not decision.allowed:
        raise AccessDeniedError(caller, permission, decision)


def decide(context: Context, caller: Caller, permission: Permission) -> Decision:
    """Return whether the caller has a permission, and why or why not."""
    request = AccessRequest(
        caller.principal, permission.action, permission.resource, permission.account_id, permission.facts
    )
    shared = permission.find_access() if permission.find_access else UNSHARED
    policies = caller_policies.of(context, caller)
    decision = evaluate(request, policies, shared)
    if decision.allowed or decision.is_explicit or permission.find_grant is None:
        return decision
    return evaluate(request, policies, replace(shared, granted=permission.find_grant()))


def _message(caller: Caller, permission: Permission, decision: Decision) -> str:
    """Return AWS's words. Source: IAM User Guide, "Troubleshoot access denied error messages"."""
    article = "an" if decision.sort.value[0] in "aeiou" else "a"
    reason = (
        f"with an explicit deny in {article} {decision.sort.value}"
        if decision.is_explicit
        else f"because no {decision.sort.value} allows the {permission.action} action"
    )
    on = "" if permission.resource == "*" else f" on resource: {permission.resource}"
    return f"User: {caller.arn} is not authorized to perform: {permission.action}{on} {reason}"
