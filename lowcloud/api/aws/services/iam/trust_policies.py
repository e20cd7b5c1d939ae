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


def check(context: Context, document: str) -> None:
    """Raise PolicyError, LimitExceededError or AwsError for a text that is no trust policy of this account."""
    policy = documents.parse(document, documents.TRUST)
    if len("".join(document.split())) > CHARACTERS_LIMIT:
        raise LimitExceededError(f"Cannot exceed quota for ACLSizePerRole: {CHARACTERS_LIMIT}")
    for statement in policy.statements:
        for kind, name in sorted(statement.principals):
            if kind == "AWS" and not _exists(context, name):
                raise AwsError("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{name}"')


def _exists(context: Context, name: str) -> bool:
    """Return whether a principal may exist: those of other accounts and the names of sessions are not looked up."""
    if name == "*" or _ACCOUNT.fullmatch(name) or _SESSION.fullmatch(name):
        return True
    parts = arns.parse(name)
    if parts is None or parts.sort not in KINDS:
        return False
    if parts.account_id != context.account_id:
        return True
    try:
        found = resources.find(context, KINDS[parts.sort], parts.name)
    except NotFoundError:
        return False
    return (found.path, found.name) == (parts.path, parts.name)
