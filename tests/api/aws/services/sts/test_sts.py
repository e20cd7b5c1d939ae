"""Who the caller is, and temporary credentials, with a live client."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from tests.support.identities import policy, trust
from tests.support.servers.endpoint import ACCOUNT
from tests.support.servers.server import Server
from tests.support.waiting import wait_for

ROLE = f"arn:aws:iam::{ACCOUNT}:role/LowcloudExecutionRole"


def session_client(server: Server, service: str, credentials: dict[str, str]):
    return server.client(
        service,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def test_root_is_called_root_of_its_account(server):
    identity = server.client("sts").get_caller_identity()
    assert identity["Account"] == ACCOUNT
    assert identity["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_a_session_of_a_role_signs_requests_under_the_roles_name(server):
    assumed = server.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="me", DurationSeconds=900)
    identity = session_client(server, "sts", assumed["Credentials"]).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/LowcloudExecutionRole/me"
    assert identity["UserId"] == assumed["AssumedRoleUser"]["AssumedRoleId"]


def test_a_session_token_of_another_key_is_refused(server):
    sts = server.client("sts")
    first, second = (sts.assume_role(RoleArn=ROLE, RoleSessionName=name)["Credentials"] for name in ("one", "two"))
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        session_client(server, "sts", {**first, "SessionToken": second["SessionToken"]}).get_caller_identity()


@pytest.mark.parametrize("arn", [ROLE + "X", ROLE.replace(ACCOUNT, "999999999999"), "arn:aws:iam::nonsense-of-length"])
def test_a_missing_role_is_denied_without_a_reason(server, arn):
    with pytest.raises(ClientError, match=r"AccessDenied.*sts:AssumeRole"):
        server.client("sts").assume_role(RoleArn=arn, RoleSessionName="me")


def test_a_session_is_no_longer_than_its_role_allows(server):
    with pytest.raises(ClientError, match=r"ValidationError.*1 validation error detected: Value '899'"):
        server.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="me", DurationSeconds=899)


def test_get_session_token_gives_root_a_session_and_a_role_none(server):
    credentials = server.client("sts").get_session_token()["Credentials"]
    sts = session_client(server, "sts", credentials)
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    role = server.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="me")["Credentials"]
    with pytest.raises(ClientError, match="AccessDenied"):
        session_client(server, "sts", role).get_session_token()


def test_a_session_of_root_lasts_an_hour_at_most_and_gets_no_further_token(server):
    for arguments in ({}, {"DurationSeconds": 3600}, {"DurationSeconds": 129_600}):
        credentials = server.client("sts").get_session_token(**arguments)["Credentials"]
        left = credentials["Expiration"] - datetime.now(UTC)
        assert timedelta(seconds=3500) < left <= timedelta(seconds=3600)
    with pytest.raises(ClientError, match="AccessDenied"):
        session_client(server, "sts", credentials).get_session_token()


def test_a_role_assumed_by_a_role_has_an_hour_and_one_assumed_by_root_what_the_role_allows(server):
    iam = server.client("iam")
    arn = make_role(server, "chained", AWS=ACCOUNT)
    iam.update_role(RoleName="chained", MaxSessionDuration=43_200)
    iam.put_role_policy(RoleName="chained", PolicyName="chains", PolicyDocument=policy("sts:AssumeRole"))
    arguments = {"RoleArn": arn, "RoleSessionName": "me"}
    first = server.client("sts").assume_role(**arguments, DurationSeconds=43_200)["Credentials"]
    chained = session_client(server, "sts", first)
    assert chained.assume_role(**arguments, DurationSeconds=3600)["Credentials"]
    with pytest.raises(ClientError, match=r"ValidationError.*1 hour session limit"):
        chained.assume_role(**arguments, DurationSeconds=3601)


def error_of(call: Callable[[], object]) -> str:
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def make_role(server: Server, name: str, **principal: str) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return server.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy)["Role"]["Arn"]


def test_the_sessions_of_a_deleted_role_end_and_one_made_anew_does_not_revive_them(server):
    arn = make_role(server, "short-lived", AWS=ACCOUNT)
    credentials = server.client("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    sts, s3 = (session_client(server, service, credentials) for service in ("sts", "s3"))
    assert sts.get_caller_identity()["Arn"].endswith("short-lived/me")
    server.client("iam").delete_role(RoleName="short-lived")
    wait_for(lambda: error_of(s3.list_buckets) == "InvalidToken")  # every process has noticed it after half a second
    wait_for(lambda: error_of(sts.get_caller_identity) == "InvalidClientTokenId")
    make_role(server, "short-lived", AWS=ACCOUNT)
    assert error_of(s3.list_buckets) == "InvalidToken"
    assert error_of(sts.get_caller_identity) == "InvalidClientTokenId"
    server.client("iam").delete_role(RoleName="short-lived")


def test_a_role_that_is_trusted_for_another_action_alone_is_not_assumed(server):
    document = trust({"AWS": ACCOUNT}, "sts:AssumeRoleWithSAML")
    arn = server.client("iam").create_role(RoleName="for-saml", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    with pytest.raises(ClientError, match="AccessDenied"):
        server.client("sts").assume_role(RoleArn=arn, RoleSessionName="me")
    server.client("iam").delete_role(RoleName="for-saml")
