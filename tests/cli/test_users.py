"""The commands for the people of a cloud, and `lowcloud run --as`."""

import json
import sys

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.identities import policy, trust
from tests.support.servers.endpoint import ACCOUNT

WHO = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"


def printed_keys(text):
    """The variables that a login prints for a shell."""
    lines = [line.removeprefix("export ") for line in text.splitlines() if line.startswith("export ")]
    return dict(line.split("=", 1) for line in lines)


def who(variables):
    sts = boto3.client(
        "sts",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        region_name=variables["AWS_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )
    return sts.get_caller_identity()["Arn"]


def test_a_person_is_added_logs_in_and_is_removed(server):
    added = server.cli("users", "add", "cli-ada", "--group", "cli-team", "--policy", "AmazonS3ReadOnlyAccess")
    assert "lowcloud users login cli-ada" in added.stdout
    first = printed_keys(server.cli("users", "login", "cli-ada").stdout)
    assert who(first) == f"arn:aws:iam::{ACCOUNT}:user/cli-ada"
    second = server.cli("users", "login", "cli-ada").stdout
    assert "[profile lowcloud]" in second
    full = server.cli("users", "login", "cli-ada", check=False)
    assert full.returncode == 1
    assert "--rotate" in full.stderr
    rotated = printed_keys(server.cli("users", "login", "cli-ada", "--rotate").stdout)
    (found,) = [one for one in json.loads(server.cli("users", "list", "--json").stdout) if one["UserName"] == "cli-ada"]
    assert found["AccessKeys"] == [rotated["AWS_ACCESS_KEY_ID"]]
    assert (found["Groups"], found["Policies"]) == (["cli-team"], ["AmazonS3ReadOnlyAccess"])
    assert server.cli("users", "remove", "cli-ada", check=False).returncode == 1, "nobody to ask"
    server.cli("users", "remove", "cli-ada", "--yes")
    assert "cli-ada" not in server.cli("users", "list").stdout
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        who(rotated)


def test_wrong_names_are_explained(server):
    unknown = server.cli("users", "add", "cli-bob", "--policy", "NoSuchAccess", check=False)
    assert (unknown.returncode, "NoSuchAccess" in unknown.stderr) == (1, True)
    assert "cli-bob" not in server.cli("users", "list").stdout
    for arguments in (("login", "cli-nobody"), ("remove", "cli-nobody", "--yes")):
        missing = server.cli("users", *arguments, check=False)
        assert (missing.returncode, "cli-nobody" in missing.stderr) == (1, True)


def test_a_command_runs_with_the_rights_of_a_user_or_a_role(server):
    iam = server.client("iam")
    iam.create_user(UserName="cli-carol")
    iam.put_user_policy(UserName="cli-carol", PolicyName="p", PolicyDocument=policy("s3:*"))
    iam.create_role(RoleName="cli-role", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))
    for name, arn in (
        ("cli-carol", f"arn:aws:iam::{ACCOUNT}:user/cli-carol"),
        ("cli-role", f"arn:aws:sts::{ACCOUNT}:assumed-role/cli-role/lowcloud-run"),
    ):
        assert server.cli("run", "--as", name, sys.executable, "-c", WHO).stdout.strip() == arn
    missing = server.cli("run", "--as", "cli-nobody", sys.executable, "-c", WHO, check=False)
    assert (missing.returncode, "cli-nobody" in missing.stderr) == (1, True)
    with pytest.raises(ClientError, match="AccessDenied"):
        key = iam.create_access_key(UserName="cli-carol")["AccessKey"]
        server.client(
            "lowcloud", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
        ).create_user_session(UserName="cli-carol")
