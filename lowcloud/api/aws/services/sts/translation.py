"""Members of requests and answers that several STS operations share: credentials, session policies and tags."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Request
from lowcloud.api.aws.services.sts.errors import invalid
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity import arns, managed_policies
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.roles import ROLE, Role
from lowcloud.core.identity.sessions import Credentials
from lowcloud.core.policies import documents

POLICIES_LIMIT = 10  # ARNs of one session
CHARACTERS_LIMIT = 2048  # of all session policies
PACKED_BYTES = 4096  # of policies and tags, compressed


@dataclass(frozen=True)
class Limits:
    """The session policies and tags that a request asks for."""

    policies: tuple[str, ...] | None  # None: no policies
    tags: Mapping[str, str]
    packed_percent: int

    @property
    def packed_member(self) -> Mapping[str, Any]:
        """The member of the answer for the size, if there is any."""
        return {"PackedPolicySize": self.packed_percent} if self.policies or self.tags else {}


def read_limits(context: Context, request: Request) -> Limits:
    """Return the session policies and tags of a request. Raises AwsError and PolicyError."""
    tags = _tags(request)
    policies = (*_policy_arns(context, request), *([request["Policy"]] if "Policy" in request else []))
    if "Policy" in request:
        documents.parse(request["Policy"], documents.IDENTITY)
    characters = sum(map(len, policies))
    packed = len(zlib.compress(json.dumps([policies, tags]).encode(), 9)) if policies or tags else 0
    percent = max(-(-100 * packed // PACKED_BYTES), -(-100 * characters // CHARACTERS_LIMIT))
    if percent > 100:
        raise AwsError(
            "PackedPolicyTooLarge", f"Packed policy consumes {percent}% of allotted space, please use smaller policy."
        )
    return Limits(policies or None, tags, percent)


def find_role(context: Context, arn: str) -> Role | None:
    """Return the role of an ARN, if it exists."""
    parts = arns.parse(arn)
    if parts is None or parts.sort != "role" or parts.account_id != context.account_id:
        return None
    try:
        role = resources.find(context, ROLE, parts.name)
    except NotFoundError:
        return None
    return role if role.path == parts.path else None


def check_duration(role: Role, caller: Caller | None, seconds: int) -> None:
    """Raise AwsError for a session that is longer than its role allows, or than an hour if a role assumes a role."""
    if seconds > role.max_session_seconds:
        raise invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    if caller is not None and caller.role is not None and seconds > 3600:
        raise invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )


def describe_session(session: Credentials) -> dict[str, Any]:
    """Return the members of an answer that gives a session of a role."""
    caller = session.caller
    return {
        "Credentials": credentials(session),
        "AssumedRoleUser": {"AssumedRoleId": caller.principal_id, "Arn": caller.arn},
        "SourceIdentity": caller.source_identity or None,
    }


def credentials(session: Credentials) -> Mapping[str, Any]:
    """Return the Credentials member."""
    return {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_access_key,
        "SessionToken": session.session_token,
        "Expiration": session.expires_at,
    }


def _tags(request: Request) -> dict[str, str]:
    found = request.get("Tags", [])
    tags = {tag["Key"]: tag["Value"] for tag in found}
    if len({key.lower() for key in tags}) < len(found):
        raise AwsError(
            "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        )
    if any(key.lower().startswith("aws:") for key in tags):
        raise AwsError("InvalidParameterValue", "Tag keys that begin with aws: are reserved for AWS use.")
    return tags


def _policy_arns(context: Context, request: Request) -> list[str]:
    found = [one.get("arn", "") for one in request.get("PolicyArns", [])]
    if len(found) > POLICIES_LIMIT:
        raise invalid(f"A session has at most {POLICIES_LIMIT} managed policies.")
    for arn in found:
        try:
            managed_policies.find(context, arn)
        except NotFoundError as error:
            raise invalid(f"The managed policy {arn} does not exist.") from error
    return found
