"""Roles and their policies, with a live client."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.support.servers.endpoint import ACCOUNT

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
        ],
    }
)
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
)
NAMES = iter(f"role-{number}" for number in range(1000))


@pytest.fixture(scope="module")
def iam(server):
    return server.client("iam")


@pytest.fixture
def role(iam):
    """The name of a new role."""
    return iam.create_role(RoleName=next(NAMES), AssumeRolePolicyDocument=TRUST)["Role"]["RoleName"]


def code_of(call, **members):
    with pytest.raises(ClientError) as caught:
        call(**members)
    return caught.value.response["Error"]["Code"]


def test_a_role_is_returned_as_it_was_created(iam):
    made = iam.create_role(
        RoleName="Made", Path="/team/", AssumeRolePolicyDocument=TRUST, Description="d", MaxSessionDuration=7200
    )["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/team/Made"
    found = iam.get_role(RoleName="Made")["Role"]
    assert found == made
    assert found["AssumeRolePolicyDocument"] == json.loads(TRUST)
    assert (found["MaxSessionDuration"], found["Description"]) == (7200, "d")


def test_names_of_roles_are_one_whatever_their_case(iam, role):
    assert code_of(iam.create_role, RoleName=role.upper(), AssumeRolePolicyDocument=TRUST) == "EntityAlreadyExists"
    assert iam.get_role(RoleName=role.upper())["Role"]["RoleName"] == role


def test_an_absent_role_is_no_such_entity(iam):
    for call in (iam.get_role, iam.delete_role, iam.list_role_policies, iam.list_attached_role_policies):
        assert code_of(call, RoleName="nobody") == "NoSuchEntity"


def test_roles_are_listed_by_page_and_path(iam):
    for name in "abc":
        iam.create_role(RoleName=f"listed-{name}", Path="/listed/", AssumeRolePolicyDocument=TRUST)
    pages = list(iam.get_paginator("list_roles").paginate(PathPrefix="/listed/", PaginationConfig={"PageSize": 2}))
    assert [[found["RoleName"] for found in page["Roles"]] for page in pages] == [
        ["listed-a", "listed-b"],
        ["listed-c"],
    ]
    assert any(found["RoleName"] == "LowcloudExecutionRole" for found in iam.list_roles()["Roles"])


def test_a_role_with_policies_is_not_deleted(iam, role):
    arn = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert attached == [{"PolicyName": "AmazonSageMakerFullAccess", "PolicyArn": arn}]
    assert code_of(iam.delete_role, RoleName=role) == "DeleteConflict"
    iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    assert code_of(iam.detach_role_policy, RoleName=role, PolicyArn=arn) == "NoSuchEntity"
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=POLICY)
    assert code_of(iam.delete_role, RoleName=role) == "DeleteConflict"
    iam.delete_role_policy(RoleName=role, PolicyName="p")
    iam.delete_role(RoleName=role)
    assert code_of(iam.get_role, RoleName=role) == "NoSuchEntity"


def test_a_policy_written_into_a_role_is_returned(iam, role):
    iam.put_role_policy(RoleName=role, PolicyName="b", PolicyDocument=POLICY)
    iam.put_role_policy(RoleName=role, PolicyName="a", PolicyDocument=POLICY)
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == ["a", "b"]
    assert iam.get_role_policy(RoleName=role, PolicyName="a")["PolicyDocument"] == json.loads(POLICY)
    assert code_of(iam.get_role_policy, RoleName=role, PolicyName="c") == "NoSuchEntity"


def statement(**changes):
    """A policy of one statement; a change to None takes the element out."""
    made = {"Effect": "Allow", "Action": "s3:*", "Resource": "*", **changes}
    return json.dumps({"Version": "2012-10-17", "Statement": {k: v for k, v in made.items() if v is not None}})


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "[]",
        '"text"',
        "{}",
        '{"Statement": []}',
        '{"Version": "2013-01-01", "Statement": []}',
        statement(Effect="Maybe"),
        statement(Action=None),
        statement(Resource=None),
        statement(Principal="*"),
        statement(Colour="red"),
        statement(Action=[1]),
        statement(Condition="x"),
        "[" * 5000,
    ],
)
def test_a_malformed_policy_is_refused(iam, role, document):
    code = code_of(iam.put_role_policy, RoleName=role, PolicyName="p", PolicyDocument=document)
    assert code == "MalformedPolicyDocument"


@pytest.mark.parametrize(
    ("principal", "is_accepted"),
    [
        (f"arn:aws:iam::{ACCOUNT}:role/LowcloudExecutionRole", True),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/Any/session", True),
        ("arn:aws:iam::999999999999:user/theirs", True),
        ("*", True),
        (f"arn:aws:iam::{ACCOUNT}:role/nobody", False),
        (f"arn:aws:iam::{ACCOUNT}:role/path/LowcloudExecutionRole", False),
        (f"arn:aws:iam::{ACCOUNT}:user/*", False),
        (f"arn:aws:iam::{ACCOUNT}:group/team", False),
        ("12345", False),
        ("ada", False),
    ],
)
def test_the_principals_of_a_trust_policy_exist(iam, principal, is_accepted):
    document = statement(Principal={"AWS": principal}, Action="sts:AssumeRole", Resource=None)
    members = {"RoleName": next(NAMES), "AssumeRolePolicyDocument": document}
    if is_accepted:
        assert iam.create_role(**members)
    else:
        assert code_of(iam.create_role, **members) == "MalformedPolicyDocument"


def test_a_trust_policy_has_a_limited_size(iam):
    document = statement(Principal={"AWS": ACCOUNT}, Action="sts:AssumeRole", Resource=None, Sid="x" * 4096)
    assert code_of(iam.create_role, RoleName=next(NAMES), AssumeRolePolicyDocument=document) == "LimitExceeded"


@pytest.mark.parametrize("document", [POLICY, statement(Resource=None, Principal="*"), "{"])
def test_a_trust_policy_says_who_may_assume_the_role(iam, document):
    assert (
        code_of(iam.create_role, RoleName=next(NAMES), AssumeRolePolicyDocument=document) == "MalformedPolicyDocument"
    )


@pytest.mark.parametrize(
    ("principal", "action", "others", "trusted"),
    [
        ({"AWS": ACCOUNT}, "sts:AssumeRole", {}, True),
        ({"AWS": [f"arn:aws:iam::{ACCOUNT}:root"]}, "sts:*", {}, True),
        ("*", "*", {}, True),
        ({"AWS": "999999999999"}, "sts:AssumeRole", {}, False),
        ({"Service": "sagemaker.amazonaws.com"}, "sts:AssumeRole", {}, False),
        ({"AWS": ACCOUNT}, "sts:TagSession", {}, False),
        ({"AWS": ACCOUNT}, "sts:AssumeRole", {"Effect": "Deny"}, False),
        ({"AWS": ACCOUNT}, "sts:AssumeRole", {"Condition": {"Bool": {"aws:x": "true"}}}, False),
    ],
)
def test_a_role_is_assumed_by_whom_it_trusts(server, iam, principal, action, others, trusted):
    document = statement(Principal=principal, Action=action, Resource=None, **others)
    arn = iam.create_role(RoleName=next(NAMES), AssumeRolePolicyDocument=document)["Role"]["Arn"]
    assume = server.client("sts").assume_role
    if trusted:
        assert assume(RoleArn=arn, RoleSessionName="me")["AssumedRoleUser"]["Arn"].endswith("/me")
    else:
        assert code_of(assume, RoleArn=arn, RoleSessionName="me") == "AccessDenied"
