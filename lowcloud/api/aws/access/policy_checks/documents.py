"""All checks of a policy document: its elements, and what each of them names."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from lowcloud.api.aws.access.policy_checks import actions, arns, conditions
from lowcloud.api.aws.access.policy_checks.findings import ERROR, SECURITY_WARNING, WARNING, Finding, error
from lowcloud.core.policies import documents
from lowcloud.core.policies.documents import Elements, PolicyError
from lowcloud.core.policies.positions import Path

_PAIRS = (("Action", "NotAction"), ("Resource", "NotResource"), ("Principal", "NotPrincipal"))


def check(text: str, elements: Elements) -> list[Finding]:
    """Return what is wrong with a policy: nothing that is refused when it is stored is without an ERROR."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as fault:
        where = f"character {fault.colno} in line {fault.lineno}"
        return [Finding(ERROR, "JSON_SYNTAX_ERROR", f"Fix the JSON syntax error at {where}.", offset=fault.pos)]
    except (ValueError, RecursionError):
        return [Finding(ERROR, "JSON_SYNTAX_ERROR", "Fix the JSON: it is too deep or too large.", offset=0)]
    found = list(_of_document(document, elements))
    if not any(finding.type == ERROR for finding in found):
        try:
            documents.parse(text, elements)
        except PolicyError as fault:
            found.append(error("INVALID_POLICY_ELEMENT", str(fault)))
    return found


def _of_document(document: Any, elements: Elements) -> Iterator[Finding]:
    if not isinstance(document, dict):
        yield _mismatch("object", ())
        return
    for name in document.keys() - {"Version", "Id", "Statement"}:
        yield error("INVALID_POLICY_ELEMENT", f"The policy element {name[:64]} is not valid.", (name,))
    if "Version" not in document:
        details = "We recommend that you specify the Version element to help you with debugging permission issues."
        yield Finding(WARNING, "MISSING_VERSION", details)
    elif document["Version"] not in documents.VERSIONS:
        details = f"The version is not valid. Use one of the following versions: {', '.join(documents.VERSIONS)}"
        yield error("INVALID_VERSION", details, ("Version",))
    if "Statement" not in document:
        yield error("MISSING_STATEMENT", "Add a Statement element to the policy.")
        return
    listed = document["Statement"]
    numbered = enumerate(listed) if isinstance(listed, list) else [(None, listed)]
    for number, statement in numbered:
        path: Path = ("Statement",) if number is None else ("Statement", number)
        if isinstance(statement, dict):
            yield from _of_statement(statement, path, elements)
        else:
            yield _mismatch("object", path)
    if isinstance(listed, list):
        yield from _repeated_sids(listed)


def _repeated_sids(listed: list[Any]) -> Iterator[Finding]:
    sids = [one.get("Sid") if isinstance(one, dict) else None for one in listed]
    counts = Counter(sid for sid in sids if isinstance(sid, str) and sid)
    for number, sid in enumerate(sids):
        if isinstance(sid, str) and counts[sid] > 1:
            details = "Duplicate statement IDs are not supported for this policy type. Update the Sid value."
            yield error("UNIQUE_SIDS_REQUIRED", details, ("Statement", number, "Sid"))


def _of_statement(statement: Mapping[str, Any], path: Path, elements: Elements) -> Iterator[Finding]:
    yield from _of_elements(statement, path, elements)
    if "NotPrincipal" in statement and statement.get("Effect") == "Allow":
        details = "Using Allow with NotPrincipal can be overly permissive. We recommend that you use Principal instead."
        yield Finding(SECURITY_WARNING, "ALLOW_WITH_NOT_PRINCIPAL", details, [(*path, "NotPrincipal")])
    for check_elements in (actions.check, arns.check):
        yield from check_elements(statement, path)
    condition = statement.get("Condition", {})
    if isinstance(condition, dict):
        yield from conditions.check(condition, (*path, "Condition"))
    else:
        yield _mismatch("object", (*path, "Condition"))


def _of_elements(statement: Mapping[str, Any], path: Path, elements: Elements) -> Iterator[Finding]:
    """Yield which elements are missing, unknown, or not to be there."""
    for name in statement.keys() - set(documents.ELEMENTS):
        yield error("INVALID_POLICY_ELEMENT", f"The policy element {name[:64]} is not valid.", (*path, name))
    if "Effect" not in statement:
        details = "Add an Effect element to the policy statement with a value of Allow or Deny."
        yield error("MISSING_EFFECT", details, path)
    elif statement["Effect"] not in ("Allow", "Deny"):
        yield error("INVALID_EFFECT", "The effect is not valid. Use Allow or Deny.", (*path, "Effect"))
    takes = {"Action": True, "Resource": elements.resource, "Principal": elements.principal}
    for name, opposite in _PAIRS:
        given = [one for one in (name, opposite) if one in statement]
        if len(given) > 1:
            details = f"The policy elements {name} and {opposite} can not be used in the same statement. Remove one."
            yield error("UNSUPPORTED_ELEMENT_COMBINATION", details, *((*path, one) for one in given))
        elif given and not takes[name]:
            code, details = (
                f"UNSUPPORTED_{name.upper()}",
                f"This type of policy does not support {given[0]}. Remove it.",
            )
            yield error(code, details, (*path, given[0]))
        elif not given and takes[name]:
            article = "an" if name == "Action" else "a"
            yield error(
                f"MISSING_{name.upper()}", f"Add {article} {name} or {opposite} element to the statement.", path
            )


def _mismatch(expected: str, path: Path) -> Finding:
    return error("DATA_TYPE_MISMATCH", f"The text does not match the expected JSON data type {expected}.", path)
