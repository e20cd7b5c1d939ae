"""Managed policies, their versions and whom they are attached to, with a live client."""

import json

import pytest

from tests.support.identities import policy, trust
from tests.support.servers.endpoint import ACCOUNT

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
DOCUMENT = policy("s3:GetObject")


@pytest.fixture
def arn(iam, new_name):
    """The ARN of a new policy."""
    return iam.create_policy(PolicyName=new_name(), PolicyDocument=DOCUMENT)["Policy"]["Arn"]


def test_a_policy_is_returned_as_created(iam, new_name, code_of):
    name = new_name()
    made = iam.create_policy(
        PolicyName=name, Path="/team/", PolicyDocument=DOCUMENT, Description="d", Tags=[{"Key": "k", "Value": "v"}]
    )["Policy"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:policy/team/{name}"
    found = iam.get_policy(PolicyArn=made["Arn"])["Policy"]
    assert (found["Description"], found["DefaultVersionId"], found["AttachmentCount"]) == ("d", "v1", 0)
    assert (found["PolicyId"], found["Tags"]) == (made["PolicyId"], [{"Key": "k", "Value": "v"}])
    assert code_of(iam.create_policy, PolicyName=name.upper(), PolicyDocument=DOCUMENT) == "EntityAlreadyExists"
    assert code_of(iam.create_policy, PolicyName=new_name(), PolicyDocument="{}") == "MalformedPolicyDocument"
    large = policy("s3:GetObject", Sid="x" * 6144)
    assert code_of(iam.create_policy, PolicyName=new_name(), PolicyDocument=large) == "LimitExceeded"
    assert code_of(iam.get_policy, PolicyArn=made["Arn"].replace("/team", "")) == "NoSuchEntity"


def test_a_policy_has_five_versions_of_which_one_is_the_default(iam, arn, code_of):
    for number in range(2, 6):
        document = policy(f"s3:Action{number}")
        made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=number == 3)
        assert made["PolicyVersion"]["VersionId"] == f"v{number}"
    assert code_of(iam.create_policy_version, PolicyArn=arn, PolicyDocument=DOCUMENT) == "LimitExceeded"
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v3"
    assert code_of(iam.delete_policy_version, PolicyArn=arn, VersionId="v3") == "DeleteConflict"
    iam.delete_policy_version(PolicyArn=arn, VersionId="v5")
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v2")
    assert iam.create_policy_version(PolicyArn=arn, PolicyDocument=DOCUMENT)["PolicyVersion"]["VersionId"] == "v6"
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [(one["VersionId"], one["IsDefaultVersion"]) for one in versions] == [
        ("v6", False),
        ("v4", False),
        ("v3", False),
        ("v2", True),
        ("v1", False),
    ]
    second = iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]
    assert second["Document"] == json.loads(policy("s3:Action2"))
    assert code_of(iam.get_policy_version, PolicyArn=arn, VersionId="v9") == "NoSuchEntity"
    assert code_of(iam.set_default_policy_version, PolicyArn=arn, VersionId="v9") == "NoSuchEntity"
    assert code_of(iam.delete_policy, PolicyArn=arn) == "DeleteConflict"


def test_a_policy_in_use_is_not_deleted(iam, arn, new_name, code_of):
    user, group, role = new_name(), new_name(), new_name()
    iam.create_user(UserName=user)
    iam.create_group(GroupName=group)
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))
    iam.attach_user_policy(UserName=user, PolicyArn=arn)
    iam.attach_group_policy(GroupName=group, PolicyArn=arn)
    iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=arn)
    found = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (found["AttachmentCount"], found["PermissionsBoundaryUsageCount"]) == (2, 1)
    entities = iam.list_entities_for_policy(PolicyArn=arn)
    assert [one["UserName"] for one in entities["PolicyUsers"]] == [user]
    assert [one["GroupName"] for one in entities["PolicyGroups"]] == [group]
    assert [one["RoleName"] for one in entities["PolicyRoles"]] == [role]
    only = iam.list_entities_for_policy(PolicyArn=arn, PolicyUsageFilter="PermissionsPolicy", EntityFilter="Role")
    assert only["PolicyRoles"] == []
    iam.detach_user_policy(UserName=user, PolicyArn=arn)
    iam.detach_group_policy(GroupName=group, PolicyArn=arn)
    assert code_of(iam.delete_policy, PolicyArn=arn) == "DeleteConflict"
    iam.delete_role_permissions_boundary(RoleName=role)
    assert code_of(iam.delete_role_permissions_boundary, RoleName=role) == "NoSuchEntity"
    iam.delete_policy(PolicyArn=arn)
    assert code_of(iam.get_policy, PolicyArn=arn) == "NoSuchEntity"


def test_policies_of_aws_are_there_to_attach_and_not_to_change(iam, new_name, code_of):
    found = iam.get_policy(PolicyArn=READ_ONLY)["Policy"]
    document = iam.get_policy_version(PolicyArn=READ_ONLY, VersionId=found["DefaultVersionId"])["PolicyVersion"]
    assert document["Document"]["Statement"]
    assert iam.get_policy(PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
    user = new_name()
    iam.create_user(UserName=user)
    unknown = "arn:aws:iam::aws:policy/NoSuchAccess"
    assert code_of(iam.attach_user_policy, UserName=user, PolicyArn=unknown) == "NoSuchEntity"
    assert code_of(iam.attach_user_policy, UserName=user, PolicyArn="arn:aws:iam::nonsense/x") == "InvalidInput"
    assert code_of(iam.attach_user_policy, UserName=new_name(), PolicyArn=READ_ONLY) == "NoSuchEntity"
    assert code_of(iam.put_user_permissions_boundary, UserName=user, PermissionsBoundary=unknown) == "NoSuchEntity"
    assert code_of(iam.delete_policy, PolicyArn=READ_ONLY) == "NoSuchEntity"
    of_aws = [one for page in iam.get_paginator("list_policies").paginate(Scope="AWS") for one in page["Policies"]]
    assert {"AdministratorAccess", "AmazonSageMakerFullAccess"} <= {one["PolicyName"] for one in of_aws}
    assert all(one["Arn"].startswith("arn:aws:iam::aws:policy/") for one in of_aws)


def test_local_policies_are_listed_by_path_and_use(iam, arn, new_name):
    iam.create_policy(PolicyName=new_name(), Path="/listed/", PolicyDocument=DOCUMENT)
    assert len(iam.list_policies(Scope="Local", PathPrefix="/listed/")["Policies"]) == 1
    assert iam.list_policies(Scope="Local", PathPrefix="/listed/", OnlyAttached=True)["Policies"] == []


def test_a_user_has_ten_managed_policies_at_most(iam, new_name, code_of):
    user = new_name()
    iam.create_user(UserName=user)
    arns = [one["Arn"] for one in iam.list_policies(Scope="AWS", MaxItems=11)["Policies"]]
    for arn in [*arns[:10], arns[0]]:
        iam.attach_user_policy(UserName=user, PolicyArn=arn)
    assert code_of(iam.attach_user_policy, UserName=user, PolicyArn=arns[10]) == "LimitExceeded"
    assert len(iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]) == 10


@pytest.mark.parametrize("sort", ["user", "group", "role"])
def test_policies_are_written_into_users_groups_and_roles(iam, new_name, code_of, sort):
    name = {f"{sort.title()}Name": new_name()}
    more = {"AssumeRolePolicyDocument": trust({"AWS": ACCOUNT})} if sort == "role" else {}
    getattr(iam, f"create_{sort}")(**name, **more)
    put, get, listed, delete = (
        getattr(iam, call)
        for call in (f"put_{sort}_policy", f"get_{sort}_policy", f"list_{sort}_policies", f"delete_{sort}_policy")
    )
    for policy_name in "ba":
        put(**name, PolicyName=policy_name, PolicyDocument=DOCUMENT)
    assert listed(**name)["PolicyNames"] == ["a", "b"]
    assert get(**name, PolicyName="a")["PolicyDocument"] == json.loads(DOCUMENT)
    limit = {"user": 2048, "group": 5120, "role": 10240}[sort]
    large = policy("s3:*", Sid="x" * limit)
    assert code_of(put, **name, PolicyName="c", PolicyDocument=large) == "LimitExceeded"
    assert code_of(put, **name, PolicyName="c", PolicyDocument="{}") == "MalformedPolicyDocument"
    delete(**name, PolicyName="a")
    assert code_of(delete, **name, PolicyName="a") == "NoSuchEntity"
    assert code_of(get, **name, PolicyName="a") == "NoSuchEntity"
    assert code_of(getattr(iam, f"delete_{sort}"), **name) == "DeleteConflict"


def test_policies_that_grant_access_to_a_service_are_listed(iam, new_name):
    user, group = new_name(), new_name()
    made = iam.create_user(UserName=user)["User"]
    iam.create_group(GroupName=group)
    iam.add_user_to_group(GroupName=group, UserName=user)
    iam.put_group_policy(GroupName=group, PolicyName="reads", PolicyDocument=DOCUMENT)
    iam.attach_user_policy(UserName=user, PolicyArn="arn:aws:iam::aws:policy/AmazonSQSFullAccess")
    found = iam.list_policies_granting_service_access(Arn=made["Arn"], ServiceNamespaces=["s3", "sqs", "ec2"])
    names = {
        one["ServiceNamespace"]: [policy["PolicyName"] for policy in one["Policies"]]
        for one in found["PoliciesGrantingServiceAccess"]
    }
    assert names == {"s3": ["reads"], "sqs": ["AmazonSQSFullAccess"], "ec2": []}
