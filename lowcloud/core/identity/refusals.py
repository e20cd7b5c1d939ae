"""Refusals outside of requests: what the role of a job or model was refused when the cloud acted with it."""

import uuid

from lowcloud.core.audit import writer
from lowcloud.core.audit.records import Actor, Asked, Record
from lowcloud.core.context import Context
from lowcloud.core.identity.access import AccessDeniedError
from lowcloud.core.identity.callers import Caller

AGENT = "lowcloud"  # the cloud itself, on behalf of the role


def record(context: Context, error: AccessDeniedError) -> None:
    """Have a refusal recorded in the audit log."""
    caller, permission = error.caller, error.permission
    service, _, operation = permission.action.partition(":")
    refusal = Record(
        id=str(uuid.uuid4()),
        time=context.now(),
        account=caller.account_id or context.account_id,
        actor=actor_of(caller),
        service=service,
        operation=operation,
        is_read_only=operation.startswith(("Get", "List")),
        region=context.settings.region,
        agent=AGENT,
        asked=(Asked(permission.action, permission.resource, permission.account_id),),
        is_refused=True,
        is_data=True,
        deciding=error.decision.sort.value,
        is_explicit=error.decision.is_explicit,
        error="AccessDenied",
        message=str(error),
    )
    writer.of(context).add(context, refusal)


def actor_of(caller: Caller) -> Actor:
    """Return who a caller is, as the audit log has it."""
    return Actor(
        caller.account_id,
        caller.kind.value,
        caller.session or caller.name or caller.kind.value,
        caller.arn,
        caller.principal_id,
        caller.access_key_id,
        caller.role_arn,
    )
