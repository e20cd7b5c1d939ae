"""STS operations: the identity of the caller, and temporary credentials."""

from collections.abc import Mapping
from typing import Any

from lowcloud.api.aws.access.permissions import NOTHING
from lowcloud.api.aws.errors import AwsError, ErrorCodes, register_errors
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.policies import trusts
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import ForbiddenError, InvalidError, NotFoundError
from lowcloud.core.identity import roles, sessions
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.roles import ROLE
from lowcloud.core.identity.sessions import Credentials

DEFAULT_ROLE_SECONDS = 3600
ROOT_TOKEN_SECONDS = 3600  # default and maximum of the root of an account
MAX_CHAINED_ROLE_SECONDS = 3600

register_errors("sts", ErrorCodes({ForbiddenError: ("AccessDenied", 403), InvalidError: ("ValidationError", 400)}))


@operation("sts", "GetCallerIdentity", NOTHING)
def get_caller_identity(context: Context, caller: Caller, request: Request) -> Answer:
    return {"UserId": caller.principal_id, "Account": caller.account_id, "Arn": caller.arn}


@operation("sts", "GetSessionToken", NOTHING, refused=("SerialNumber", "TokenCode", "MinimumSessionTokenSize"))
def get_session_token(context: Context, caller: Caller, request: Request) -> Answer:
    """A longer duration than the maximum is shortened to it, as AWS documents for the root of an account."""
    if caller.is_temporary:
        raise AwsError("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)
    seconds = min(request.get("DurationSeconds", ROOT_TOKEN_SECONDS), ROOT_TOKEN_SECONDS)
    session = sessions.issue(context, caller, seconds)
    return {"Credentials": _credentials(session)}


@operation(
    "sts",
    "AssumeRole",
    NOTHING,
    refused=("Policy", "PolicyArns", "ExternalId", "SerialNumber", "TokenCode", "MinimumSessionTokenSize"),
    ignored=("Tags", "TransitiveTagKeys", "SourceIdentity", "ProvidedContexts"),
)
def assume_role(context: Context, caller: Caller, request: Request) -> Answer:
    role = _assumable_role(context, caller, request["RoleArn"])
    seconds = request.get("DurationSeconds", DEFAULT_ROLE_SECONDS)
    if seconds > role.max_session_seconds:
        raise AwsError(
            "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    if caller.role is not None and seconds > MAX_CHAINED_ROLE_SECONDS:
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        )
    session = sessions.issue_for_role(context, role.name, request["RoleSessionName"], seconds)
    return {
        "Credentials": _credentials(session),
        "AssumedRoleUser": {
            "AssumedRoleId": f"{role.role_id}:{session.caller.session}",
            "Arn": session.caller.arn,
        },
    }


def _assumable_role(context: Context, caller: Caller, arn: str) -> roles.Role:
    """Return the role if it exists and trusts the caller; AWS gives no other reason than that it is denied."""
    denied = AwsError(
        "AccessDenied",
        f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}",
        403,
    )
    account, _, name = arn.removeprefix("arn:aws:iam::").partition(":role/")
    try:
        role = resources.find(context, ROLE, name.rpartition("/")[2])
    except NotFoundError as error:
        raise denied from error
    if account != context.settings.account_id or not trusts(role.trust_policy, caller.account_id, caller.arn):
        raise denied
    return role


def _credentials(session: Credentials) -> Mapping[str, Any]:
    return {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_access_key,
        "SessionToken": session.session_token,
        "Expiration": session.expires_at,
    }
