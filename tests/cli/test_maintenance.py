"""lowcloud check, backup and restore, on a home whose server runs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Table, select

from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import objects
from lowcloud.core.storage.objects.deletions import delete
from lowcloud.store.db import row_copy, tables
from lowcloud.store.db.tables.storage import object_events
from lowcloud.store.db.tables.telemetry import log_streams
from tests.support.databases.postgres import PostgresServer
from tests.support.servers.gateways import make_context
from tests.support.servers.server import Server

BUCKET = "shelf"
COUNTED = (object_events, log_streams)


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


@pytest.mark.parametrize(("source", "target"), [(True, True), (True, False), (False, True)])
def test_rows_in_postgresql_are_backed_up_and_restored_into_either_database(
    tmp_path: Path, postgres: PostgresServer, source: bool, target: bool
) -> None:
    home, new = Server(tmp_path / "home"), Server(tmp_path / "new")
    context = make_context(home.home, postgres.new_database() if source else None)
    address = context.settings.database
    buckets.create(context, BUCKET)
    contents = {"small": b"s", "large": b"l" * 200_000, "nul\0 \U0001f600": b"o"}
    for key, content in contents.items():
        objects.put(context, BUCKET, key, [content])
    objects.put(context, BUCKET, "late", [b"deleted again"])
    delete(context, BUCKET, "late")
    with context.database.read() as connection:
        rows = {table.name: _rows(connection, table) for table in tables.discover().sorted_tables}
        counters = {table.name: row_copy._counter(connection, table) for table in COUNTED}
    environment = {"LOWCLOUD_DATABASE": address} if address else {}
    home.cli("backup", str(tmp_path / "backup"), "--with-keys", **environment)
    context.database.close()

    address = postgres.new_database() if target else None
    environment = {"LOWCLOUD_DATABASE": address} if address else {}
    new.cli("restore", str(tmp_path / "backup"), **environment)
    assert (new.home / "data/lowcloud.db").exists() is not target
    assert "no problems found" in new.cli("check", **environment).stdout
    restored = make_context(new.home, address)
    with restored.database.read() as connection:
        assert {table.name: _rows(connection, table) for table in tables.discover().sorted_tables} == rows
        assert {table.name: row_copy._counter(connection, table) for table in COUNTED} == counters
    for key, content in contents.items():
        assert b"".join(objects.get(restored, BUCKET, key)[1]) == content
    objects.put(restored, BUCKET, "next", [b"n"])  # whose event gets an id that no other one has had
    restored.database.close()
    if address:
        refused = Server(tmp_path / "again").cli("restore", str(tmp_path / "backup"), check=False, **environment)
        assert (refused.returncode, "in use by another home" in refused.stderr) == (1, True)


def _rows(connection: Connection, table: Table) -> list[str]:
    return sorted(str(tuple(row)) for row in connection.execute(select(table)))
