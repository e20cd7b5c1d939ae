"""AssumeRoleWithWebIdentity: a token of an OpenID Connect issuer takes the place of a signature."""

from dataclasses import replace

from lowcloud.api.aws.access.permissions import NOTHING
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sts.errors import denied
from lowcloud.api.aws.services.sts.translation import check_duration, describe_session, find_role, read_limits
from lowcloud.core.context import Context
from lowcloud.core.identity import roles, sessions, trust
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.federation import web_identity
from lowcloud.core.identity.federation.web_identity import WebIdentity
from lowcloud.core.policies.requests import Values

ACTION = "sts:AssumeRoleWithWebIdentity"


@operation("sts", "AssumeRoleWithWebIdentity", NOTHING, refused=("ProviderId", "MinimumSessionTokenSize"))
def assume_role_with_web_identity(context: Context, caller: Caller, request: Request) -> Answer:
    limits = read_limits(context, request)
    identity = _verify(context, request["WebIdentityToken"])
    role = find_role(context, request["RoleArn"])
    facts = _facts(identity, request)
    actions = [ACTION]
    actions += [trust.TAG_SESSION] if identity.tags else []
    actions += [trust.SET_SOURCE_IDENTITY] if identity.source_identity else []
    for action in actions:
        if role is None or not trust.may_federated(context, identity.provider.arn, role, action, facts):
            raise denied(f"Not authorized to perform {action}")
    assert role is not None
    seconds = request.get("DurationSeconds", roles.DEFAULT_SESSION_SECONDS)
    check_duration(role, None, seconds)
    assumed = replace(
        sessions.caller_of_role(role, request["RoleSessionName"]),
        policies=limits.policies,
        tags=identity.tags,
        transitive_tags=identity.transitive_tags,
        source_identity=identity.source_identity,
        provider=identity.provider.arn,
        subject=identity.subject,
    )
    return {
        **describe_session(sessions.issue(context, assumed, seconds)),
        **limits.packed_member,
        "SubjectFromWebIdentityToken": identity.subject,
        "Audience": identity.audience,
        "Provider": identity.provider.arn,
    }


def _verify(context: Context, token: str) -> WebIdentity:
    try:
        identity = web_identity.verify(context, token)
        assert identity.tags is not None  # raises for tags that are none
        return identity
    except web_identity.ExpiredTokenError as error:
        raise AwsError("ExpiredTokenException", str(error)) from error
    except web_identity.InvalidTokenError as error:
        raise AwsError("InvalidIdentityToken", str(error)) from error
    except web_identity.IssuerUnreachableError as error:
        raise AwsError("IDPCommunicationError", str(error)) from error


def _facts(identity: WebIdentity, request: Request) -> dict[str, Values]:
    """Return the condition keys of the request and its token."""
    facts = {**identity.facts, "sts:rolesessionname": (request["RoleSessionName"],)}
    facts |= {f"aws:requesttag/{key.lower()}": (value,) for key, value in identity.tags.items()}
    if identity.tags:
        facts["aws:tagkeys"] = tuple(identity.tags)
    if identity.transitive_tags:
        facts["sts:transitivetagkeys"] = identity.transitive_tags
    if identity.source_identity:
        facts["sts:sourceidentity"] = (identity.source_identity,)
    return facts
