"""The policies of a caller: compiled once, and read again when they change."""

from functools import lru_cache

from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity import roles
from lowcloud.core.identity.callers import Caller
from lowcloud.core.policies import documents
from lowcloud.core.policies.documents import Policy
from lowcloud.core.policies.evaluation import Policies
from lowcloud.core.policies.requests import PrincipalKind

NO_POLICIES = Policies()


def of(context: Context, caller: Caller) -> Policies:
    """Return the policies of a caller; a principal that was deleted since has none."""
    session = None if caller.policies is None else tuple(compiled(text, "") for text in caller.policies)
    if caller.kind is PrincipalKind.ROLE_SESSION:
        key = ("policies", caller.account_id, caller.kind, caller.name)
        own = context.access.get(key, lambda: _of_role(context, caller.name))
    else:
        own = NO_POLICIES
    return own if session is None else Policies(own.identity, own.boundary, session)


@lru_cache(4096)
def compiled(text: str, name: str) -> Policy:
    """Return a policy that was checked when it was stored."""
    return documents.parse(text, documents.IDENTITY, name)


def _of_role(context: Context, name: str) -> Policies:
    try:
        written = roles.policies(context, name)
    except NotFoundError:
        return NO_POLICIES
    return Policies(tuple(compiled(text, policy) for policy, text in written.items()))
