"""AssumeRole."""

from collections.abc import Mapping
from dataclasses import replace

from lowcloud.api.aws.access.permissions import NOTHING
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sts.errors import denied, invalid
from lowcloud.api.aws.services.sts.translation import check_duration, describe_session, find_role, read_limits
from lowcloud.core.context import Context
from lowcloud.core.identity import roles, sessions, trust
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.roles import Role
from lowcloud.core.policies.requests import Facts


@operation(
    "sts", "AssumeRole", NOTHING, refused=("SerialNumber", "TokenCode", "MinimumSessionTokenSize", "ProvidedContexts")
)
def assume_role(context: Context, caller: Caller, request: Request) -> Answer:
    """AWS gives no other reason than that it is denied, whether the role exists or not."""
    limits = read_limits(context, request)
    transitive = _transitive_tags(caller, request, limits.tags)
    source = request.get("SourceIdentity", caller.source_identity)  # it stays through a chain
    actions = [trust.ASSUME_ROLE]
    actions += [trust.TAG_SESSION] if limits.tags or transitive else []
    actions += [trust.SET_SOURCE_IDENTITY] if source else []
    role = _require_role(context, caller, request["RoleArn"], actions, _facts(request, limits.tags, source))
    if caller.source_identity not in ("", source):
        raise denied("The source identity of a session cannot be changed by role chaining.")
    seconds = request.get("DurationSeconds", roles.DEFAULT_SESSION_SECONDS)
    check_duration(role, caller, seconds)
    inherited = {key: value for key, value in caller.tags.items() if key in caller.transitive_tags}
    assumed = replace(
        sessions.caller_of_role(role, request["RoleSessionName"]),
        policies=limits.policies,
        tags={**inherited, **limits.tags},
        transitive_tags=transitive,
        source_identity=source,
    )
    return {**describe_session(sessions.issue(context, assumed, seconds)), **limits.packed_member}


def _require_role(context: Context, caller: Caller, arn: str, actions: list[str], facts: Facts) -> Role:
    """Return a role with which the caller may do all these. Raises AwsError."""
    role = find_role(context, arn)
    for action in actions:
        if role is None or not trust.may(context, caller, role, action, facts):
            raise denied(f"User: {caller.arn} is not authorized to perform: {action} on resource: {arn}")
    assert role is not None
    return role


def _transitive_tags(caller: Caller, request: Request, tags: Mapping[str, str]) -> tuple[str, ...]:
    """Return the keys of the tags that roles assumed from the session have, too. Raises AwsError."""
    inherited = {key.lower() for key in caller.transitive_tags}
    if any(key.lower() in inherited for key in tags):
        raise AwsError(
            "InvalidParameterValue",
            "One of the specified tag keys can't be set because it conflicts with a transitive tag key from the "
            "calling session.",
        )
    wanted = request.get("TransitiveTagKeys", [])
    if not {key.lower() for key in wanted} <= {key.lower() for key in tags}:
        raise invalid("The specified transitive tag key must be included in the requested tags.")
    names = {key.lower(): key for key in tags}
    return tuple(sorted({*caller.transitive_tags, *(names[key.lower()] for key in wanted)}))


def _facts(request: Request, tags: Mapping[str, str], source: str) -> Facts:
    """Return the condition keys of the request."""
    facts: dict[str, tuple[str, ...]] = {
        "sts:rolesessionname": (request["RoleSessionName"],),
        **{f"aws:requesttag/{key.lower()}": (value,) for key, value in tags.items()},
    }
    if tags:
        facts["aws:tagkeys"] = tuple(tags)
    if request.get("TransitiveTagKeys"):
        facts["sts:transitivetagkeys"] = tuple(request["TransitiveTagKeys"])
    if "ExternalId" in request:
        facts["sts:externalid"] = (request["ExternalId"],)
    if source:
        facts["sts:sourceidentity"] = (source,)
    return facts
