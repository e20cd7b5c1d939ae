"""IAM policy documents: whether they are well-formed, and which principals a trust policy admits."""

import json
from collections.abc import Iterator
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.core import patterns

VERSIONS = ("2012-10-17", "2008-10-17")
_STATEMENT_KEYS = frozenset(
    ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
)

_EXACT, _LIKE = "stringequals", ("stringlike", "arnlike", "arnequals")  # ArnEquals takes wildcards, too
_IF_EXISTS = "ifexists"


def check_policy(text: str) -> None:
    """Raise AwsError (MalformedPolicyDocument) for a text that is not an identity-based policy."""
    for statement in _statements(text):
        if "Principal" in statement or "NotPrincipal" in statement:
            raise _malformed("Policy document should not specify a principal.")
        if "Resource" not in statement and "NotResource" not in statement:
            raise _malformed("Policy statement must contain resources.")


def check_trust_policy(text: str) -> None:
    """Raise AwsError (MalformedPolicyDocument) for a text that is not a trust policy."""
    for statement in _statements(text):
        if "Principal" not in statement and "NotPrincipal" not in statement:
            raise _malformed("AssumeRole policy must contain a Principal.")
        if "Resource" in statement or "NotResource" in statement:
            raise _malformed("Has prohibited field Resource")
        if any(action != "*" and not action.lower().startswith("sts:") for action in _as_list(statement.get("Action"))):
            raise _malformed("AssumeRole policy may only specify STS AssumeRole actions.")


def trusts(trust_policy: str, account_id: str, principal_arn: str) -> bool:
    """Return whether a principal of an account may assume a role with this trust policy.

    Conditions are not evaluated: a statement with one never allows, but denies the principals that it names.
    """
    accepted = (account_id, f"arn:aws:iam::{account_id}:root", principal_arn, _role_arn(principal_arn), "*")
    return _allows(trust_policy, "AWS", accepted)


def trusts_service(trust_policy: str, service: str, source_arn: str) -> bool:
    """Return whether a service, e.g. sagemaker.amazonaws.com, may assume a role with this trust policy.

    `source_arn` is what the ARNs of the account's resources in this service begin with: up to its fifth colon.
    Conditions on aws:SourceAccount and aws:SourceArn are evaluated, whichever resource the latter name. Others are
    treated as `trusts` does.
    """
    return _allows(trust_policy, "Service", (service,), source_arn)


def _allows(trust_policy: str, kind: str, accepted: tuple[str, ...], source_arn: str = "") -> bool:
    is_allowed = False
    for statement in _statements(trust_policy):
        if not _covers_assume_role(statement):
            continue
        named = _names_principal(statement, kind, accepted)
        if statement["Effect"] == "Deny" and named:
            return False
        is_allowed = is_allowed or (named and _meets_conditions(statement, source_arn))
    return is_allowed


def _meets_conditions(statement: dict[str, Any], source_arn: str) -> bool:
    """Return whether all conditions of a statement are known to be true."""
    return all(
        isinstance(operands, dict)
        and all(
            any(
                _is_source(operator.lower().removesuffix(_IF_EXISTS), key.lower(), value, source_arn)
                for value in values
            )
            for key, values in ((key, _as_list(given)) for key, given in operands.items())
        )
        for operator, operands in statement.get("Condition", {}).items()
    )


def _is_source(operator: str, key: str, value: Any, source_arn: str) -> bool:
    """Return whether the source of the request is what one value of a condition says."""
    if not source_arn or not isinstance(value, str) or operator not in (_EXACT, *_LIKE):
        return False
    expected = source_arn.split(":")[:5]
    if key == "aws:sourceaccount" and not operator.startswith("arn"):
        given, expected = [value], expected[4:]
    elif key == "aws:sourcearn":
        given = value.split(":", 5)
        if len(given) < 6:  # the wildcard of a text may stand for several parts
            return operator == "stringlike" and patterns.matches(value, f"{source_arn}x/x")
        given = given[:5]
    else:
        return False
    is_like = operator in _LIKE
    pairs = zip(given, expected, strict=True)
    return all(patterns.matches(one, part) if is_like else one == part for one, part in pairs)


def _statements(text: str) -> Iterator[dict[str, Any]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _malformed("This policy contains invalid Json") from error
    if not isinstance(document, dict) or document.get("Version", VERSIONS[0]) not in VERSIONS:
        raise _malformed("The policy must be an object whose Version is 2012-10-17 or 2008-10-17.")
    statements = document.get("Statement")
    listed: list[Any] = statements if isinstance(statements, list) else [statements]
    if not listed:
        raise _malformed("The policy has no statements.")
    for statement in listed:
        _check_statement(statement)
        yield statement


def _check_statement(statement: Any) -> None:
    if not isinstance(statement, dict):
        raise _malformed("Syntax errors in policy: a Statement must be an object.")
    unknown = set(statement) - _STATEMENT_KEYS
    if unknown:
        raise _malformed(f"Syntax errors in policy: unknown element {min(unknown)[:64]!r}.")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise _malformed("Syntax errors in policy: Effect must be Allow or Deny.")
    if ("Action" in statement) == ("NotAction" in statement):
        raise _malformed("Policy statement must contain actions.")
    for name in ("Action", "NotAction", "Resource", "NotResource"):
        if name in statement and not all(isinstance(item, str) for item in _as_list(statement[name])):
            raise _malformed(f"Syntax errors in policy: {name} must be a text or a list of texts.")
    if not isinstance(statement.get("Condition", {}), dict):
        raise _malformed("Syntax errors in policy: Condition must be an object.")
    principal = statement.get("Principal", statement.get("NotPrincipal", "*"))
    if principal != "*" and not isinstance(principal, dict):
        raise _malformed('Syntax errors in policy: Principal must be "*" or an object.')


def _covers_assume_role(statement: dict[str, Any]) -> bool:
    matches = any(patterns.matches(action.lower(), "sts:assumerole") for action in _as_list(statement.get("Action")))
    return matches if "Action" in statement else False


def _names_principal(statement: dict[str, Any], kind: str, accepted: tuple[str, ...]) -> bool:
    """Return whether the statement's Principal includes one of these; NotPrincipal never does."""
    principal = statement.get("Principal")
    if not isinstance(principal, dict):
        return bool(principal == "*")
    return any(name in accepted for name in _as_list(principal.get(kind)))


def _role_arn(principal_arn: str) -> str:
    """Return the role of an assumed-role session, or the principal itself."""
    head, found, rest = principal_arn.replace(":sts:", ":iam:").partition(":assumed-role/")
    return f"{head}:role/{rest.partition('/')[0]}" if found else principal_arn


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _malformed(message: str) -> AwsError:
    return AwsError("MalformedPolicyDocument", message)
