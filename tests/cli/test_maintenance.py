"""lowcloud check, backup and restore, on a home whose server runs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lowcloud.home import settings
from tests.support.servers.server import Server

BUCKET = "shelf"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "home")
    made.up()
    s3 = made.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="small", Body=b"s" * 1000)
    s3.put_object(Bucket=BUCKET, Key="large", Body=b"l" * 1_000_000)
    yield made
    made.down()


def test_check_finds_no_problem_in_a_running_store_and_then_a_flipped_bit(cloud: Server) -> None:
    assert "Checked 2 object versions and 0 uploads, 1001000 bytes" in cloud.cli("check").stdout
    (path,) = cloud.home.glob("data/objects/*/*")
    content = bytearray(path.read_bytes())
    content[500_000] ^= 1
    path.write_bytes(content)
    checked = cloud.cli("check", check=False)
    assert (checked.returncode, "shelf/large: Blob" in checked.stdout) == (1, True)
    finding, tally = map(json.loads, cloud.cli("check", "--json", check=False).stdout.splitlines())
    assert (finding["bucket"], finding["key"], tally["findings"]) == (BUCKET, "large", 1)


def test_check_does_not_create_a_home(tmp_path: Path) -> None:
    checked = Server(tmp_path / "typo").cli("check", check=False)
    assert (checked.returncode, "is not a Lowcloud home" in checked.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_a_home_is_backed_up_while_it_runs_and_restored_into_a_new_one(cloud: Server, tmp_path: Path) -> None:
    folder, new = tmp_path / "backup", Server(tmp_path / "new")
    first = cloud.cli("backup", str(folder))
    assert "1 files of larger objects (1000064 bytes), 1 of them copied now" in first.stdout
    assert "It does not contain the keys" in first.stdout
    refused = new.cli("restore", str(folder), check=False)
    assert (refused.returncode, "does not contain the keys" in refused.stderr) == (1, True)
    cloud.cli("backup", str(folder), "--with-keys")
    new.cli("restore", str(folder))
    new.up()
    try:
        assert new.client("s3").get_object(Bucket=BUCKET, Key="large")["Body"].read() == b"l" * 1_000_000
        assert "no problems found" in new.cli("check").stdout
    finally:
        new.down()


def test_backup_refuses_a_home_whose_rows_are_in_postgresql(tmp_path: Path) -> None:
    home = Server(tmp_path / "home")
    settings.load(home.home, {})
    address = "postgresql://nobody@localhost/none"
    refused = home.cli("backup", str(tmp_path / "backup"), check=False, LOWCLOUD_DATABASE=address)
    assert (refused.returncode, "PostgreSQL" in refused.stderr) == (1, True)
    assert not (tmp_path / "backup").exists()
