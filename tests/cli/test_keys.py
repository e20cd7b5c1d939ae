"""`lowcloud keys rotate`: the former root key ends at once, in every process."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.identities import signed_by
from tests.support.servers.server import Server

CONNECTIONS = 12  # so many that both processes answer some


def answers(cloud: Server, key: dict[str, Any]) -> set[str]:
    """The errors of a key's requests on several connections; "": none."""
    found = set()
    for _ in range(CONNECTIONS):
        try:
            signed_by(cloud, key, "sts").get_caller_identity()
            found.add("")
        except ClientError as error:
            found.add(error.response["Error"]["Code"])
    return found


def test_a_rotated_root_key_and_its_sessions_end_in_all_processes(tmp_path: Path) -> None:
    cloud = Server(tmp_path / "home")
    cloud.up("--workers", "2")
    try:
        former = {
            "AccessKeyId": cloud.endpoint.access_key_id,
            "SecretAccessKey": cloud.endpoint.secret_access_key,
        }
        session = cloud.client("sts").get_session_token()["Credentials"]
        assert answers(cloud, former) == answers(cloud, session) == {""}
        refused = cloud.cli("keys", "rotate", check=False)
        assert (refused.returncode, "add --yes" in refused.stderr) == (1, True)
        assert f"{former['AccessKeyId']} is not valid any more" in cloud.cli("keys", "rotate", "--yes").stdout
        assert answers(cloud, former) == answers(cloud, session) == {"InvalidClientTokenId"}
        assert cloud.endpoint.access_key_id != former["AccessKeyId"]
        cloud.client("s3").create_bucket(Bucket="with-the-new-key")
    finally:
        cloud.down()
    given = {"LOWCLOUD_ROOT_ACCESS_KEY_ID": "AKIAGIVEN", "LOWCLOUD_ROOT_SECRET_ACCESS_KEY": "secret"}
    refused = cloud.cli("keys", "rotate", "--yes", check=False, **given)
    assert (refused.returncode, "LOWCLOUD_ROOT_ACCESS_KEY_ID" in refused.stderr) == (1, True)


@pytest.mark.parametrize("arguments", [(), ("rotate", "--yes")])
def test_a_key_of_no_home_is_not_rotated(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert Server(tmp_path / "none").cli("keys", *arguments, check=False).returncode != 0
    assert not (tmp_path / "none").exists()
