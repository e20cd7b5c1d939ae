"""An evaluator that shares nothing with the one of the cloud: slow, and written to be compared with AWS's text.

It reads documents as JSON objects. Source: IAM User Guide, "Policy evaluation logic", "Cross-account policy evaluation
logic", "IAM JSON policy elements" (Resource, NotPrincipal, Condition operators, Variables and tags), "Conditions with
multiple context keys or values".
"""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

Document = Mapping[str, Any]
Facts = Mapping[str, Sequence[str]]
ALLOWED, EXPLICIT_DENY, IMPLICIT_DENY = "allowed", "explicitDeny", "implicitDeny"


@dataclass(frozen=True)
class Subject:
    """Who makes a request: `kind` is user, role session, federated user, root, service or anonymous."""

    kind: str
    account: str = ""
    arn: str = ""
    role_arn: str = ""
    canonical: str = ""


@dataclass(frozen=True)
class Question:
    """A request, with all policies that are about it; facts by key in lower case."""

    subject: Subject
    action: str
    resource: str
    owner: str
    facts: Facts
    identity: Sequence[Document] = ()
    boundary: Document | None = None
    session: Sequence[Document] | None = None
    resource_policy: Document | None = None
    needs_resource_policy: bool = False  # roles and keys


def decide(question: Question) -> str:
    """Return the decision as the policy simulator names it."""
    limits = [] if question.boundary is None else [question.boundary]
    of_subject = [*question.identity, *limits, *(question.session or [])]
    if any(applies(question, policy, one, "Deny") for policy in of_subject for one in statements(policy)):
        return EXPLICIT_DENY
    shared = [] if question.resource_policy is None else statements(question.resource_policy)
    for one in shared:
        if applies(question, question.resource_policy, one, "Deny") and is_denied_by(question, one):
            return EXPLICIT_DENY

    grants = {
        grant(question.subject, one) for one in shared if applies(question, question.resource_policy, one, "Allow")
    }
    grants.discard(None)
    same_account = question.subject.account == question.owner and question.subject.account != ""

    if question.subject.kind in ("anonymous", "service"):
        return ALLOWED if grants else IMPLICIT_DENY
    identity_allows = question.subject.kind == "root" or allows(question, question.identity)
    boundary_allows = question.boundary is None or allows(question, [question.boundary])
    session_allows = question.session is None or allows(question, question.session)
    if same_account:
        if "itself" in grants:  # no implicit deny of other policies counts
            return ALLOWED
        if "role" in grants and boundary_allows and session_allows:
            return ALLOWED
        if question.needs_resource_policy and not grants:
            return IMPLICIT_DENY
    elif not grants:  # both accounts must allow
        return IMPLICIT_DENY
    return ALLOWED if identity_allows and boundary_allows and session_allows else IMPLICIT_DENY


def allows(question: Question, policies: Sequence[Document]) -> bool:
    return any(applies(question, policy, one, "Allow") for policy in policies for one in statements(policy))


def statements(policy: Document) -> list[Document]:
    found = policy["Statement"]
    return found if isinstance(found, list) else [found]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def applies(question: Question, policy: Document | None, statement: Document, effect: str) -> bool:
    """Return whether effect, action, resource and conditions of a statement agree with the request."""
    assert policy is not None
    with_variables = policy.get("Version") == "2012-10-17"
    if statement["Effect"] != effect:
        return False
    named = as_list(statement.get("Action", statement.get("NotAction")))
    found = any(glob(wild(one.lower()), question.action.lower()) for one in named)
    if found != ("Action" in statement):
        return False
    if "Resource" in statement or "NotResource" in statement:
        named = as_list(statement.get("Resource", statement.get("NotResource")))
        found = any(is_resource(one, question.resource, question.facts, with_variables) for one in named)
        if found != ("Resource" in statement):
            return False
    return all(
        holds(operator, key, values, question.facts, with_variables)
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def grant(subject: Subject, statement: Document) -> str | None:
    """Return what a statement of the resource's policy names: "itself", "role", "account" or None."""
    principal = statement["Principal"]
    if principal == "*":
        return "itself"
    aws, services = as_list(principal.get("AWS", [])), as_list(principal.get("Service", []))
    if "*" in aws:
        return "itself"
    if subject.kind == "service":
        return "itself" if subject.arn in services else None
    if subject.kind in ("user", "role session", "federated user") and subject.arn in aws:
        return "itself"
    if subject.kind == "role session" and subject.role_arn in aws:
        return "role"
    return "account" if names_account(subject, principal) else None


def names_account(subject: Subject, principal: Mapping[str, Any]) -> bool:
    if not subject.account:
        return False
    names = as_list(principal.get("AWS", []))
    if subject.account in names or f"arn:aws:iam::{subject.account}:root" in names:
        return True
    return subject.canonical != "" and subject.canonical in as_list(principal.get("CanonicalUser", []))


def is_denied_by(question: Question, statement: Document) -> bool:
    """Return whether a statement that denies is about the subject."""
    subject = question.subject
    if "Principal" in statement:
        return grant(subject, statement) is not None
    if question.boundary is not None:  # "will always deny any IAM principal that has a permissions boundary"
        return True
    spared = statement["NotPrincipal"]
    if spared == "*" or "*" in as_list(spared.get("AWS", [])):
        return False
    if subject.kind == "service":
        return subject.arn not in as_list(spared.get("Service", []))
    needed = {"user": [subject.arn], "federated user": [subject.arn], "root": []}.get(subject.kind)
    if subject.kind == "role session":  # AWS verifies the account, then the role, then the session
        needed = [subject.role_arn, subject.arn]
    if needed is None:
        return True
    return not (names_account(subject, spared) and all(one in as_list(spared.get("AWS", [])) for one in needed))


# Texts: a list of characters, of which "any" is *, "one" is ?, and those of a part stand for no colon.

ANY, ONE, ANY_OF_PART, ONE_OF_PART = ("any",), ("one",), ("any of part",), ("one of part",)
WILD = {"*": ANY, "?": ONE}


def wild(text: str) -> list[Any]:
    return [WILD.get(character, character) for character in text]


def fill(text: str, facts: Facts, with_variables: bool) -> list[Any] | None:
    """Return the characters of a text with the values of its variables; None if one has no value.

    Values are single items of the list, so that they are neither wildcards nor colons that divide.
    """
    if not with_variables:
        return wild(text)
    filled: list[Any] = []
    rest = text
    while rest:
        end = rest.find("}")
        inside = rest[2:end]
        if not rest.startswith("${") or end < 0 or "{" in inside:
            filled += wild(rest[0])
            rest = rest[1:]
            continue
        rest = rest[end + 1 :]
        if inside in ("*", "?", "$"):
            filled.append(("value", inside))
            continue
        key, comma, default = inside.partition(",")
        default = default.strip()
        has_default = bool(comma) and len(default) > 1 and default[0] == default[-1] == "'"
        name = key.strip().lower() if has_default else inside.strip().lower()
        values = list(facts.get(name, []))
        if len(values) > 1 or (not values and not has_default):
            return None
        filled.append(("value", values[0] if values else default[1:-1]))
    return filled


def spelled(filled: list[Any]) -> str:
    """Return a filled text in which wildcards are characters like others."""
    back = {ANY: "*", ONE: "?"}
    return "".join(one[1] if one[0] == "value" else back.get(one, one) for one in filled)


def glob(pattern: list[Any], text: str) -> bool:
    if not pattern:
        return text == ""
    first, rest = pattern[0], pattern[1:]
    if first in (ANY, ANY_OF_PART):
        longest = len(text) if first == ANY else len(text.partition(":")[0])
        return any(glob(rest, text[length:]) for length in range(longest + 1))
    if first in (ONE, ONE_OF_PART):
        return text != "" and (first == ONE or text[0] != ":") and glob(rest, text[1:])
    value = first[1] if first[0] == "value" else first
    return text.startswith(value) and glob(rest, text[len(value) :])


def parts_of(filled: list[Any]) -> list[list[Any]]:
    parts: list[list[Any]] = [[]]
    for one in filled:
        if one == ":" and len(parts) < 6:
            parts.append([])
        else:
            parts[-1].append(one)
    return parts


def limited(part: list[Any]) -> list[Any]:
    return [{ANY: ANY_OF_PART, ONE: ONE_OF_PART}.get(one, one) for one in part]


def is_resource(text: str, arn: str, facts: Facts, with_variables: bool) -> bool:
    """Return whether a Resource names an ARN: wildcards in its parts; a * that ends a part reaches beyond it."""
    filled = fill(text, facts, with_variables)
    if filled is None:
        return False
    return glob(as_pattern(filled, reaches=True) or [None], arn)


def is_arn(text: str, arn: str, facts: Facts, with_variables: bool) -> bool:
    """Return whether ArnLike agrees: each of the six parts is checked separately."""
    if text == "*":
        return True
    filled = fill(text, facts, with_variables)
    if filled is None or len(parts_of(filled)) < 6:
        return False
    pattern = as_pattern(filled, reaches=False)
    return pattern is not None and glob(pattern, arn)


def as_pattern(filled: list[Any], reaches: bool) -> list[Any] | None:
    *heads, last = parts_of(filled)
    pattern: list[Any] = []
    for head in heads:
        if any(one[0] == "value" and ":" in one[1] for one in head):
            return None
        reaching = reaches and head != [] and head[-1] == ANY
        pattern += [*limited(head[:-1]), ANY, ":"] if reaching else [*limited(head), ":"]
    return pattern + last


# Conditions.


def holds(operator: str, key: str, values: Any, facts: Facts, with_variables: bool) -> bool:
    """Return whether one operator and key of a Condition are met."""
    given = list(facts.get(key.lower(), []))
    name, wanted = operator.lower(), [as_text(value) for value in as_list(values)]
    if name == "null":
        return any((one.lower() == "true") == (not given) for one in wanted)
    sets, _, name = name.rpartition(":")
    if_exists = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    negated = "not" in name
    name = name.replace("not", "")

    def agrees(value: str) -> bool:
        return any(compares(name, one, value, facts, with_variables) for one in wanted)

    if not given:
        if if_exists or sets == "forallvalues":
            return True
        return negated and sets == ""
    if sets == "forallvalues":
        return all(agrees(value) is not negated for value in given)
    if sets == "foranyvalue":
        return any(agrees(value) is not negated for value in given)
    return not any(map(agrees, given)) if negated else any(map(agrees, given))


def as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def compares(name: str, wanted: str, value: str, facts: Facts, with_variables: bool) -> bool:
    """Return whether one value of the policy and one of the request agree."""
    if name in ("arnlike", "arnequals"):
        return is_arn(wanted, value, facts, with_variables)
    if name.startswith(("string", "bool")):
        filled = fill(wanted, facts, with_variables)
        if filled is None:
            return False
        if name == "stringlike":
            return glob(filled, value)
        if name == "bool" or name == "stringequalsignorecase":
            return spelled(filled).lower() == value.lower()
        return spelled(filled) == value
    if name == "ipaddress":
        return is_in_network(wanted, value)
    if name == "binaryequals":
        return b64decode(wanted) == b64decode(value)
    parse = number if name.startswith("numeric") else moment
    left, right = parse(value), parse(wanted)
    if left is None or right is None:
        return False
    compared = {
        "equals": left == right,
        "lessthan": left < right,
        "lessthanequals": left <= right,
        "greaterthan": left > right,
        "greaterthanequals": left >= right,
    }
    return compared[name.removeprefix("numeric").removeprefix("date")]


def number(text: str) -> Fraction | None:
    try:
        return Fraction(text)
    except ValueError:
        return None


def moment(text: str) -> Fraction | None:
    """Return the seconds since the epoch of a time in one of the formats that AWS documents."""
    if text.isdigit():
        return Fraction(text)
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"):
        try:
            return Fraction(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp())
        except ValueError:
            pass
    return None


def is_in_network(network: str, address: str) -> bool:
    """Return whether an IPv4 address is in a network in CIDR notation."""
    start, _, length = network.partition("/")
    left, right = bits(start), bits(address)
    if left is None or right is None:
        return False
    size = int(length or 32)
    return left[:size] == right[:size]


def bits(address: str) -> str | None:
    numbers = address.split(".")
    if len(numbers) != 4 or not all(one.isdigit() and int(one) < 256 for one in numbers):
        return None
    return "".join(f"{int(one):08b}" for one in numbers)
