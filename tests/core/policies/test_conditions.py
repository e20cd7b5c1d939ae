"""Condition operators, by the examples of the IAM User Guide."""

import json
from typing import Any

import pytest

from lowcloud.core.policies import documents
from lowcloud.core.policies.documents import PolicyError

TAGS = "aws:TagKeys"

STRINGS: list[tuple[str, Any, list[str], bool]] = [
    ("StringEquals", "iamuser-admin", ["iamuser-admin"], True),
    ("StringEquals", "iamuser-admin", ["IAMUSER-admin"], False),
    ("StringEquals", "iamuser-*", ["iamuser-admin"], False),  # a character here
    ("StringEquals", ["a", "b"], ["b"], True),
    ("StringNotEquals", ["a", "b"], ["b"], False),  # neither of them
    ("StringNotEquals", ["a", "b"], ["c"], True),
    ("StringEqualsIgnoreCase", "john", ["John"], True),
    ("StringEqualsIgnoreCase", "strasse", ["Straße"], False),
    ("StringNotEqualsIgnoreCase", "john", ["John"], False),
    ("StringLike", ["", "home/", "home/*/"], ["home/ann/"], True),
    ("StringLike", ["", "home/"], [""], True),
    ("StringLike", "home", ["home/"], False),  # the complete text
    ("StringLike", "h?me", ["home"], True),
    ("StringNotLike", "h?me", ["home"], False),
]
NUMBERS: list[tuple[str, Any, list[str], bool]] = [
    ("NumericLessThanEquals", "10", ["10"], True),
    ("NumericLessThanEquals", 10, ["11"], False),
    ("NumericLessThan", "9", ["10"], False),  # not as texts
    ("NumericEquals", 1, ["1.0"], True),
    ("NumericNotEquals", 1, ["2"], True),
    ("NumericGreaterThan", 1.5, ["1.25"], False),
    ("NumericGreaterThanEquals", -1, ["-1"], True),
    ("NumericLessThan", 1, ["many"], False),
]
TIMES: list[tuple[str, Any, list[str], bool]] = [
    ("DateGreaterThan", "2020-01-01T00:00:01Z", ["2020-06-01T12:00:00Z"], True),
    ("DateGreaterThan", "2020-01-01T00:00:01Z", ["2020-01-01T00:00:01Z"], False),
    ("DateLessThan", "2020-06-30T00:00:00+02:00", ["2020-06-29T22:30:00Z"], False),
    ("DateEquals", "1577836800", ["2020-01-01T00:00:00Z"], True),
    ("DateNotEquals", "2020-01-01", ["2020-01-02T00:00:00Z"], True),
    ("DateLessThanEquals", "2020-01-01", ["1577836800"], True),
    ("DateGreaterThanEquals", "2020-01-01", ["1577836799"], False),
]
ADDRESSES: list[tuple[str, Any, list[str], bool]] = [
    ("IpAddress", "203.0.113.0/24", ["203.0.113.255"], True),
    ("IpAddress", "203.0.113.0/24", ["203.0.114.0"], False),
    ("IpAddress", "203.0.113.7", ["203.0.113.7"], True),  # without a length: that address
    ("IpAddress", ["203.0.113.0/24", "2001:DB8:1234:5678::/64"], ["2001:db8:1234:5678::1"], True),
    ("NotIpAddress", "203.0.113.0/24", ["203.0.113.1"], False),
    ("NotIpAddress", "203.0.113.0/24", ["2001:db8::1"], True),
]
ARNS: list[tuple[str, Any, list[str], bool]] = [
    ("ArnEquals", "arn:aws:sns:*:123456789012:t", ["arn:aws:sns:eu-west-1:123456789012:t"], True),
    ("ArnLike", "arn:aws:sns:*:t", ["arn:aws:sns:eu-west-1:123456789012:t"], False),  # each of the parts
    ("ArnLike", "arn:aws:iam::123456789012:user/*", ["arn:aws:iam::123456789012:user/a/b:c"], True),
    ("ArnLike", "arn:aws:iam::*:root", ["arn:aws:iam::1:user/a:root"], False),
    ("ArnNotLike", "arn:aws:sns:*:*:t", ["arn:aws:sns:r:1:t"], False),
    ("ArnNotEquals", "arn:aws:sns:*:*:t", ["arn:aws:sns:r:1:u"], True),
    ("ArnLike", "arn:aws:sns:*:*:t", ["no arn"], False),
]
OTHERS: list[tuple[str, Any, list[str], bool]] = [
    ("Bool", "false", ["false"], True),
    ("Bool", False, ["true"], False),
    ("Bool", "True", ["true"], True),
    ("BinaryEquals", "QmluYXJ5VmFsdWVJbkJhc2U2NA==", ["QmluYXJ5VmFsdWVJbkJhc2U2NA=="], True),
    ("BinaryEquals", "QmluYXJ5VmFsdWVJbkJhc2U2NA==", ["QQ=="], False),
    ("Null", "true", [], True),
    ("Null", "true", ["a"], False),
    ("Null", False, ["a"], True),
    ("Null", "FALSE", [], False),
    ("Null", "TRUE", [], True),
]
MISSING: list[tuple[str, Any, list[str], bool]] = [
    ("StringEquals", "a", [], False),
    ("StringNotEquals", "a", [], True),
    ("ArnNotLike", "arn:aws:sns:*:*:t", [], True),
    ("NotIpAddress", "203.0.113.0/24", [], True),
    ("NumericLessThan", 1, [], False),
    ("StringEqualsIfExists", "a", [], True),
    ("StringEqualsIfExists", "a", ["b"], False),
    ("StringNotEqualsIfExists", "a", ["a"], False),
    ("BoolIfExists", "true", [], True),
]
SETS: list[tuple[str, Any, list[str], bool]] = [
    ("ForAllValues:StringEquals", ["environment", "cost"], ["cost"], True),
    ("ForAllValues:StringEquals", ["environment", "cost"], ["cost", "other"], False),
    ("ForAllValues:StringLike", ["key1*", "key2*"], ["key1-a", "key2-b"], True),
    ("ForAllValues:StringEquals", ["environment"], [], True),
    ("ForAllValues:StringNotEquals", ["secret"], ["a", "secret"], False),
    ("ForAllValues:StringNotEquals", ["secret"], ["a"], True),
    ("ForAnyValue:StringEquals", ["environment", "cost"], ["other", "cost"], True),
    ("ForAnyValue:StringEquals", ["environment", "cost"], ["other"], False),
    ("ForAnyValue:StringEquals", ["environment"], [], False),
    ("ForAnyValue:StringNotEquals", ["a"], ["a", "b"], True),
    ("ForAnyValue:StringNotEquals", ["a"], ["a"], False),
    ("ForAnyValue:StringNotEquals", ["a"], [], False),
]


@pytest.mark.parametrize(
    ("operator", "values", "given", "is_met"),
    [*STRINGS, *NUMBERS, *TIMES, *ADDRESSES, *ARNS, *OTHERS, *MISSING, *SETS],
)
def test_an_operator_compares_as_documented(operator: str, values: Any, given: list[str], is_met: bool) -> None:
    assert holds({operator: {TAGS: values}}, {TAGS.lower(): tuple(given)}) == is_met


def test_all_operators_and_keys_must_agree_and_any_value() -> None:
    condition = {
        "StringEquals": {"aws:PrincipalTag/department": ["finance", "hr"], "aws:PrincipalTag/role": "audit"},
        "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::222222222222:user/*"},
    }
    facts = {
        "aws:principaltag/department": ("hr",),
        "aws:principaltag/role": ("audit",),
        "aws:principalarn": ("arn:aws:iam::222222222222:user/ann",),
    }
    assert holds(condition, facts)
    for key in facts:
        assert not holds(condition, {**facts, key: ("other",)})


@pytest.mark.parametrize(
    ("operator", "value", "username", "is_met"),
    [
        ("StringEquals", "${aws:username}", "ann", True),
        ("StringLike", "home/${aws:username}/*", "ann", False),
        ("StringLike", "${aws:username}*", "ann", True),
        ("StringEquals", "${AWS:UserName, 'ann'}", None, True),  # a default
        ("StringEquals", "${aws:username}", None, False),  # nothing is equal to no value
        ("StringNotEquals", "${aws:username}", None, True),
        ("StringLike", "a${*}", "ann", False),  # a star here
        ("Bool", "${aws:username}", "TRUE", False),
    ],
)
def test_values_have_variables(operator: str, value: str, username: str | None, is_met: bool) -> None:
    facts = {"k:k": ("ann",), **({"aws:username": (username,)} if username else {})}
    assert holds({operator: {"k:k": value}}, facts) == is_met


def test_policies_of_2008_have_no_variables() -> None:
    condition = {"StringEquals": {"k:k": "${aws:username}"}}
    assert not holds(condition, {"k:k": ("ann",), "aws:username": ("ann",)}, version="2008-10-17")
    assert holds(condition, {"k:k": ("${aws:username}",)}, version="2008-10-17")


@pytest.mark.parametrize(
    "condition",
    [
        {"StringLikes": {"k:k": "a"}},
        {"ForSomeValues:StringLike": {"k:k": "a"}},
        {"NullIfExists": {"k:k": "true"}},
        {"ForAllValues:Null": {"k:k": "true"}},
        {"NumericEquals": {"k:k": "one"}},
        {"NumericEquals": {"k:k": "${aws:EpochTime}"}},  # AWS: no variables in numbers, times, addresses and bytes
        {"DateLessThan": {"k:k": "${aws:CurrentTime}"}},
        {"IpAddress": {"k:k": "${aws:SourceIp}"}},
        {"BinaryEquals": {"k:k": "${k:k}"}},
        {"DateEquals": {"k:k": "tomorrow"}},
        {"Bool": {"k:k": "yes"}},
        {"IpAddress": {"k:k": "203.0.113.0/99"}},
        {"BinaryEquals": {"k:k": "A"}},
        {"Null": {"k:k": "maybe"}},
        {"StringEquals": {"k:k": "a", "K:K": "b"}},
        {"StringEquals": "k:k"},
        {"StringEquals": {"k:k": {"a": "b"}}},
        {"StringEquals": {"k:k": [None]}},
        ["StringEquals"],
    ],
)
def test_conditions_that_mean_nothing_are_refused(condition: Any) -> None:
    with pytest.raises(PolicyError):
        holds(condition, {})


def holds(condition: Any, facts: dict[str, tuple[str, ...]], version: str = "2012-10-17") -> bool:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    policy = documents.parse(json.dumps({"Version": version, "Statement": statement}), documents.IDENTITY)
    return all(one.is_met(facts) for one in policy.statements[0].conditions)
