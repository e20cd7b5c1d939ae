"""Trust policies as roles get them: their grammar, their size, and whether the principals that they name exist."""

import re
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import LimitExceededError, NotFoundError
from lowcloud.core.identity import arns
from lowcloud.core.identity.roles import ROLE
from lowcloud.core.identity.users import USER
from lowcloud.core.policies import documents
from lowcloud.core.resource_kind import ResourceKind

CHARACTERS_LIMIT = 4096  # without white space; the default of AWS is half of it
KINDS: dict[str, ResourceKind[Any]] = {"user": USER, "role": ROLE}

_ACCOUNT = re.compile(r"\d{12}|arn:aws:iam::\d{12}:root", re.ASCII)
_SESSION = re.compile(r"arn:aws:sts::\d{12}:(assumed-role/[\w+=,.@-]+|federated-user)/[\w+=,.@-]+", re.ASCII)


def check(context: Context, document: str) -> dict[str, str]:
    """Return the ids of the account's users and roles that a trust policy names, by their ARNs.

    Raises PolicyError, LimitExceededError or AwsError for a text that is no trust policy of this account.
    """
    policy = documents.parse(document, documents.TRUST)
    if len("".join(document.split())) > CHARACTERS_LIMIT:
        raise LimitExceededError(f"Cannot exceed quota for ACLSizePerRole: {CHARACTERS_LIMIT}")
    named = {name for statement in policy.statements for kind, name in statement.principals if kind == "AWS"}
    return {name: found for name in sorted(named) if (found := _id_of(context, name)) is not None}


def _id_of(context: Context, name: str) -> str | None:
    """Return the id of a user or role; None for what is not looked up: accounts, sessions, and others' principals."""
    if name == "*" or _ACCOUNT.fullmatch(name) or _SESSION.fullmatch(name):
        return None
    invalid = AwsError("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{name}"')
    parts = arns.parse(name)
    if parts is None or parts.sort not in KINDS:
        raise invalid
    if parts.account_id != context.account_id:
        return None
    try:
        found = resources.find(context, KINDS[parts.sort], parts.name)
    except NotFoundError:
        raise invalid from None
    if (found.path, found.name) != (parts.path, parts.name):
        raise invalid
    return str(found.id)
