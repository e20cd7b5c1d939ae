"""Who the caller is, and temporary credentials, with a live client."""

import pytest
from botocore.exceptions import ClientError

from tests.support.servers.endpoint import ACCOUNT
from tests.support.servers.server import Server

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
