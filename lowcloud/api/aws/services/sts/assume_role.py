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
from lowcloud.core.policies.requests import Facts


@operation(
    "sts", "AssumeRole", NOTHING, refused=("SerialNumber", "TokenCode", "MinimumSessionTokenSize", "ProvidedContexts")
)
def assume_role(context: Context, caller: Caller, request: Request) -> Answer:
    """AWS gives no other reason than that it is denied, whether the role exists or not."""
    limits = read_limits(context, request)
    transitive = _transitive_tags(caller, request, limits.tags)
    role = find_role(context, request["RoleArn"])
    facts = _facts(request, limits.tags)
    actions = [trust.ASSUME_ROLE]
    if limits.tags or transitive:
        actions.append(trust.TAG_SESSION)
    if "SourceIdentity" in request:
        actions.append(trust.SET_SOURCE_IDENTITY)
    for action in actions:
        if role is None or not trust.may(context, caller, role, action, facts):
            raise denied(f"User: {caller.arn} is not authorized to perform: {action} on resource: {request['RoleArn']}")
    assert role is not None
    source = request.get("SourceIdentity", caller.source_identity)
    if caller.source_identity and source != caller.source_identity:
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


def _facts(request: Request, tags: Mapping[str, str]) -> Facts:
    """Return the condition keys of the request."""
    facts: dict[str, tuple[str, ...]] = {
        "sts:rolesessionname": (request["RoleSessionName"],),
        **{f"aws:requesttag/{key.lower()}": (value,) for key, value in tags.items()},
    }
    if tags:
        facts["aws:tagkeys"] = tuple(tags)
    if request.get("TransitiveTagKeys"):
        facts["sts:transitivetagkeys"] = tuple(request["TransitiveTagKeys"])
    for member, key in (("ExternalId", "sts:externalid"), ("SourceIdentity", "sts:sourceidentity")):
        if member in request:
            facts[key] = (request[member],)
    return facts
