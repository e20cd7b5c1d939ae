"""Groups, instance profiles, providers and the account, with a live client."""

import csv

from tests.support.identities import make_user, policy, trust
from tests.support.servers.endpoint import ACCOUNT

TRUST = trust({"AWS": ACCOUNT})


def test_users_are_members_of_groups(iam, new_name, code_of):
    group, user = new_name(), new_name()
    made = iam.create_group(GroupName=group, Path="/g/")["Group"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:group/g/{group}"
    iam.create_user(UserName=user)
    for _ in range(2):
        iam.add_user_to_group(GroupName=group, UserName=user)
    assert [one["UserName"] for one in iam.get_group(GroupName=group)["Users"]] == [user]
    assert iam.list_groups_for_user(UserName=user)["Groups"] == [made]
    assert code_of(iam.delete_group, GroupName=group) == "DeleteConflict"
    assert code_of(iam.add_user_to_group, GroupName=group, UserName=new_name()) == "NoSuchEntity"
    renamed = new_name()
    iam.update_group(GroupName=group, NewGroupName=renamed)
    assert iam.list_groups_for_user(UserName=user)["Groups"][0]["GroupName"] == renamed
    iam.remove_user_from_group(GroupName=renamed, UserName=user)
    assert code_of(iam.remove_user_from_group, GroupName=renamed, UserName=user) == "NoSuchEntity"
    iam.delete_group(GroupName=renamed)
    assert code_of(iam.get_group, GroupName=renamed) == "NoSuchEntity"


def test_a_user_is_in_ten_groups_at_most(iam, new_name, code_of):
    user = new_name()
    iam.create_user(UserName=user)
    names = [new_name() for _ in range(11)]
    for name in names:
        iam.create_group(GroupName=name)
    for name in names[:10]:
        iam.add_user_to_group(GroupName=name, UserName=user)
    assert code_of(iam.add_user_to_group, GroupName=names[10], UserName=user) == "LimitExceeded"


def test_tags_of_users_roles_policies_and_profiles(iam, new_name, code_of):
    name = new_name()
    iam.create_user(UserName=name)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    arn = iam.create_policy(PolicyName=name, PolicyDocument=policy("s3:*"))["Policy"]["Arn"]
    iam.create_instance_profile(InstanceProfileName=name)
    for sort, key in (
        ("user", {"UserName": name}),
        ("role", {"RoleName": name}),
        ("policy", {"PolicyArn": arn}),
        ("instance_profile", {"InstanceProfileName": name}),
    ):
        tag, untag, listed = (
            getattr(iam, f"tag_{sort}"),
            getattr(iam, f"untag_{sort}"),
            getattr(iam, f"list_{sort}_tags"),
        )
        tag(**key, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
        tag(**key, Tags=[{"Key": "a", "Value": "2"}])
        untag(**key, TagKeys=["b", "c"])
        assert listed(**key)["Tags"] == [{"Key": "a", "Value": "2"}]
        twice = [{"Key": "x", "Value": "1"}, {"Key": "X", "Value": "2"}]
        assert code_of(tag, **key, Tags=twice) == "InvalidInput"
        many = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
        assert code_of(tag, **key, Tags=many) == "LimitExceeded"


def test_a_role_is_changed(iam, new_name, code_of):
    name = new_name()
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, Tags=[{"Key": "k", "Value": "v"}])
    iam.update_role(RoleName=name, Description="new", MaxSessionDuration=7200)
    changed = trust({"Service": "lambda.amazonaws.com"})
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=changed)
    role = iam.get_role(RoleName=name)["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("new", 7200)
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert (role["Tags"], role["RoleLastUsed"]) == ([{"Key": "k", "Value": "v"}], {})
    malformed = policy("s3:*")
    assert code_of(iam.update_assume_role_policy, RoleName=name, PolicyDocument=malformed) == "MalformedPolicyDocument"


def test_an_instance_profile_has_one_role(iam, new_name, code_of):
    profile, role = new_name(), new_name()
    made = iam.create_instance_profile(InstanceProfileName=profile, Path="/p/")["InstanceProfile"]
    assert (made["Arn"], made["Roles"]) == (f"arn:aws:iam::{ACCOUNT}:instance-profile/p/{profile}", [])
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=TRUST)
    both = {"InstanceProfileName": profile, "RoleName": role}
    iam.add_role_to_instance_profile(**both)
    assert code_of(iam.add_role_to_instance_profile, **both) == "LimitExceeded"
    found = iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]
    assert [one["RoleName"] for one in found["Roles"]] == [role]
    of_role = iam.list_instance_profiles_for_role(RoleName=role)["InstanceProfiles"]
    assert [one["InstanceProfileName"] for one in of_role] == [profile]
    assert code_of(iam.delete_role, RoleName=role) == "DeleteConflict"
    assert code_of(iam.delete_instance_profile, InstanceProfileName=profile) == "DeleteConflict"
    iam.remove_role_from_instance_profile(**both)
    iam.delete_instance_profile(InstanceProfileName=profile)
    iam.delete_role(RoleName=role)


def test_a_provider_is_returned_as_created(iam, code_of):
    url = "https://login.example.com/tenant"
    arn = iam.create_open_id_connect_provider(
        Url=url, ClientIDList=["app"], ThumbprintList=["a" * 40], Tags=[{"Key": "k", "Value": "v"}]
    )["OpenIDConnectProviderArn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:oidc-provider/login.example.com/tenant"
    assert code_of(iam.create_open_id_connect_provider, Url=url) == "EntityAlreadyExists"
    assert code_of(iam.create_open_id_connect_provider, Url="http://login.example.com") == "InvalidInput"
    key = {"OpenIDConnectProviderArn": arn}
    iam.add_client_id_to_open_id_connect_provider(**key, ClientID="other")
    iam.remove_client_id_from_open_id_connect_provider(**key, ClientID="app")
    iam.update_open_id_connect_provider_thumbprint(**key, ThumbprintList=["b" * 40])
    found = iam.get_open_id_connect_provider(**key)
    assert (found["Url"], found["ClientIDList"]) == ("login.example.com/tenant", ["other"])
    assert (found["ThumbprintList"], found["Tags"]) == (["b" * 40], [{"Key": "k", "Value": "v"}])
    assert key["OpenIDConnectProviderArn"] in [
        one["Arn"] for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    ]
    iam.delete_open_id_connect_provider(**key)
    assert code_of(iam.get_open_id_connect_provider, **key) == "NoSuchEntity"


def test_a_service_linked_role_is_made_for_sagemaker(iam, code_of):
    role = iam.create_service_linked_role(AWSServiceName="sagemaker.amazonaws.com")["Role"]
    assert role["Path"] == "/aws-service-role/sagemaker.amazonaws.com/"
    assert code_of(iam.create_service_linked_role, AWSServiceName="sagemaker.amazonaws.com") == "InvalidInput"
    name = role["RoleName"]
    assert code_of(iam.delete_role, RoleName=name) == "UnmodifiableEntity"
    assert code_of(iam.put_role_policy, RoleName=name, PolicyName="p", PolicyDocument=policy("s3:*")) == (
        "UnmodifiableEntity"
    )
    task = iam.delete_service_linked_role(RoleName=role["RoleName"])["DeletionTaskId"]
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    assert code_of(iam.get_role, RoleName=role["RoleName"]) == "NoSuchEntity"


def test_the_account_is_described_as_a_whole(server, iam, new_name):
    user, group = new_name(), new_name()
    key = make_user(server, user, policy("s3:*"))
    iam.create_group(GroupName=group)
    iam.add_user_to_group(GroupName=group, UserName=user)
    summary = iam.get_account_summary()["SummaryMap"]
    assert summary["Users"] >= 1
    assert summary["AccessKeysPerUserQuota"] == 2
    pages = list(iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 7}))
    users = {one["UserName"]: one for page in pages for one in page["UserDetailList"]}
    assert users[user]["GroupList"] == [group]
    assert users[user]["UserPolicyList"][0]["PolicyDocument"]["Statement"][0]["Action"] == ["s3:*"]
    roles = [one["RoleName"] for page in pages for one in page["RoleDetailList"]]
    assert "LowcloudExecutionRole" in roles
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    rows = list(csv.DictReader(iam.get_credential_report()["Content"].decode().splitlines()))
    assert (rows[0]["user"], rows[0]["access_key_1_active"]) == ("<root_account>", "true")
    assert None not in rows[0].values()
    row = next(row for row in rows if row["user"] == user)
    assert (row["access_key_1_active"], row["access_key_2_active"]) == ("true", "false")
    assert key["SecretAccessKey"] not in str(row)


def test_lists_of_what_users_do_not_have_are_empty(iam, new_name, code_of):
    user = new_name()
    iam.create_user(UserName=user)
    assert iam.list_mfa_devices(UserName=user)["MFADevices"] == []
    assert iam.list_ssh_public_keys(UserName=user)["SSHPublicKeys"] == []
    assert iam.list_account_aliases()["AccountAliases"] == []
    assert code_of(iam.list_mfa_devices, UserName=new_name()) == "NoSuchEntity"
