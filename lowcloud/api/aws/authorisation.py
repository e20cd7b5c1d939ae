"""The authorisation of a request: every permission that its operation declares, asked of core."""

from collections.abc import Mapping, Sequence
from typing import Any

from lowcloud.api.aws.access.calls import ACTION_PREFIXES, Call
from lowcloud.api.aws.auth import signature_facts
from lowcloud.api.aws.operations import Operation
from lowcloud.api.http.messages import HttpRequest
from lowcloud.core.context import Context
from lowcloud.core.identity import access, caller_facts
from lowcloud.core.identity.access import AccessDeniedError, Permission
from lowcloud.core.identity.callers import Caller
from lowcloud.core.policies.requests import Facts, Values


def authorise(
    context: Context, caller: Caller, operation: Operation, http: HttpRequest, request: Mapping[str, Any]
) -> tuple[Sequence[Permission], Sequence[AccessDeniedError]]:
    """Return the permissions that a request needs and has, and why parts of it are left out.

    Raises AccessDeniedError if the caller lacks a permission that the request needs.
    """
    of_signature = signature_facts.of(http, context.now()) if operation.service == "s3" else {}
    facts = caller_facts.of(context, caller, {**facts_of_transport(context, http), **of_signature})
    service = ACTION_PREFIXES.get(operation.service, operation.service)
    call, held = Call(context, caller, service, operation.name, request, facts), []
    for permission in operation.access(call):
        access.authorise(context, caller, permission)
        held.append(permission)
    return held, call.refused


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
