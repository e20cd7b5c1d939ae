"""What is known of a caller, as the conditions of policies ask for it.

Source: IAM User Guide, "AWS global condition context keys", "Properties of the principal" and "of a role session".
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from lowcloud.core import tags
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.policies.requests import NO_FACTS, Facts, LazyFacts, PrincipalKind, Values

PRINCIPAL_TAG = "aws:principaltag/"
TYPES = {
    PrincipalKind.ROOT: "Account",
    PrincipalKind.USER: "User",
    PrincipalKind.ROLE_SESSION: "AssumedRole",
    PrincipalKind.FEDERATED_USER: "FederatedUser",
    PrincipalKind.ANONYMOUS: "Anonymous",
}


def of(context: Context, caller: Caller, request: Facts = NO_FACTS) -> LazyFacts:
    """Return the facts of a caller together with those of its request. Tags are read when a policy asks for one."""

    def find(key: str) -> Values | None:
        if not key.startswith(PRINCIPAL_TAG):
            return None
        value = principal_tags(context, caller).get(key.removeprefix(PRINCIPAL_TAG))
        return None if value is None else (value,)

    return LazyFacts({**times(context), **_known(caller), **request}, find)


def times(context: Context) -> dict[str, Values]:
    """Return the facts about the time of a request."""
    now = context.now()
    return {"aws:currenttime": (datetime.fromtimestamp(now, UTC).isoformat(),), "aws:epochtime": (str(int(now)),)}


def principal_tags(context: Context, caller: Caller) -> Mapping[str, str]:
    """Return the tags of a caller by key in lower case: those of its user or role, and those of its session."""
    return {key.lower(): value for key, value in {**_own_tags(context, caller), **caller.tags}.items()}


def _own_tags(context: Context, caller: Caller) -> Mapping[str, str]:
    if caller.kind not in (PrincipalKind.USER, PrincipalKind.ROLE_SESSION) or not caller.unique_id:
        return {}

    def read() -> Mapping[str, str]:
        with context.database.read() as connection:
            return tags.of(connection, caller.unique_id)

    return context.access.get(("tags", caller.unique_id), read)


def _known(caller: Caller) -> dict[str, Values]:
    facts: dict[str, Values] = {"aws:principalisawsservice": ("true" if _is_service(caller) else "false",)}
    if _is_service(caller):
        return {**facts, "aws:principalservicename": (caller.name,)}
    facts |= {"aws:principaltype": (TYPES[caller.kind],), "aws:userid": (caller.principal_id,)}
    if caller.is_anonymous:
        return facts
    facts |= {
        "aws:principalaccount": (caller.account_id,),
        "aws:principalarn": (caller.role_arn or caller.arn,),
    }
    if caller.kind is PrincipalKind.USER:
        facts["aws:username"] = (caller.name,)
    if caller.is_temporary:
        issued = datetime.fromtimestamp(caller.issued_at, UTC).isoformat()
        facts |= {"aws:tokenissuetime": (issued,), "aws:multifactorauthpresent": ("false",)}
    if caller.source_identity:
        facts["aws:sourceidentity"] = (caller.source_identity,)
    if caller.provider:
        facts["aws:federatedprovider"] = (caller.provider,)
    return facts


def _is_service(caller: Caller) -> bool:
    return caller.kind is PrincipalKind.SERVICE
