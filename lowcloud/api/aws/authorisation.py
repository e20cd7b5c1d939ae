"""The authorisation of a request: every permission that its operation declares, asked of core."""

from collections.abc import Mapping
from typing import Any

from lowcloud.api.aws.access.calls import ACTION_PREFIXES, Call
from lowcloud.api.aws.operations import Operation
from lowcloud.api.http.messages import HttpRequest
from lowcloud.core.context import Context
from lowcloud.core.identity import access, caller_facts
from lowcloud.core.identity.access import Permission
from lowcloud.core.identity.callers import Caller
from lowcloud.core.policies.requests import Facts, Values


def authorise(
    context: Context, caller: Caller, operation: Operation, http: HttpRequest, request: Mapping[str, Any]
) -> list[Permission]:
    """Return the permissions that a request needs, all of which the caller has. Raises AccessDeniedError."""
    held = []
    facts = caller_facts.of(context, caller, facts_of_transport(context, http))
    service = ACTION_PREFIXES.get(operation.service, operation.service)
    for permission in operation.access(Call(context, caller, service, operation.name, request, facts)):
        access.authorise(context, caller, permission)
        held.append(permission)
    return held


def facts_of_transport(context: Context, http: HttpRequest) -> Facts:
    """Return the values of the condition keys about the connection and the time."""
    facts: dict[str, Values] = {
        "aws:requestedregion": (context.settings.region,),
        "aws:securetransport": ("true" if http.is_secure else "false",),
    }
    for key, value in (
        ("aws:sourceip", http.client),
        ("aws:useragent", http.headers.get("user-agent", "")),
        ("aws:referer", http.headers.get("referer", "")),
    ):
        if value:
            facts[key] = (value,)
    return facts
