"""What conditions of policies can know of a caller.

Source: IAM User Guide, "AWS global condition context keys".
"""

from datetime import UTC, datetime

from lowcloud.core.identity.callers import Caller
from lowcloud.core.policies.requests import Facts, PrincipalKind, Values

_PRINCIPAL_TYPES = {
    PrincipalKind.ROOT: "Account",
    PrincipalKind.USER: "User",
    PrincipalKind.ROLE_SESSION: "AssumedRole",
    PrincipalKind.FEDERATED_USER: "FederatedUser",
    PrincipalKind.SERVICE: "Service",
    PrincipalKind.ANONYMOUS: "Anonymous",
}


def of(caller: Caller) -> Facts:
    """Return the values of the condition keys about the principal of a request."""
    facts: dict[str, Values] = {
        "aws:userid": (caller.principal_id,),
        "aws:principaltype": (_PRINCIPAL_TYPES[caller.kind],),
        "aws:principalisawsservice": ("false",),
        "aws:viaawsservice": ("false",),
    }
    if caller.is_anonymous:
        return facts
    facts["aws:principalarn"] = (caller.role_arn or caller.arn,)
    facts["aws:principalaccount"] = (caller.account_id,)
    if caller.kind in (PrincipalKind.USER, PrincipalKind.FEDERATED_USER):
        facts["aws:username"] = (caller.name,)
    if caller.is_temporary:
        facts["aws:tokenissuetime"] = (datetime.fromtimestamp(caller.issued_at, UTC).isoformat(),)
        facts["aws:multifactorauthpresent"] = ("false",)
    if caller.source_identity:
        facts["aws:sourceidentity"] = (caller.source_identity,)
    return facts | {f"aws:principaltag/{key.lower()}": (value,) for key, value in caller.tags.items()}
