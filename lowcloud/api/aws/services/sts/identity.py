"""STS operations that say who someone is."""

from lowcloud.api.aws.access.permissions import NOTHING, on_any
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.core.context import Context
from lowcloud.core.identity import access_keys, credentials
from lowcloud.core.identity.callers import Caller


@operation("sts", "GetCallerIdentity", NOTHING)
def get_caller_identity(context: Context, caller: Caller, request: Request) -> Answer:
    return {"UserId": caller.principal_id, "Account": caller.account_id, "Arn": caller.arn}


@operation("sts", "GetAccessKeyInfo", on_any())
def get_access_key_info(context: Context, caller: Caller, request: Request) -> Answer:
    """Of users' keys and the root's: a session's key is in its token alone."""
    key_id = request["AccessKeyId"]
    if key_id == credentials.of_root(context).access_key_id:
        return {"Account": context.settings.account_id}
    if key_id == caller.access_key_id:
        return {"Account": caller.account_id}
    account = access_keys.account_of(context, key_id)
    if account is None:
        raise AwsError("ValidationError", f"No access key {key_id} exists here.")
    return {"Account": account}
