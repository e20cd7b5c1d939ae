"""The evaluator agrees with one that was written from AWS's documentation only, and never widens what it must not."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lowcloud.core.policies import documents, evaluation
from lowcloud.core.policies.documents import Elements, Policy
from lowcloud.core.policies.evaluation import Policies, ResourceAccess
from lowcloud.core.policies.requests import AccessRequest, Principal, PrincipalKind
from tests.support.policies import slow_evaluator
from tests.support.policies.questions import policies, questions
from tests.support.policies.slow_evaluator import ALLOWED, EXPLICIT_DENY, IMPLICIT_DENY, Document, Question

FEW = settings(max_examples=40)


@settings(max_examples=500)
@given(questions())
def test_the_evaluator_agrees_with_the_slow_one(question: Question) -> None:
    assert decide(question) == slow_evaluator.decide(question)


@pytest.mark.slow
@settings(max_examples=30_000)
@given(questions())
def test_the_evaluator_agrees_with_the_slow_one_on_many_questions(question: Question) -> None:
    assert decide(question) == slow_evaluator.decide(question)


@FEW
@given(questions(), policies(), policies(with_principal=True))
def test_another_statement_that_denies_never_allows(question: Question, own: Document, shared: Document) -> None:
    assume(decide(question) != ALLOWED)
    assert decide(replace(question, identity=[*question.identity, denials(own)])) != ALLOWED
    assert decide(replace(question, session=[*(question.session or []), denials(own)])) != ALLOWED
    assert decide(replace(question, boundary=joined(question.boundary, denials(own)))) != ALLOWED
    assert decide(replace(question, resource_policy=joined(question.resource_policy, denials(shared)))) != ALLOWED


@FEW
@given(questions(), policies())
def test_a_boundary_never_widens(question: Question, boundary: Document) -> None:
    assume(decide(replace(question, boundary=None)) != ALLOWED)
    assert decide(replace(question, boundary=boundary)) != ALLOWED


@FEW
@given(questions(), st.lists(policies(), max_size=2))
def test_session_policies_never_widen(question: Question, session: list[Document]) -> None:
    assume(decide(replace(question, session=None)) != ALLOWED)
    assert decide(replace(question, session=session)) != ALLOWED


@FEW
@given(questions(), st.data())
def test_a_policy_that_is_gone_never_allows(question: Question, data: st.DataObject) -> None:
    assume(decide(question) == IMPLICIT_DENY and question.identity)
    kept = data.draw(st.lists(st.sampled_from(list(question.identity)), max_size=1))
    assert decide(replace(question, identity=kept)) != ALLOWED


@FEW
@given(questions(), st.randoms(use_true_random=False))
def test_the_order_of_statements_and_policies_is_irrelevant(question: Question, chance: Any) -> None:
    def shuffled(policy: Document | None) -> Any:
        if policy is None:
            return None
        return {**policy, "Statement": chance.sample(policy["Statement"], len(policy["Statement"]))}

    other = replace(
        question,
        identity=[shuffled(one) for one in chance.sample(list(question.identity), len(question.identity))],
        boundary=shuffled(question.boundary),
        session=None if question.session is None else [shuffled(one) for one in reversed(question.session)],
        resource_policy=shuffled(question.resource_policy),
    )
    assert decide(other) == decide(question)


@FEW
@given(questions())
def test_what_no_policy_names_is_denied(question: Question) -> None:
    assume(question.subject.kind != "root")
    named = replace(
        question,
        action="other:Action",
        identity=[found for one in question.identity if (found := without_wildcards(one))],
        resource_policy=question.resource_policy and without_wildcards(question.resource_policy),
    )
    assert decide(named) != ALLOWED


def without_wildcards(policy: Document) -> Document | None:
    """Return the policy without the statements that could name any action; None if none is left."""
    kept = [one for one in policy["Statement"] if "Action" in one and "*" not in slow_evaluator.as_list(one["Action"])]
    return {**policy, "Statement": kept} if kept else None


def denials(policy: Document) -> Document:
    return {**policy, "Statement": [{**one, "Effect": "Deny"} for one in policy["Statement"]]}


def joined(policy: Document | None, added: Document) -> Document:
    if policy is None:
        return added
    return {**policy, "Statement": [*policy["Statement"], *added["Statement"]]}


def decide(question: Question) -> str:
    """Return the decision of the cloud's evaluator."""
    subject = question.subject
    principal = Principal(
        PrincipalKind(subject.kind),
        subject.account,
        subject.arn,
        subject.role_arn,
        canonical_id=subject.canonical,
    )
    facts = {key: tuple(values) for key, values in question.facts.items()}
    request = AccessRequest(principal, question.action, question.resource, question.owner, facts)
    decision = evaluation.evaluate(
        request,
        Policies(
            [compiled(one) for one in question.identity],
            None if question.boundary is None else compiled(question.boundary),
            None if question.session is None else [compiled(one) for one in question.session],
        ),
        ResourceAccess(
            None if question.resource_policy is None else compiled(question.resource_policy, documents.RESOURCE),
            decides_alone=question.needs_resource_policy,
        ),
    )
    if decision.allowed:
        return ALLOWED
    return EXPLICIT_DENY if decision.is_explicit else IMPLICIT_DENY


def compiled(policy: Document, elements: Elements = documents.IDENTITY) -> Policy:
    return documents.parse(json.dumps(policy), elements)
