"""STS: who the caller is, and temporary credentials."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lowcloud.aws.errors import AwsError
from lowcloud.aws.operations import Answer, Request, operation
from lowcloud.aws.policies import trusts
from lowcloud.core import roles
from lowcloud.core.access import Caller, Credentials, issue_session
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import NotFound

DEFAULT_ROLE_SECONDS = 3600
DEFAULT_TOKEN_SECONDS = 12 * 3600
LONGEST_CHAINED_SECONDS = 3600


@operation("sts", "GetCallerIdentity")
def get_caller_identity(cloud: Cloud, caller: Caller, request: Request) -> Answer:
    return {"UserId": _user_id(cloud, caller), "Account": caller.account_id, "Arn": caller_arn(caller)}


@operation("sts", "GetSessionToken", refused=("SerialNumber", "TokenCode", "MinimumSessionTokenSize"))
def get_session_token(cloud: Cloud, caller: Caller, request: Request) -> Answer:
    if caller.role is not None:
        raise AwsError("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)
    session = issue_session(cloud, caller, request.get("DurationSeconds", DEFAULT_TOKEN_SECONDS))
    return {"Credentials": _credentials(session)}


@operation(
    "sts",
    "AssumeRole",
    refused=("Policy", "PolicyArns", "ExternalId", "SerialNumber", "TokenCode", "MinimumSessionTokenSize"),
    ignored=("Tags", "TransitiveTagKeys", "SourceIdentity", "ProvidedContexts"),
)
def assume_role(cloud: Cloud, caller: Caller, request: Request) -> Answer:
    role = _assumable_role(cloud, caller, request["RoleArn"])
    seconds = request.get("DurationSeconds", DEFAULT_ROLE_SECONDS)
    if seconds > role.max_session_seconds:
        raise AwsError(
            "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    if caller.role is not None and seconds > LONGEST_CHAINED_SECONDS:
        raise AwsError(
            "ValidationError", "The requested DurationSeconds exceeds the 1 hour of a role assumed by a role."
        )
    session = issue_session(cloud, replace(caller, role=role.name, session=request["RoleSessionName"]), seconds)
    return {
        "Credentials": _credentials(session),
        "AssumedRoleUser": {
            "AssumedRoleId": f"{role.role_id}:{session.caller.session}",
            "Arn": caller_arn(session.caller),
        },
    }


def caller_arn(caller: Caller) -> str:
    """The ARN under which a caller is known."""
    if caller.role is None:
        return f"arn:aws:iam::{caller.account_id}:root"
    return f"arn:aws:sts::{caller.account_id}:assumed-role/{caller.role}/{caller.session}"


def _assumable_role(cloud: Cloud, caller: Caller, arn: str) -> roles.Role:
    """The role, where it exists and trusts the caller; otherwise AWS says no more than that it is denied."""
    denied = AwsError(
        "AccessDenied",
        f"User: {caller_arn(caller)} is not authorized to perform: sts:AssumeRole on resource: {arn}",
        403,
    )
    account, _, name = arn.removeprefix("arn:aws:iam::").partition(":role/")
    try:
        role = roles.find(cloud, name.rpartition("/")[2])
    except NotFound as error:
        raise denied from error
    if account != cloud.settings.account_id or not trusts(role.trust_policy, caller.account_id, caller_arn(caller)):
        raise denied
    return role


def _user_id(cloud: Cloud, caller: Caller) -> str:
    if caller.role is None:
        return caller.account_id
    try:
        return f"{roles.find(cloud, caller.role).role_id}:{caller.session}"
    except NotFound as error:
        raise AwsError("InvalidClientTokenId", "The role behind these credentials has been deleted.", 403) from error


def _credentials(session: Credentials) -> Mapping[str, Any]:
    return {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_access_key,
        "SessionToken": session.session_token,
        "Expiration": session.expires_at,
    }
