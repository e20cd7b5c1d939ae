"""Simulated policies: the decisions of the evaluator, the statements behind them, and the keys they ask for."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lowcloud.api.aws.gateway import Gateway
from lowcloud.core.context import Context
from tests.support.servers.endpoint import ACCOUNT
from tests.support.servers.gateways import make_context, serving

TRUST = '{"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}}'
USER = f"arn:aws:iam::{ACCOUNT}:user/ann"
STRANGER = "arn:aws:iam::210987654321:user/eve"


@pytest.fixture(scope="module")
def iam(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    context: Context = make_context(tmp_path_factory.mktemp("simulation") / "home")
    gateway = Gateway(context)
    with serving(gateway) as endpoint:
        client = endpoint.client("iam")
        client.create_role(RoleName="runner", Path="/team/", AssumeRolePolicyDocument=TRUST)
        client.put_role_policy(RoleName="runner", PolicyName="reads", PolicyDocument=policy(allow("s3:Get*")))
        yield client
    gateway.close()
    context.database.close()


def allow(*actions: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}


def deny(*actions: str, **more: Any) -> dict[str, Any]:
    return {**allow(*actions), "Effect": "Deny", **more}


def policy(*statements: dict[str, Any], indent: int | None = None) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, indent=indent)


def simulate(iam: Any, *texts: str, action: str = "s3:GetObject", **more: Any) -> Any:
    request = {"PolicyInputList": list(texts), "ActionNames": [action], **more}
    (result,) = iam.simulate_custom_policy(**request)["EvaluationResults"]
    return result


def decisions(iam: Any, *texts: str, **more: Any) -> str:
    decision: str = simulate(iam, *texts, **more)["EvalDecision"]
    return decision


def code_of(call: Any, **members: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**members)
    code: str = caught.value.response["Error"]["Code"]
    return code


def test_a_custom_policy_is_evaluated(iam: Any) -> None:
    reads = policy(allow("s3:Get*", Resource="arn:aws:s3:::b/*"))
    assert decisions(iam, reads, ResourceArns=["arn:aws:s3:::b/k"]) == "allowed"
    assert decisions(iam, reads, ResourceArns=["arn:aws:s3:::c/k"]) == "implicitDeny"
    assert decisions(iam, reads) == "implicitDeny"  # not on all resources
    assert decisions(iam, reads, policy(deny("*")), ResourceArns=["arn:aws:s3:::b/k"]) == "explicitDeny"
    assert decisions(iam, reads, action="s3:PutObject") == "implicitDeny"


def test_one_result_for_each_action_has_the_decisions_on_each_resource(iam: Any) -> None:
    reads = policy(allow("s3:Get*", Resource="arn:aws:s3:::b/*"), deny("s3:*", Resource="arn:aws:s3:::b/secret"))
    arns = ["arn:aws:s3:::b/k", "arn:aws:s3:::b/secret", "arn:aws:s3:::c/k"]
    result = simulate(iam, reads, ResourceArns=arns)
    assert result["EvalDecision"] == "explicitDeny"  # the strictest
    each = result["ResourceSpecificResults"]
    assert [one["EvalResourceName"] for one in each] == arns
    assert [one["EvalResourceDecision"] for one in each] == ["allowed", "explicitDeny", "implicitDeny"]
    assert [len(one["MatchedStatements"]) for one in each] == [1, 1, 0]


def test_the_statements_that_decide_are_named_with_their_positions(iam: Any) -> None:
    text = policy(allow("ec2:*"), allow("s3:*"), indent=1)
    (found,) = simulate(iam, policy(allow("a:b")), text)["MatchedStatements"]
    assert found["SourcePolicyId"] == "PolicyInputList.2"
    lines = text.split("\n")
    start, end = found["StartPosition"], found["EndPosition"]
    assert lines[start["Line"] - 1][start["Column"] - 1 :] == "{"
    assert lines[end["Line"] - 1][: end["Column"] - 1] == "  }"
    assert '"s3:*"' in "".join(lines[start["Line"] : end["Line"]])
    single = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}'
    (found,) = simulate(iam, single)["MatchedStatements"]
    assert found["StartPosition"] == {"Line": 1, "Column": single.index("{", 1) + 1}


def test_conditions_take_the_entries_of_the_context(iam: Any) -> None:
    text = policy(allow("s3:*", Condition={"StringEquals": {"aws:ResourceTag/Team": "${aws:PrincipalTag/team}"}}))
    result = simulate(iam, text)
    assert result["EvalDecision"] == "implicitDeny"
    assert sorted(result["MissingContextValues"]) == ["aws:PrincipalTag/team", "aws:ResourceTag/Team"]
    entries = [
        {"ContextKeyName": name, "ContextKeyValues": ["a"], "ContextKeyType": "string"}
        for name in ("AWS:resourcetag/team", "aws:PrincipalTag/team")
    ]
    result = simulate(iam, text, ContextEntries=entries)
    assert (result["EvalDecision"], result["MissingContextValues"]) == ("allowed", [])


def test_a_boundary_limits(iam: Any) -> None:
    result = simulate(iam, policy(allow("*")), PermissionsBoundaryPolicyInputList=[policy(allow("ec2:*"))])
    assert result["EvalDecision"] == "implicitDeny"
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    result = simulate(iam, policy(allow("*")), PermissionsBoundaryPolicyInputList=[policy(allow("s3:*"))])
    assert result["EvalDecision"] == "allowed"
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": True}


@pytest.mark.parametrize(
    ("principal", "caller", "own", "decision"),
    [
        (USER, USER, "ec2:*", "allowed"),  # the resource's policy suffices within an account
        (ACCOUNT, USER, "ec2:*", "implicitDeny"),
        (ACCOUNT, USER, "s3:*", "allowed"),
        (STRANGER, STRANGER, "ec2:*", "implicitDeny"),  # and both must allow across accounts
        (STRANGER, STRANGER, "s3:*", "allowed"),
        (USER, STRANGER, "s3:*", "implicitDeny"),
    ],
)
def test_a_resource_policy_counts(iam: Any, principal: str, caller: str, own: str, decision: str) -> None:
    shared = policy(allow("s3:*", Principal={"AWS": principal}))
    more = {"ResourcePolicy": shared, "CallerArn": caller, "ResourceArns": ["arn:aws:s3:::b/k"]}
    result = simulate(iam, policy(allow(own)), ResourceOwner=f"arn:aws:iam::{ACCOUNT}:root", **more)
    assert result["EvalDecision"] == decision
    if (principal, caller) == (USER, USER):
        assert result["MatchedStatements"][0]["SourcePolicyType"] == "resource"


def test_a_principal_is_simulated_with_its_policies(iam: Any) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/team/runner"

    def decide(action: str, **more: Any) -> Any:
        (result,) = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=[action], **more)[
            "EvaluationResults"
        ]
        return result

    result = decide("s3:GetObject")
    assert result["EvalDecision"] == "allowed"
    (found,) = result["MatchedStatements"]
    assert (found["SourcePolicyId"], found["SourcePolicyType"]) == ("role_runner_reads", "role")
    assert decide("s3:PutObject")["EvalDecision"] == "implicitDeny"
    assert decide("s3:PutObject", PolicyInputList=[policy(allow("s3:Put*"))])["EvalDecision"] == "allowed"
    own = policy(allow("s3:Put*", Condition={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/team/*"}}))
    assert decide("s3:PutObject", PolicyInputList=[own])["EvalDecision"] == "allowed"
    assert code_of(iam.simulate_principal_policy, PolicySourceArn=f"{arn}s", ActionNames=["s3:Get"]) == "NoSuchEntity"
    nobody = f"arn:aws:iam::{ACCOUNT}:root"
    assert code_of(iam.simulate_principal_policy, PolicySourceArn=nobody, ActionNames=["s3:Get"]) == "InvalidInput"


def test_users_have_the_policies_of_their_groups(iam: Any) -> None:
    iam.create_user(UserName="ann", Tags=[{"Key": "team", "Value": "a"}])
    iam.create_group(GroupName="readers")
    iam.add_user_to_group(GroupName="readers", UserName="ann")
    iam.put_group_policy(GroupName="readers", PolicyName="reads", PolicyDocument=policy(allow("s3:Get*")))
    tagged = policy(allow("s3:Put*", Condition={"StringEquals": {"aws:PrincipalTag/team": "a"}}))
    iam.put_user_policy(UserName="ann", PolicyName="writes", PolicyDocument=tagged)
    iam.attach_user_policy(UserName="ann", PolicyArn="arn:aws:iam::aws:policy/AmazonSQSFullAccess")
    actions = ["s3:GetObject", "s3:PutObject", "sqs:SendMessage", "iam:GetUser"]

    def decide(arn: str) -> list[str]:
        found = iam.simulate_principal_policy(PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:{arn}", ActionNames=actions)
        return [result["EvalDecision"] for result in found["EvaluationResults"]]

    assert decide("user/ann") == ["allowed", "allowed", "allowed", "implicitDeny"]
    assert decide("group/readers") == ["allowed", "implicitDeny", "implicitDeny", "implicitDeny"]


def test_results_have_pages(iam: Any) -> None:
    actions = [f"s3:Action{number}" for number in range(60)]
    pages = iam.get_paginator("simulate_custom_policy").paginate(
        PolicyInputList=[policy(allow("s3:*"))], ActionNames=actions, PaginationConfig={"PageSize": 25}
    )
    found = [[result["EvalActionName"] for result in page["EvaluationResults"]] for page in pages]
    assert [len(page) for page in found] == [25, 25, 10]
    assert [name for page in found for name in page] == actions


def test_context_keys_are_listed_as_they_are_written(iam: Any) -> None:
    text = policy(
        allow("s3:*", Resource="arn:aws:s3:::${aws:username}/*", Condition={"Null": {"aws:TokenIssueTime": "true"}}),
        deny("s3:*", Condition={"StringLike": {"S3:Prefix": "${AWS:UserName}/*"}}),
    )
    found = iam.get_context_keys_for_custom_policy(PolicyInputList=[text])["ContextKeyNames"]
    assert found == ["aws:username", "aws:TokenIssueTime", "S3:Prefix"]
    arn = f"arn:aws:iam::{ACCOUNT}:role/team/runner"
    assert iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"] == []
    found = iam.get_context_keys_for_principal_policy(PolicySourceArn=arn, PolicyInputList=[text])["ContextKeyNames"]
    assert len(found) == 3


@pytest.mark.parametrize(
    "members",
    [
        {"PolicyInputList": ["{"]},
        {"PolicyInputList": [policy({"Effect": "Allow"})]},
        {"ResourcePolicy": policy(allow("s3:*"))},  # without a principal
        {"PermissionsBoundaryPolicyInputList": [policy(allow("*"))] * 2},
        {"CallerArn": f"arn:aws:iam::{ACCOUNT}:role/r"},
        {"ContextEntries": [{"ContextKeyName": "s3:max", "ContextKeyValues": ["x"], "ContextKeyType": "numeric"}]},
        {"ContextEntries": [{"ContextKeyName": "s3:key", "ContextKeyValues": ["x", "y"], "ContextKeyType": "string"}]},
        {"ActionNames": ["s3:GetObject"] * 200, "ResourceArns": ["arn:aws:s3:::b"] * 100},
    ],
)
def test_what_cannot_be_simulated_is_refused(iam: Any, members: dict[str, Any]) -> None:
    request = {"PolicyInputList": [policy(allow("*"))], "ActionNames": ["s3:GetObject"], **members}
    assert code_of(iam.simulate_custom_policy, **request) == "InvalidInput"
