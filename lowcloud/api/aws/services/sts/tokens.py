"""Temporary credentials of the caller itself: GetSessionToken and GetFederationToken."""

from dataclasses import replace

from lowcloud.api.aws.access.permissions import NOTHING, on
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sts.errors import denied
from lowcloud.api.aws.services.sts.translation import credentials, read_limits
from lowcloud.core.context import Context
from lowcloud.core.identity import sessions
from lowcloud.core.identity.callers import Caller
from lowcloud.core.policies.requests import PrincipalKind

DEFAULT_SECONDS = 43_200
ROOT_SECONDS = 3600  # default and maximum of the root of an account


@operation("sts", "GetSessionToken", NOTHING, refused=("SerialNumber", "TokenCode", "MinimumSessionTokenSize"))
def get_session_token(context: Context, caller: Caller, request: Request) -> Answer:
    _refuse_sessions(caller, "GetSessionToken")
    issuing = replace(caller, issuing_key=caller.access_key_id)
    return {"Credentials": credentials(sessions.issue(context, issuing, _seconds(caller, request)))}


@operation("sts", "GetFederationToken", on("federated-user/{Name}"), refused=("MinimumSessionTokenSize",))
def get_federation_token(context: Context, caller: Caller, request: Request) -> Answer:
    """Without session policies the federated user may do what policies of resources allow, and nothing else."""
    _refuse_sessions(caller, "GetFederationToken")
    limits = read_limits(context, request)
    federated = Caller(
        caller.account_id,
        kind=PrincipalKind.FEDERATED_USER,
        name=request["Name"],
        unique_id=caller.unique_id,
        policies=limits.policies or (),
        tags=limits.tags,
        issuing_key=caller.access_key_id,
    )
    session = sessions.issue(context, federated, _seconds(caller, request))
    user = {"FederatedUserId": federated.principal_id, "Arn": federated.arn}
    return {"Credentials": credentials(session), "FederatedUser": user, **limits.packed_member}


def _refuse_sessions(caller: Caller, operation_name: str) -> None:
    if caller.is_temporary:
        raise denied(f"Cannot call {operation_name} with session credentials")


def _seconds(caller: Caller, request: Request) -> int:
    """Return the duration; that of the root is shortened to its maximum, as AWS documents."""
    if caller.is_root:
        return min(int(request.get("DurationSeconds", ROOT_SECONDS)), ROOT_SECONDS)
    return int(request.get("DurationSeconds", DEFAULT_SECONDS))
