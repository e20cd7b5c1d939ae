"""Policy documents: parsed from JSON, checked, and compiled into statements.

Source: IAM User Guide, "Grammar of the IAM JSON policy language".
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lowcloud.core.errors import InvalidError
from lowcloud.core.policies import conditions
from lowcloud.core.policies.conditions import Condition
from lowcloud.core.policies.requests import AccessRequest
from lowcloud.core.policies.templates import ARN_PARTS, Template

VERSIONS = ("2012-10-17", "2008-10-17")
PRINCIPAL_TYPES = ("AWS", "Service", "Federated", "CanonicalUser")
EVERYONE = ("AWS", "*")

ELEMENTS = (
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
)
_ACTION = re.compile(r"\*|[a-z0-9-]+:[\w*?-]+", re.ASCII | re.IGNORECASE)
INDEXED_ACTIONS = 1024  # for how many actions the statements that name them are kept


class PolicyError(InvalidError):
    """A text is not a policy. The message says where it is wrong, in the words of IAM."""


@dataclass(frozen=True)
class Elements:
    """Which elements the statements of a sort of policy have."""

    principal: bool = False  # required, or not allowed
    not_principal: bool = False  # NotPrincipal may be in its place
    resource: bool = True
    services: tuple[str, ...] = ()  # whose actions it may name; none: all


IDENTITY = Elements()
RESOURCE = Elements(principal=True, not_principal=True)
TRUST = Elements(principal=True, resource=False, services=("sts",))


@dataclass(frozen=True)
class Statement:
    """One statement of a policy."""

    sid: str
    allows: bool
    actions: tuple[Template, ...]  # in lower case
    excludes_actions: bool  # NotAction: all but these
    resources: tuple[Template, ...]
    excludes_resources: bool
    principals: frozenset[tuple[str, str]] = frozenset()  # (type, name); empty in identity-based policies
    excludes_principals: bool = False
    conditions: tuple[Condition, ...] = ()

    @property
    def is_unconditional(self) -> bool:
        """Whether the statement is about all resources in all circumstances."""
        return not self.conditions and not self.excludes_resources and any(one.text == "*" for one in self.resources)

    def names_action(self, action: str) -> bool:
        """Return whether the statement is about an action, given in lower case."""
        return any(pattern.matches(action, {}) for pattern in self.actions) != self.excludes_actions

    def applies(self, request: AccessRequest) -> bool:
        """Return whether resource and conditions agree with the request."""
        if not self._names_resource(request):
            return False
        return not self.conditions or all(condition.is_met(request.facts) for condition in self.conditions)

    def _names_resource(self, request: AccessRequest) -> bool:
        if not self.resources:  # a trust policy
            return True
        found = any(pattern.matches_resource(request.resource, request.facts) for pattern in self.resources)
        return found != self.excludes_resources


@dataclass(frozen=True)
class Policy:
    """One policy. `name` identifies it in decisions: the name of an inline policy, or the ARN of a managed one."""

    text: str
    statements: tuple[Statement, ...]
    name: str = ""
    _on: dict[tuple[str, bool], tuple[Statement, ...]] = field(default_factory=dict, repr=False, compare=False)

    def statements_on(self, action: str, allows: bool) -> tuple[Statement, ...]:
        """Return the statements that allow an action to some, or those that deny it."""
        found = self._on.get((action, allows))
        if found is None:
            named = action.lower()
            found = tuple(one for one in self.statements if one.allows == allows and one.names_action(named))
            if len(self._on) < INDEXED_ACTIONS:  # simulations ask for any text
                self._on[action, allows] = found
        return found

    @cached_property
    def context_keys(self) -> tuple[str, ...]:
        """The condition keys that the policy asks about, those of variables included, each as it is written first."""
        written: dict[str, str] = {}
        for statement in self.statements:
            for key in _keys(statement):
                written.setdefault(key.lower(), key)
        return tuple(written.values())


def parse(text: str, elements: Elements, name: str = "") -> Policy:
    """Parse and check a policy document. Raises PolicyError."""
    document = _load(text)
    _check_names(document, ("Version", "Id", "Statement"), "policy")
    version = document.get("Version", VERSIONS[1])
    if version not in VERSIONS:
        raise PolicyError(f"Syntax errors in policy: Version must be {VERSIONS[0]} or {VERSIONS[1]}.")
    if not isinstance(document.get("Id", ""), str):
        raise PolicyError("Syntax errors in policy: Id must be a text.")
    if "Statement" not in document:
        raise PolicyError("Syntax errors in policy: it has no Statement.")
    listed = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    if not listed:
        raise PolicyError("Syntax errors in policy: Statement is empty.")
    statements = tuple(_statement(statement, elements, version == VERSIONS[0]) for statement in listed)
    sids = [statement.sid for statement in statements if statement.sid]
    if len(set(sids)) < len(sids):
        raise PolicyError("Statement IDs (SID) in a single policy must be unique.")
    return Policy(text, statements, name)


def _load(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text, object_pairs_hook=_without_repetition)
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()  # not every text of JSON is one of UTF-8
    except (ValueError, RecursionError) as error:
        raise PolicyError("This policy contains invalid Json") from error
    if not isinstance(document, dict):
        raise PolicyError("Syntax errors in policy: it must be an object.")
    return document


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. Of elements that are there twice, another reader may take the other one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise PolicyError("Syntax errors in policy: an element is given twice.")
    return found


def _check_names(found: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    if unknown := found.keys() - set(known):
        raise PolicyError(f"Syntax errors in policy: unknown element {min(unknown)[:64]!r} of a {where}.")


def _statement(found: Any, elements: Elements, has_variables: bool) -> Statement:
    if not isinstance(found, dict):
        raise PolicyError("Syntax errors in policy: a Statement must be an object.")
    _check_names(found, ELEMENTS, "statement")
    if not isinstance(found.get("Sid", ""), str):
        raise PolicyError("Syntax errors in policy: Sid must be a text.")
    if found.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError("Syntax errors in policy: Effect must be Allow or Deny.")
    resources, excludes_resources = _resources(found, elements, has_variables)
    principals, excludes_principals = _principals(found, elements)
    actions, excludes_actions = _actions(found, elements)
    return Statement(
        found.get("Sid", ""),
        found["Effect"] == "Allow",
        actions,
        excludes_actions,
        resources,
        excludes_resources,
        principals,
        excludes_principals,
        _conditions(found.get("Condition", {}), has_variables),
    )


def _actions(found: Mapping[str, Any], elements: Elements) -> tuple[tuple[Template, ...], bool]:
    name, actions = _one_of(found, "Action", "Policy statement must contain actions.")
    for action in actions:
        if not _ACTION.fullmatch(action):
            raise PolicyError(
                f"Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: {action[:64]!r}"
            )
        if elements.services and action != "*" and action.lower().partition(":")[0] not in elements.services:
            raise PolicyError(f"The policy may only specify actions of {', '.join(elements.services)}: {action[:64]!r}")
    return tuple(Template(action.lower(), has_variables=False) for action in actions), name == "NotAction"


def _resources(found: Mapping[str, Any], elements: Elements, has_variables: bool) -> tuple[tuple[Template, ...], bool]:
    if not elements.resource:
        if "Resource" in found or "NotResource" in found:
            raise PolicyError("Has prohibited field Resource")
        return (), False
    name, resources = _one_of(found, "Resource", "Policy statement must contain resources.")
    for resource in resources:
        is_arn = resource.startswith("arn:") and (resource.count(":") >= ARN_PARTS - 1 or resource.endswith("*"))
        if resource != "*" and not is_arn:
            raise PolicyError(f'Resource {resource[:128]} must be in ARN format or "*".')
    return tuple(Template(resource, has_variables) for resource in resources), name == "NotResource"


def _principals(found: Mapping[str, Any], elements: Elements) -> tuple[frozenset[tuple[str, str]], bool]:
    if not elements.principal:
        if "Principal" in found or "NotPrincipal" in found:
            raise PolicyError("Policy document should not specify a principal.")
        return frozenset(), False
    if ("Principal" in found) == ("NotPrincipal" in found):
        raise PolicyError("Missing required field Principal")
    name = "Principal" if "Principal" in found else "NotPrincipal"
    if name == "NotPrincipal" and not elements.not_principal:
        raise PolicyError("Policy document should not specify NotPrincipal.")
    if name == "NotPrincipal" and found["Effect"] == "Allow":
        raise PolicyError("Allow with NotPrincipal is not allowed.")
    principal = found[name]
    if principal == "*":
        return frozenset([EVERYONE]), name == "NotPrincipal"
    if not isinstance(principal, dict) or not principal:
        raise PolicyError("Invalid principal in policy")
    _check_names(principal, PRINCIPAL_TYPES, "Principal")
    named = [(kind, one) for kind, names in principal.items() for one in _texts(names, "Principal")]
    return frozenset(named), name == "NotPrincipal"


def _conditions(found: Any, has_variables: bool) -> tuple[Condition, ...]:
    if not isinstance(found, dict):
        raise PolicyError("Syntax errors in policy: Condition must be an object.")
    parsed = []
    for name, keys in found.items():
        try:
            operator_name, operator, quantifier, if_exists = conditions.parse_operator(name)
        except ValueError as error:
            raise PolicyError(f"Invalid Condition type : {name[:64]}") from error
        if not isinstance(keys, dict):
            raise PolicyError(f"Syntax errors in policy: {name} must be an object of condition keys.")
        if len({key.lower() for key in keys}) < len(keys):
            raise PolicyError(f"Syntax errors in policy: a condition key of {name} is given twice.")
        check = conditions.boolean if operator is None else operator.check
        for key, values in keys.items():
            takes_variables = has_variables and (operator is None or operator.takes_variables)
            templates = _condition_values(f"{name} of {key[:128]}", values, check, takes_variables)
            parsed.append(Condition(operator_name, operator, key, templates, quantifier, if_exists))
    return tuple(parsed)


def _condition_values(
    where: str, values: Any, check: Callable[[str], object], has_variables: bool
) -> tuple[Template, ...]:
    try:
        texts = [conditions.normalise(value) for value in (values if isinstance(values, list) else [values])]
        templates = tuple(Template(text, has_variables) for text in texts)
        for template in templates:
            if not template.variables:
                check(template.text)
    except ValueError as error:
        raise PolicyError(f"Syntax errors in policy: {where}: {error}") from error
    return templates


def _one_of(found: Mapping[str, Any], name: str, missing: str) -> tuple[str, list[str]]:
    """Return the texts of an element or of its opposite, with the name of the one that is there."""
    opposite = f"Not{name}"
    if (name in found) == (opposite in found):
        raise PolicyError(missing)
    given = name if name in found else opposite
    return given, _texts(found[given], given)


def _texts(value: Any, where: str) -> list[str]:
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise PolicyError(f"Syntax errors in policy: {where} must be a text or a list of texts.")
    return texts


def _keys(statement: Statement) -> Iterator[str]:
    for resource in statement.resources:
        yield from resource.variables
    for condition in statement.conditions:
        yield condition.written_key
        for value in condition.values:
            yield from value.variables
