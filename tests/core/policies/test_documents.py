"""Policy documents: what is accepted, what is refused, and that nothing else can happen."""

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowcloud.core.policies import documents
from lowcloud.core.policies.documents import Elements, Policy, PolicyError
from lowcloud.core.policies.evaluation import Policies, ResourceAccess, evaluate
from lowcloud.core.policies.requests import AccessRequest, Principal, PrincipalKind
from tests.support.policies.fuzz import documents_at_random

KINDS = [documents.IDENTITY, documents.RESOURCE, documents.TRUST]
USER = Principal(PrincipalKind.USER, "111111111111", "arn:aws:iam::111111111111:user/u")
REQUEST = AccessRequest(USER, "s3:GetObject", "arn:aws:s3:::b/k", "111111111111", {"aws:username": ("u",)})
SECONDS = 10.0  # of CPU, for what takes less than one: a quadratic step would take minutes


@settings(max_examples=150)
@given(documents_at_random(), st.sampled_from(KINDS))
def test_any_text_is_a_policy_or_refused(text: str, elements: Elements) -> None:
    try:
        policy = documents.parse(text, elements)
    except PolicyError as error:
        assert len(str(error)) < 500
        return
    assert documents.parse(text, elements) == policy
    use(policy)


BIG = 120_000  # characters: the most that IAM's model accepts is 131072


@pytest.mark.parametrize(
    "text",
    [
        "[" * BIG,
        '{"Statement":' * (BIG // 13),
        "9" * BIG,
        '{"Statement": ' + "9" * BIG + "}",
        json.dumps(
            {"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::" + "*a" * (BIG // 2)}}
        ),
        json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::" + "?" * BIG}}),
        json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:" + "*a" * (BIG // 2), "Resource": "*"}}),
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::" + "${" * (BIG // 2)},
            }
        ),
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow",
                    "Action": "s3:*",
                    "Resource": "arn:aws:s3:::" + "${aws:username}*" * (BIG // 16),
                },
            }
        ),
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow",
                    "Action": "s3:*",
                    "Resource": "*",
                    "Condition": {"StringLike": {"aws:username": ["*a*b?c" * (BIG // 7)]}},
                },
            }
        ),
        json.dumps({"Statement": {"Effect": "Allow", "Action": ["s3:*"] * (BIG // 8), "Resource": "*"}}),
        json.dumps({"Statement": [{"Effect": "Allow", "Action": "a:b", "Resource": "*"}] * (BIG // 52)}),
        json.dumps(
            {
                "Statement": {
                    "Effect": "Allow",
                    "Action": "s3:*",
                    "Resource": "*",
                    "Condition": {"NumericEquals": {"k:k": "1" * BIG}},
                }
            }
        ),
        json.dumps(
            {
                "Statement": {
                    "Effect": "Allow",
                    "Action": "s3:*",
                    "Resource": "*",
                    "Condition": {"NumericEquals": {"k:k": "1E999999999"}},
                }
            }
        ),
    ],
    ids=range(14),
)
def test_the_largest_documents_cost_little(text: str) -> None:
    started = time.process_time()
    with suppress(PolicyError):
        use(documents.parse(text, documents.IDENTITY))
    assert time.process_time() - started < SECONDS


@pytest.mark.parametrize(
    ("elements", "statement"),
    [
        (documents.IDENTITY, {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}),
        (documents.IDENTITY, {"Effect": "Deny", "NotAction": ["iam:*"], "NotResource": "arn:aws:s3:::b/*"}),
        (documents.IDENTITY, {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3*"}),
        (documents.RESOURCE, {"Effect": "Deny", "NotPrincipal": {"AWS": "1" * 12}, "Action": "*", "Resource": "*"}),
        (documents.TRUST, {"Effect": "Allow", "Principal": {"Service": "a.b"}, "Action": "sts:AssumeRole"}),
    ],
)
def test_statements_of_each_kind_are_accepted(elements: Elements, statement: dict[str, Any]) -> None:
    assert documents.parse(json.dumps({"Version": "2012-10-17", "Statement": statement}), elements).statements


@pytest.mark.parametrize(
    ("elements", "statement", "message"),
    [
        (documents.IDENTITY, {"Principal": "*"}, "Policy document should not specify a principal."),
        (documents.IDENTITY, {"Resource": "b"}, 'Resource b must be in ARN format or "*".'),
        (documents.IDENTITY, {"Resource": "arn:aws:s3"}, 'Resource arn:aws:s3 must be in ARN format or "*".'),
        (documents.IDENTITY, {"Resource": []}, "Resource must be a text or a list of texts"),
        (documents.IDENTITY, {"Action": "GetObject"}, "must be prefaced by a vendor"),
        (documents.IDENTITY, {"Action": []}, "Action must be a text"),
        (documents.IDENTITY, {"NotAction": "*"}, "Policy statement must contain actions."),
        (documents.IDENTITY, {"Effect": "allow"}, "Effect"),
        (documents.IDENTITY, {"Sid": 1}, "Sid"),
        (documents.IDENTITY, {"Unknown": 1}, "unknown element 'Unknown'"),
        (documents.RESOURCE, {}, "Missing required field Principal"),
        (documents.RESOURCE, {"NotPrincipal": "*"}, "Allow with NotPrincipal is not allowed."),
        (documents.RESOURCE, {"Principal": {"Aws": "*"}}, "unknown element 'Aws' of a Principal"),
        (documents.RESOURCE, {"Principal": {}}, "Invalid principal in policy"),
        (documents.TRUST, {"Principal": "*"}, "Has prohibited field Resource"),
    ],
)
def test_a_refusal_says_what_is_wrong(elements: Elements, statement: dict[str, Any], message: str) -> None:
    valid = {"Effect": "Allow", "Action": "sts:*" if elements is documents.TRUST else "s3:*", "Resource": "*"}
    with pytest.raises(PolicyError) as refusal:
        documents.parse(json.dumps({"Statement": {**valid, **statement}}), elements)
    assert message in str(refusal.value)


def test_trust_policies_have_no_not_principal() -> None:
    statement = {"Effect": "Deny", "NotPrincipal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    with pytest.raises(PolicyError, match="NotPrincipal"):
        documents.parse(json.dumps({"Statement": statement}), documents.TRUST)


@pytest.mark.parametrize(
    ("pattern", "resource", "is_named"),
    [
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/a:b/c", True),
        ("arn:aws:s3:::b*", "arn:aws:s3:::b/k", True),
        ("arn:aws:s3:::b", "arn:aws:s3:::b/k", False),
        ("arn:aws:iam::*:role/*", "arn:aws:iam::1:role/a", True),
        ("arn:aws:iam::1*2:role/a", "arn:aws:iam::1:x:2:role/a", False),  # not the end of its part
        ("arn:aws:iam::*:role/a", "arn:aws:iam::1:x:role/a", True),  # "can expand to match beyond the colon boundaries"
        ("arn:aws:iam::?:role/a", "arn:aws:iam:::role/a", False),
        ("arn:aws:s3*", "arn:aws:s3:::b", True),
        ("arn:aws:s3:::${aws:username}/*", "arn:aws:s3:::u/k", True),
        ("arn:aws:s3:::${aws:userid}/*", "arn:aws:s3:::*/k", True),  # values have no wildcards
        ("arn:aws:s3:::${aws:userid}/*", "arn:aws:s3:::u/k", False),
        ("arn:aws:iam::${aws:colon}:role/a", "arn:aws:iam::1:x:role/a", False),  # and reach into no other part
        ("arn:aws:s3:::${aws:nobody}/*", "arn:aws:s3:::/k", False),
        ("arn:aws:s3:::${aws:many, 'u'}/*", "arn:aws:s3:::u/k", False),  # the default is for no value, not for several
        ("arn:aws:s3:::${aws:nobody, 'all'}/*", "arn:aws:s3:::all/k", True),
        ("arn:aws:s3:::${$}{aws:username}", "arn:aws:s3:::${aws:username}", True),
    ],
)
def test_a_resource_names_arns(pattern: str, resource: str, is_named: bool) -> None:
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": pattern}
    policy = documents.parse(json.dumps({"Version": "2012-10-17", "Statement": statement}), documents.IDENTITY)
    facts = {"aws:username": ("u",), "aws:userid": ("*",), "aws:colon": ("1:x",), "aws:many": ("u", "v")}
    request = AccessRequest(USER, "s3:GetObject", resource, USER.account_id, facts)
    assert policy.statements[0].applies(request) == is_named


def use(policy: Policy) -> None:
    """Evaluate all of a policy, in each role that a policy can have."""
    evaluate(REQUEST, Policies([policy], policy, [policy]), ResourceAccess(policy))
    assert len(set(policy.context_keys)) == len(policy.context_keys)
    for statement in policy.statements:
        for condition in statement.conditions:
            condition.is_met({condition.key: ("u", "1", "2020-01-01", "\ud800", "10.0.0.1", "arn:a:b:c:d:e")})
