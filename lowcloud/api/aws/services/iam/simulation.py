"""SimulatePrincipalPolicy."""

from typing import Any

from lowcloud.api.aws.access.permissions import on
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.iam.errors import invalid
from lowcloud.api.aws.services.iam.translation import page
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity import arns
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.groups import GROUP
from lowcloud.core.identity.roles import ROLE
from lowcloud.core.identity.users import USER
from lowcloud.core.resource_kind import ResourceKind

KINDS: dict[str, ResourceKind[Any]] = {"user": USER, "group": GROUP, "role": ROLE}


@operation(
    "iam",
    "SimulatePrincipalPolicy",
    on("{PolicySourceArn}"),
    refused=("PolicyInputList", "PermissionsBoundaryPolicyInputList", "PolicyExclusionList", "ResourcePolicy"),
    ignored=("ContextEntries", "ResourceOwner", "CallerArn", "ResourceHandlingOption"),
)
def simulate_principal_policy(context: Context, caller: Caller, request: Request) -> Answer:
    """Every action is allowed, since every caller of this account has all permissions (core/identity/access.py)."""
    _require_principal(context, request["PolicySourceArn"])
    results = [
        {
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": "allowed",
            "MatchedStatements": [],
            "MissingContextValues": [],
        }
        for action in request["ActionNames"]
        for resource in request.get("ResourceArns", ["*"])
    ]
    return page("EvaluationResults", results, request)


def _require_principal(context: Context, arn: str) -> None:
    parts = arns.parse(arn)
    if parts is None or parts.account_id != context.account_id or parts.sort not in KINDS:
        raise invalid(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    try:
        resources.find(context, KINDS[parts.sort], parts.name)
    except NotFoundError as error:
        raise AwsError("NoSuchEntity", str(error), 404) from error
