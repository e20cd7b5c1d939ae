"""Trust policies: services and callers assume the roles that trust them, under the conditions that these name."""

import json
from dataclasses import replace
from itertools import count

from lowcloud.core.context import Context
from lowcloud.core.identity import roles, trust
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.roles import Role
from lowcloud.core.policies.requests import PrincipalKind
from tests.support.servers.endpoint import ACCOUNT

NUMBERS = count()
SERVICE = "sagemaker.amazonaws.com"
SOURCE = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/mine"


OF_SERVICES: list[tuple[object, bool]] = [
    ({"StringEquals": {"aws:SourceAccount": ACCOUNT}}, True),
    ({"StringEquals": {"AWS:sourceaccount": ["999999999999", ACCOUNT]}}, True),
    ({"StringLike": {"aws:SourceAccount": f"{ACCOUNT[:4]}*"}}, True),
    ({"StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT}}, True),
    ({"ArnLike": {"aws:SourceArn": f"arn:aws:sagemaker:*:{ACCOUNT}:*"}}, True),
    ({"ArnEquals": {"aws:SourceArn": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/*"}}, True),
    ({"StringLike": {"aws:SourceArn": "arn:aws:sagemaker:*"}}, True),
    ({"StringEquals": {"aws:SourceArn": SOURCE}}, True),
    ({"StringEquals": {"aws:SourceAccount": 123456789012}}, True),
    ({"Bool": {"aws:PrincipalIsAWSService": "true"}}, True),
    ({"ArnEquals": {"aws:SourceArn": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:processing-job/*"}}, False),
    ({"StringEquals": {"aws:SourceAccount": "999999999999"}}, False),
    ({"StringEquals": {"aws:SourceAccount": "1234*"}}, False),
    ({"StringNotEquals": {"aws:SourceAccount": ACCOUNT}}, False),
    ({"ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:*:999999999999:*"}}, False),
    ({"ArnLike": {"aws:SourceArn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:*"}}, False),
    ({"StringLike": {"aws:SourceArn": "arn:aws:lambda:*"}}, False),
    ({"StringEquals": {"aws:SourceAccount": ACCOUNT, "sts:ExternalId": "x"}}, False),
]
OF_USERS: list[tuple[object, dict[str, tuple[str, ...]], bool]] = [
    ({"StringEquals": {"sts:ExternalId": "secret"}}, {"sts:externalid": ("secret",)}, True),
    ({"StringEquals": {"sts:ExternalId": "secret"}}, {"sts:externalid": ("Secret",)}, False),
    ({"StringEquals": {"sts:ExternalId": "secret"}}, {}, False),
    ({"StringLike": {"sts:RoleSessionName": "${aws:username}*"}}, {"sts:rolesessionname": ("ada-1",)}, True),
    ({"StringLike": {"sts:RoleSessionName": "${aws:username}*"}}, {"sts:rolesessionname": ("eve",)}, False),
    ({"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/team/ada"}}, {}, True),
    ({"StringEquals": {"aws:PrincipalTag/Team": "blue"}}, {}, True),
    ({"StringEquals": {"aws:PrincipalTag/Team": "red"}}, {}, False),
    ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {"aws:tagkeys": ("a",)}, True),
    ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {"aws:tagkeys": ("a", "c")}, False),
    ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, {}, False),
    ({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, {}, False),
]


def trusting(context: Context, principal: object, condition: object = None, action: str = "sts:AssumeRole") -> Role:
    """A new role with a trust policy of one statement."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, "Condition": condition or {}}
    return roles.create(
        context, f"trusting-{next(NUMBERS)}", json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )


def test_a_service_is_trusted_for_the_account_and_the_resource_that_a_condition_names(context: Context) -> None:
    for condition, is_trusted in OF_SERVICES:
        role = trusting(context, {"Service": SERVICE}, condition)
        assert trust.trusts_service(context, role, SERVICE, SOURCE) == is_trusted, condition


def test_a_service_is_not_trusted_because_the_account_or_another_service_is(context: Context) -> None:
    role = trusting(context, {"AWS": ACCOUNT, "Service": "lambda.amazonaws.com"})
    assert not trust.trusts_service(context, role, SERVICE, SOURCE)


def test_a_policy_that_only_an_earlier_version_accepted_trusts_nobody(context: Context) -> None:
    role = replace(trusting(context, "*"), trust_policy='{"Statement": {"Effect": "Allow", "Action": "*"}}')
    assert not trust.trusts_service(context, role, SERVICE, SOURCE)


def test_a_user_is_trusted_under_the_conditions_of_the_policy(context: Context) -> None:
    ada = Caller(ACCOUNT, "AKIA", PrincipalKind.USER, "ada", "/team/", "AIDAADA", tags={"team": "blue"})
    for condition, facts, is_trusted in OF_USERS:
        role = trusting(context, {"AWS": ada.arn}, condition)
        assert trust.may(context, ada, role, trust.ASSUME_ROLE, facts) == is_trusted, (condition, facts)


def test_a_trusted_account_leaves_it_to_the_policies_of_its_users(context: Context) -> None:
    ada = Caller(ACCOUNT, "AKIA", PrincipalKind.USER, "ada", "/", "AIDAADA")
    role = trusting(context, {"AWS": ACCOUNT})
    assert not trust.may(context, ada, role, trust.ASSUME_ROLE, {})
    assert trust.may(context, Caller(ACCOUNT), role, trust.ASSUME_ROLE, {})
