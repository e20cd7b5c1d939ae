"""lowcloud check, backup and restore, on a home whose server runs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lowcloud.home import settings
from tests.support.server import Server

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


def test_check_finds_a_running_store_sound_and_then_the_bit_that_has_flipped(cloud: Server) -> None:
    assert "2 versions of objects and 0 uploads, 1001000 bytes" in cloud.cli("check").stdout
    (path,) = cloud.home.glob("data/objects/*/*")
    content = bytearray(path.read_bytes())
    content[500_000] ^= 1
    path.write_bytes(content)
    told = cloud.cli("check", check=False)
    assert (told.returncode, "shelf/large: Blob" in told.stdout) == (1, True)
    finding, tally = map(json.loads, cloud.cli("check", "--json", check=False).stdout.splitlines())
    assert (finding["bucket"], finding["key"], tally["findings"]) == (BUCKET, "large", 1)


def test_check_makes_no_home_where_there_is_none(tmp_path: Path) -> None:
    told = Server(tmp_path / "typo").cli("check", check=False)
    assert (told.returncode, "is no home" in told.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_a_home_is_backed_up_while_it_runs_and_restored_into_a_new_one(cloud: Server, tmp_path: Path) -> None:
    folder, new = tmp_path / "backup", Server(tmp_path / "new")
    told = cloud.cli("backup", str(folder))
    assert "1 files of larger objects (1000064 bytes), 1 of them copied now" in told.stdout
    assert "It has no keys" in told.stdout
    refused = new.cli("restore", str(folder), check=False)
    assert (refused.returncode, "has no keys" in refused.stderr) == (1, True)
    cloud.cli("backup", str(folder), "--with-keys")
    new.cli("restore", str(folder))
    new.up()
    try:
        assert new.client("s3").get_object(Bucket=BUCKET, Key="large")["Body"].read() == b"l" * 1_000_000
        assert "nothing found wrong" in new.cli("check").stdout
    finally:
        new.down()


def test_a_home_whose_rows_are_in_postgresql_is_not_backed_up_by_halves(tmp_path: Path) -> None:
    home = Server(tmp_path / "home")
    settings.load(home.home, {})
    address = "postgresql://nobody@localhost/none"
    refused = home.cli("backup", str(tmp_path / "backup"), check=False, LOWCLOUD_DATABASE=address)
    assert (refused.returncode, "PostgreSQL" in refused.stderr) == (1, True)
    assert not (tmp_path / "backup").exists()
