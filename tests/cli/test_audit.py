"""`lowcloud audit`, and what `lowcloud check` says of a log that was changed."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.identities import make_user, signed_by
from tests.support.servers.server import Server


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A stopped server with a log."""
    cloud = Server(tmp_path_factory.mktemp("audit") / "home")
    cloud.up("--workers", "2")
    key = make_user(cloud, "eve")
    with pytest.raises(Exception, match="AccessDenied"):
        signed_by(cloud, key, "s3").create_bucket(Bucket="never")
    cloud.client("s3").create_bucket(Bucket="made")
    return cloud


def test_the_log_is_listed_and_a_changed_one_is_reported(cloud: Server) -> None:
    try:
        listed = [line.split("\t") for line in cloud.cli("audit", "--since", "1h").stdout.splitlines()]
        assert listed[0] == ["Time", "Who", "What", "Resource", "From", "Outcome"]
        assert ["root", "s3:CreateBucket", "made", "127.0.0.1", "done"] in [row[1:] for row in listed]
        (denied,) = json.loads(cloud.cli("audit", "--denied", "--json").stdout)
        assert (denied["userIdentity"]["userName"], denied["errorCode"]) == ("eve", "AccessDenied")
        eves = cloud.cli("audit", "--user", "eve", "-n", "5").stdout.splitlines()
        assert [row.split("\t")[1:] for row in eves[1:]] == [
            ["user/eve", "s3:CreateBucket", "never", "127.0.0.1", "refused: AccessDenied"]
        ]
        assert cloud.cli("audit", "--user", "nobody").stdout == "No records yet\n"
        wrong = cloud.cli("audit", "--since", "yesterday", check=False)
        assert (wrong.returncode, "such as 30s, 5m, 1h or 7d" in wrong.stderr) == (1, True)
        assert "records of the audit log, which began at" in cloud.cli("check").stdout
    finally:
        cloud.down()
    change(cloud.home, "DELETE FROM audit_records WHERE is_refused")
    checked = cloud.cli("check", check=False)
    assert (checked.returncode, "The audit log: record " in checked.stdout) == (1, True)
    finding, tally = map(json.loads, cloud.cli("check", "--json", check=False).stdout.splitlines())
    assert finding["reason"].endswith("is missing.")
    assert (tally["findings"], tally["audit_records"] > 3) == (1, True)


def change(home: Path, statement: str) -> None:
    with closing(sqlite3.connect(home / "data" / "lowcloud.db")) as connection, connection:
        assert connection.execute(statement).rowcount == 1
