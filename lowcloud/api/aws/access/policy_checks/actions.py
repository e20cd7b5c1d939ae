"""Checks of the actions of a statement, and of what passing a role to a service means."""

from collections.abc import Iterator, Mapping
from typing import Any

from lowcloud.api.aws.access import reference
from lowcloud.api.aws.access.policy_checks.findings import SECURITY_WARNING, Finding, error
from lowcloud.api.aws.access.policy_checks.texts import check_redundancy, check_types, texts_of
from lowcloud.core.patterns import wildcard_pattern
from lowcloud.core.policies.positions import Path

_PASS_ROLE = "iam:passrole"


def check(statement: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    """Yield what is wrong with the actions of a statement."""
    yield from check_types(statement, path, "Action", "NotAction")
    named = texts_of(statement, path, "Action", "NotAction")
    for action, where in named:
        yield from _of_action(action, where)
    yield from check_redundancy([(action.lower(), where) for action, where in named], "action")
    if statement.get("Effect") == "Allow":
        yield from _of_pass_role(statement, path)


def _of_action(action: str, path: Path) -> Iterator[Finding]:
    if action == "*":
        return
    prefix, colon, name = action.partition(":")
    if not colon or not name:
        yield error("INVALID_ACTION", f"The action {action[:64]} does not exist: it has no service prefix.", path)
        return
    if prefix.lower() not in reference.prefixes():
        details = f"The service {prefix[:64]} specified in the action does not exist."
        yield error("INVALID_SERVICE_IN_ACTION", details, path)
        return
    service = reference.find(prefix.lower())
    if service is not None and not service.names_of(name):
        yield error("INVALID_ACTION", f"The action {action[:128]} does not exist.", path)


def _of_pass_role(statement: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    """Yield the ways in which a statement lets roles be passed that it does not name, to any service."""
    stars = [where for text, where in texts_of(statement, path, "Resource") if text in ("*", "arn:aws:iam::*:role/*")]
    condition = statement.get("Condition", {})
    if not stars or "iam:passedtoservice" in str(condition).lower():
        return
    advice = "We recommend that you specify resource ARNs or add the iam:PassedToService condition key."
    for action, where in texts_of(statement, path, "Action"):
        if wildcard_pattern(action.lower()).matches(_PASS_ROLE):
            is_named = action.lower() == _PASS_ROLE
            code = "PASS_ROLE_WITH_STAR_IN_RESOURCE" if is_named else "PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE"
            which = "in the resource" if is_named else "in the action and the resource"
            details = f"Using the iam:PassRole action with wildcards (*) {which} can be overly permissive. {advice}"
            yield Finding(SECURITY_WARNING, code, details, [where, *stars])
    excluded = texts_of(statement, path, "NotAction")
    if excluded and not any(wildcard_pattern(action.lower()).matches(_PASS_ROLE) for action, _ in excluded):
        code = "PASS_ROLE_WITH_NOT_ACTION_AND_STAR_IN_RESOURCE"
        details = f"Using NotAction with a wildcard (*) in the resource allows iam:PassRole. {advice}"
        yield Finding(SECURITY_WARNING, code, details, [(*path, "NotAction"), *stars])
