"""Users and their access keys, with a live client."""

import pytest
from botocore.exceptions import ClientError

from tests.support.identities import make_user, policy, signed_by
from tests.support.servers.endpoint import ACCOUNT
from tests.support.waiting import wait_for

BOUNDARY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def error_of(call):
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


def test_a_user_signs_requests_with_an_access_key(server, new_name):
    name = new_name()
    key = make_user(server, name, policy("iam:GetUser"))
    assert (len(key["AccessKeyId"]), len(key["SecretAccessKey"])) == (20, 40)
    identity = signed_by(server, key, "sts").get_caller_identity()
    assert (identity["Arn"], identity["Account"]) == (f"arn:aws:iam::{ACCOUNT}:user/{name}", ACCOUNT)
    user = signed_by(server, key, "iam").get_user()["User"]
    assert (user["UserName"], user["UserId"]) == (name, identity["UserId"])


def test_a_user_is_returned_as_created(iam, new_name, code_of):
    name = new_name()
    made = iam.create_user(
        UserName=name, Path="/team/", PermissionsBoundary=BOUNDARY, Tags=[{"Key": "k", "Value": "v"}]
    )["User"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/team/{name}"
    assert made["UserId"].startswith("AIDA")
    assert made["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY
    assert made["Tags"] == [{"Key": "k", "Value": "v"}]
    assert iam.get_user(UserName=name.upper())["User"] == made
    assert code_of(iam.create_user, UserName=name.upper()) == "EntityAlreadyExists"
    assert name in [user["UserName"] for user in iam.list_users(PathPrefix="/team/")["Users"]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"UserName": "a b"},
        {"UserName": "x" * 65},
        {"UserName": ""},
        {"UserName": "ok", "Path": "team"},
        {"UserName": "ok", "Tags": [{"Key": "", "Value": "v"}]},
    ],
)
def test_a_wrong_name_is_refused(iam, code_of, wrong):
    assert code_of(iam.create_user, **wrong) == "ValidationError"


def test_root_asks_for_itself(iam):
    assert iam.get_user()["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_a_renamed_user_keeps_key_and_policies(server, iam, new_name, code_of):
    old, new = new_name(), new_name()
    key = make_user(server, old, policy("s3:*"))
    iam.update_user(UserName=old, NewUserName=new, NewPath="/moved/")
    assert signed_by(server, key, "sts").get_caller_identity()["Arn"].endswith(f"user/moved/{new}")
    assert iam.list_user_policies(UserName=new)["PolicyNames"] == ["policy-0"]
    assert code_of(iam.get_user, UserName=old) == "NoSuchEntity"
    iam.create_user(UserName=old)
    assert code_of(iam.update_user, UserName=old, NewUserName=new.upper()) == "EntityAlreadyExists"


def test_a_user_with_anything_left_is_not_deleted(server, iam, new_name, code_of):
    name, group = new_name(), new_name()
    key = make_user(server, name, policy("s3:*"))
    iam.create_group(GroupName=group)
    iam.add_user_to_group(GroupName=group, UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=BOUNDARY)
    for remove in (
        lambda: iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"]),
        lambda: iam.remove_user_from_group(GroupName=group, UserName=name),
        lambda: iam.detach_user_policy(UserName=name, PolicyArn=BOUNDARY),
        lambda: iam.delete_user_policy(UserName=name, PolicyName="policy-0"),
    ):
        assert code_of(iam.delete_user, UserName=name) == "DeleteConflict"
        remove()
    iam.delete_user(UserName=name)
    assert code_of(iam.get_user, UserName=name) == "NoSuchEntity"
    sts = signed_by(server, key, "sts")
    wait_for(lambda: error_of(sts.get_caller_identity) == "InvalidClientTokenId")


def test_a_user_has_two_keys_at_most_and_an_inactive_one_signs_nothing(server, iam, new_name, code_of):
    name = new_name()
    key = make_user(server, name)
    sts = signed_by(server, key, "sts")
    session = sts.get_session_token()["Credentials"]
    assert signed_by(server, session, "sts").get_caller_identity()["Arn"].endswith(f"user/{name}")
    iam.create_access_key(UserName=name)
    assert code_of(iam.create_access_key, UserName=name) == "LimitExceeded"
    assert len(iam.list_access_keys(UserName=name)["AccessKeyMetadata"]) == 2
    assert "SecretAccessKey" not in iam.list_access_keys(UserName=name)["AccessKeyMetadata"][0]
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    wait_for(lambda: error_of(sts.get_caller_identity) == "InvalidClientTokenId")
    of_session = signed_by(server, session, "sts")
    wait_for(lambda: error_of(of_session.get_caller_identity) == "InvalidClientTokenId")
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Active")
    wait_for(lambda: error_of(sts.get_caller_identity) == "")
    assert code_of(iam.delete_access_key, UserName=name, AccessKeyId="AKIA0000000000000000") == "NoSuchEntity"


def test_the_last_use_of_a_key_is_known(server, iam, new_name):
    name = new_name()
    key = make_user(server, name)
    unused = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
    assert unused["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}
    signed_by(server, key, "sts").get_caller_identity()

    def used():
        return iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]

    wait_for(lambda: "LastUsedDate" in used())
    assert (used()["ServiceName"], used()["Region"]) == ("sts", "us-east-1")


def test_users_have_no_passwords(iam, new_name, code_of):
    name = new_name()
    iam.create_user(UserName=name)
    assert code_of(iam.get_login_profile, UserName=name) == "NoSuchEntity"
    for call, members in (
        (iam.create_login_profile, {"UserName": name, "Password": "secret"}),
        (iam.get_account_password_policy, {}),
        (iam.create_virtual_mfa_device, {"VirtualMFADeviceName": "phone"}),
    ):
        with pytest.raises(ClientError, match="NotImplemented"):
            call(**members)
