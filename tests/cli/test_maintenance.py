"""lowcloud check, backup and restore, on a home whose server runs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from sqlalchemy import select

from lowcloud.cli import maintenance
from lowcloud.core.context import Context
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.integrity import scrub
from lowcloud.core.storage.objects import objects
from lowcloud.core.storage.objects.deletions import delete
from lowcloud.store.db import row_copy, tables
from lowcloud.store.db.tables.storage import object_events
from tests.support.databases.postgres import PostgresServer
from tests.support.servers.gateways import make_context
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
    assert "Checked 2 object versions and 0 uploads, 1 MB" in cloud.cli("check").stdout
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
    assert "1 files of larger objects (1 MB), 1 of them copied now" in first.stdout
    assert "It does not contain the keys" in first.stdout
    refused = new.cli("restore", str(folder), check=False)
    assert (refused.returncode, "does not contain the keys" in refused.stderr) == (1, True)
    cloud.cli("backup", str(folder), "--with-keys")
    restored = new.cli("restore", str(folder), "--home", str(new.home)).stdout
    assert f"`lowcloud check --home {new.home}`" in restored
    assert f"`lowcloud up --home {new.home}`" in restored
    new.up()
    try:
        assert new.client("s3").get_object(Bucket=BUCKET, Key="large")["Body"].read() == b"l" * 1_000_000
        assert "no problems found" in new.cli("check").stdout
    finally:
        new.down()


def test_a_backup_and_a_restore_move_a_home_to_postgresql_and_back(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = postgres.new_database()
    contents = {"small": b"s", "large": b"l" * 200_000, "nul\0 \U0001f600": b"o"}
    context = make_context(tmp_path / "home")
    buckets.create(context, BUCKET)
    for key, content in contents.items():
        objects.put(context, BUCKET, key, [content])
    objects.put(context, BUCKET, "late", [b"deleted again"])
    delete(context, BUCKET, "late")
    rows = _rows(context)
    context.database.close()

    maintenance.backup(tmp_path / "first", with_keys=True, home=tmp_path / "home")
    maintenance.restore(tmp_path / "first", database=address, home=tmp_path / "moved")
    assert not list((tmp_path / "moved/data").glob("lowcloud.db*"))
    with pytest.raises(typer.Exit):  # the database is in use
        maintenance.restore(tmp_path / "first", database=address, home=tmp_path / "again")
    context = make_context(tmp_path / "moved", address)
    assert _rows(context) == rows
    context.database.close()

    monkeypatch.setenv("LOWCLOUD_DATABASE", address)  # with the password, which the home does not save
    maintenance.backup(tmp_path / "second", with_keys=True, home=tmp_path / "moved")
    monkeypatch.delenv("LOWCLOUD_DATABASE")
    maintenance.restore(tmp_path / "second", database=None, home=tmp_path / "back")
    context = make_context(tmp_path / "back")
    assert _rows(context) == rows
    for key, content in contents.items():
        assert b"".join(objects.get(context, BUCKET, key)[1]) == content
    assert list(scrub.scrub(context, scrub.ScrubCounts())) == []
    context.database.close()


def _rows(context: Context) -> dict[str, object]:
    """Return the rows of every table, and the greatest id that a deleted event has had."""
    with context.database.read() as connection:
        found = {
            table.name: sorted(str(tuple(row)) for row in connection.execute(select(table)))
            for table in tables.discover().sorted_tables
        }
        return {**found, "last event": row_copy._counter(connection, object_events)}
