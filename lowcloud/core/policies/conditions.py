"""Conditions of policies: operators, and how they treat several values and missing ones.

Source: IAM User Guide, "IAM JSON policy elements: Condition operators", "Set operators for multivalued context keys".
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cached_property
from ipaddress import ip_address, ip_network
from operator import eq, ge, gt, le, lt
from typing import Any

from lowcloud.core.policies.requests import Facts, Values
from lowcloud.core.policies.templates import Template


class Quantifier(Enum):
    """How many of the request's values must meet a condition."""

    SINGLE = ""  # for keys with one value
    ALL = "forallvalues"  # also if the request has no value
    ANY = "foranyvalue"


Test = Callable[[Template, str, Facts], bool]  # the policy's value, the request's value, the request's facts


@dataclass(frozen=True)
class Operator:
    """An operator: whether one value of the request agrees with one value of the policy, or is to differ from all."""

    test: Test
    is_negated: bool = False
    check: Callable[[str], object] = str  # raises ValueError for a text that is no value of its type
    takes_variables: bool = True


@dataclass(frozen=True)
class Condition:
    """One operator and key of a statement's Condition with the policy's values, of which any may agree."""

    name: str  # of the operator, in lower case: "stringlike"
    operator: Operator | None  # None: Null
    written_key: str
    values: tuple[Template, ...]
    quantifier: Quantifier
    if_exists: bool

    @cached_property
    def key(self) -> str:
        """The condition key in lower case: case does not matter."""
        return self.written_key.lower()

    def is_met(self, facts: Facts) -> bool:
        """Return whether the facts of a request meet the condition."""
        given = facts.get(self.key) or None  # no values are the same as no key
        if self.operator is None:
            return any(_says(value.plain(facts), given is None) for value in self.values)
        if given is None:
            return self._is_met_without_value(self.operator)
        met = (self._agrees(self.operator, value, facts) != self.operator.is_negated for value in given)
        if self.quantifier is Quantifier.SINGLE and self.operator.is_negated:
            return all(met)  # StringNotEquals: none of the request's values agrees
        return all(met) if self.quantifier is Quantifier.ALL else any(met)

    def _agrees(self, operator: Operator, value: str, facts: Facts) -> bool:
        return any(operator.test(wanted, value, facts) for wanted in self.values)

    def _is_met_without_value(self, operator: Operator) -> bool:
        if self.if_exists or self.quantifier is Quantifier.ALL:
            return True
        return operator.is_negated and self.quantifier is Quantifier.SINGLE


def parse_operator(text: str) -> tuple[str, Operator | None, Quantifier, bool]:
    """Return name, operator, quantifier and IfExists of a text such as "ForAnyValue:StringLikeIfExists".

    Raises ValueError.
    """
    head, found, rest = text.lower().rpartition(":")
    quantifier = Quantifier(head) if found else Quantifier.SINGLE
    if rest == "null" and not found:
        return rest, None, quantifier, False
    name = rest.removesuffix("ifexists")
    if name not in OPERATORS:
        raise ValueError(text)
    return name, OPERATORS[name], quantifier, name != rest


def normalise(value: object) -> str:
    """Return a JSON value of a policy as text. Raises ValueError for one that is neither text, number nor boolean."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return repr(value)
    raise ValueError(f"{value!r} is not a value")


def as_values(*values: str | bool | float | datetime) -> Values:
    """Return values of a request as conditions compare them."""
    return tuple(value.isoformat() if isinstance(value, datetime) else normalise(value) for value in values)


def _text(compare: Callable[[str, str], bool]) -> Test:
    def test(wanted: Template, value: str, facts: Facts) -> bool:
        text = wanted.plain(facts)
        return text is not None and compare(text, value)

    return test


def _typed(parse: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Test:
    """Return a test that compares the request's value with the policy's; what is not of the type never agrees."""

    def test(wanted: Template, value: str, facts: Facts) -> bool:
        text = wanted.plain(facts)
        try:
            return text is not None and compare(parse(value), parse(text))
        except ValueError:
            return False

    return test


def _says(text: str | None, expected: bool) -> bool:
    return text is not None and text.lower() == ("true" if expected else "false")


def _in_any_case(wanted: str, value: str) -> bool:
    return wanted.lower() == value.lower()


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not a number") from error
    if not number.is_finite():
        raise ValueError(f"{text!r} is not a number")
    return number


def _time(text: str) -> datetime:
    """Return a time that is written in ISO 8601 or as seconds since the epoch."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        try:
            return datetime.fromtimestamp(float(text), UTC)
        except (OverflowError, OSError) as error:
            raise ValueError(f"{text!r} is not a time") from error
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def boolean(text: str) -> bool:
    """Return the boolean that a text is. Raises ValueError."""
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is not a boolean")
    return text.lower() == "true"


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"{text!r} is not base64") from error


def _is_in_network(wanted: Template, value: str, facts: Facts) -> bool:
    text = wanted.plain(facts)
    try:
        return text is not None and ip_address(value) in ip_network(text, strict=False)
    except ValueError:
        return False


def _network(text: str) -> object:
    return ip_network(text, strict=False)


def _like(wanted: Template, value: str, facts: Facts) -> bool:
    return wanted.matches(value, facts)


def _arn_like(wanted: Template, value: str, facts: Facts) -> bool:
    return wanted.matches_arn(value, facts)


def _with_negation(
    name: str, negated: str, test: Test, check: Callable[[str], object] = str, takes_variables: bool = True
) -> dict[str, Operator]:
    return {
        name: Operator(test, check=check, takes_variables=takes_variables),
        negated: Operator(test, is_negated=True, check=check, takes_variables=takes_variables),
    }


def _ordered(prefix: str, parse: Callable[[str], Any]) -> dict[str, Operator]:
    compared = {"lessthan": lt, "lessthanequals": le, "greaterthan": gt, "greaterthanequals": ge}
    return {
        **_with_negation(f"{prefix}equals", f"{prefix}notequals", _typed(parse, eq), parse, takes_variables=False),
        **{
            f"{prefix}{name}": Operator(_typed(parse, compare), check=parse, takes_variables=False)
            for name, compare in compared.items()
        },
    }


OPERATORS: Mapping[str, Operator] = {
    **_with_negation("stringequals", "stringnotequals", _text(eq)),
    **_with_negation("stringequalsignorecase", "stringnotequalsignorecase", _text(_in_any_case)),
    **_with_negation("stringlike", "stringnotlike", _like),
    **_ordered("numeric", _number),
    **_ordered("date", _time),
    **_with_negation("ipaddress", "notipaddress", _is_in_network, _network, takes_variables=False),
    **_with_negation("arnequals", "arnnotequals", _arn_like),
    **_with_negation("arnlike", "arnnotlike", _arn_like),
    "bool": Operator(_typed(boolean, eq), check=boolean),
    "binaryequals": Operator(_typed(_bytes, eq), check=_bytes, takes_variables=False),
}
