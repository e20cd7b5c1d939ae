"""Homes of earlier versions, opened by this one: `lowcloud up`, `lowcloud upgrade`, `lowcloud restore`."""

import os
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from lowcloud.cli import maintenance
from lowcloud.core.control import leader_election
from lowcloud.core.maintenance import home_upgrade
from lowcloud.core.storage.integrity import scrub
from lowcloud.home import server_process, settings
from lowcloud.server.server import open_context
from lowcloud.store import backup
from lowcloud.store.db import database_copy
from lowcloud.store.db.backend import UnusableStoreError
from lowcloud.store.db.tables.schema import SCHEMA_VERSION
from tests.support.homes import homes
from tests.support.servers.server import Server

PENDING = 3
OLDEST = "0.1.0"


def version_of(home: Path) -> int:
    with closing(sqlite3.connect(home / "data" / "lowcloud.db")) as connection:
        return int(connection.execute("SELECT version FROM schema_version").fetchone()[0])


def set_version(home: Path, version: int) -> None:
    with closing(sqlite3.connect(home / "data" / "lowcloud.db")) as connection, connection:
        connection.execute("UPDATE schema_version SET version = ?", (version,))


@pytest.fixture
def kept(tmp_path: Path) -> homes.Kept:
    return homes.unpack(OLDEST, tmp_path)


@pytest.mark.parametrize("version", [OLDEST])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_home_of_an_earlier_version_works_as_before(tmp_path, request, version, kind):
    postgres = request.getfixturevalue("postgres") if kind == "postgresql" else None
    kept = homes.unpack(version, tmp_path, postgres)
    cloud = Server(kept.home)
    options = ["--database", kept.database] if kept.database else []
    started = cloud.cli("up", "--detach", "--port", "0", *options)
    assert f"upgrading the database from schema version 5 to {SCHEMA_VERSION}" in started.stderr
    try:
        assert homes.differences(kept.expected, homes.observe(cloud)) == []
        assert homes.train(cloud, "trained-after-the-upgrade") == "Completed"
        assert "no problems found" in cloud.cli("check").stdout
    finally:
        cloud.down()
    log = (kept.home / "server.log").read_text()
    assert f"upgrading the database from schema version 5 to {SCHEMA_VERSION}" in log
    assert ("a copy of the database before the upgrade is in" in log) == (kind == "sqlite")


def test_upgrade_says_what_it_would_do_and_does_it(kept):
    cloud = Server(kept.home)
    reported = cloud.cli("upgrade", "--check", check=False)
    assert reported.returncode == PENDING
    for part in (
        "schema version 5",
        f"needs schema version {SCHEMA_VERSION}",
        "0006 Rename the table",
        "is copied first",
    ):
        assert part in reported.stdout
    assert version_of(kept.home) == 5
    done = cloud.cli("upgrade").stdout
    (copy,) = (kept.home / "data").glob("lowcloud-schema-5-*.db")
    assert f"from schema version 5 to {SCHEMA_VERSION}" in done
    assert str(copy) in done
    assert version_of(kept.home) == SCHEMA_VERSION
    assert "not needed" in cloud.cli("upgrade", "--check").stdout


def test_commands_that_only_look_do_not_upgrade(kept):
    reported = Server(kept.home).cli("check", check=False)
    assert (reported.returncode, "`lowcloud upgrade`" in reported.stderr) == (1, True)
    assert version_of(kept.home) == 5


def test_a_home_that_is_served_is_not_upgraded(kept):
    cloud = Server(kept.home)
    with server_process.lock_home(kept.home):
        reported = cloud.cli("upgrade", check=False)
    assert (reported.returncode, "Stop it first" in reported.stderr) == (1, True)
    chosen = settings.load(kept.home, {})
    with (kept.home / "work" / leader_election.PRESENCE).open() as presence:  # another home's server, of the same store
        leader_election.try_lock(presence.fileno(), leader_election.fcntl.LOCK_SH)
        with pytest.raises(UnusableStoreError, match="a server of an earlier Lowcloud still uses it"):
            home_upgrade.upgrade_home(chosen)
    assert version_of(kept.home) == 5


def test_a_database_that_is_another_homes_is_not_upgraded(kept):
    chosen = replace(settings.load(kept.home, {}), encryption_key=bytes(32))
    for ask in (home_upgrade.plan_for, home_upgrade.upgrade_home):
        with pytest.raises(UnusableStoreError, match="another encryption key"):
            ask(chosen)
    assert version_of(kept.home) == 5
    assert home_upgrade.upgrade_home(settings.load(kept.home, {}))
    for ask in (home_upgrade.plan_for, home_upgrade.upgrade_home):
        with pytest.raises(UnusableStoreError, match="another encryption key"):
            ask(chosen)  # although there is nothing to upgrade


def test_a_home_that_lacks_a_key_is_not_said_to_be_up_to_date(kept):
    (kept.home / "keys" / "encryption.key").unlink()
    reported = Server(kept.home).cli("upgrade", "--check", check=False)
    assert (reported.returncode, "encryption.key is missing" in reported.stderr) == (1, True)
    other = Server(kept.home).cli("upgrade", "--check", check=False, LOWCLOUD_ACCOUNT_ID="111122223333")
    assert other.returncode == 1


def test_no_server_starts_while_the_check_reads_the_database(kept, monkeypatch):
    def plan(chosen):
        with pytest.raises(server_process.AlreadyRunningError), server_process.lock_home(chosen.home):
            pass
        raise UnusableStoreError("tried")

    (kept.home / "server.lock").touch()
    monkeypatch.setattr(home_upgrade, "plan_for", plan)
    with pytest.raises(typer.Exit):
        maintenance.upgrade(only_check=True, home=kept.home)
    with server_process.lock_home(kept.home):
        reported = Server(kept.home).cli("upgrade", "--check", check=False)
    assert (reported.returncode, "is starting or stopping" in reported.stderr) == (1, True)


def test_the_check_writes_nothing(kept):
    before = {path: path.stat().st_mtime_ns for path in [kept.home, *kept.home.rglob("*")]}
    assert Server(kept.home).cli("upgrade", "--check", check=False).returncode == PENDING
    assert {path: path.stat().st_mtime_ns for path in [kept.home, *kept.home.rglob("*")]} == before


def test_the_size_of_the_copy_includes_what_is_only_in_the_log(kept):
    database = kept.home / "data" / "lowcloud.db"
    with closing(sqlite3.connect(database)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE large (content BLOB)")
        writer.execute("INSERT INTO large VALUES (zeroblob(1000000))")
        writer.commit()
        assert database_copy.size_of_copy(database) > database.stat().st_size + 900_000
        copy = database_copy.copy_beside(database, 5)
        assert database_copy.size_of_copy(copy) == copy.stat().st_size == database_copy.size_of_copy(database)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can upgrade another user's home")
def test_root_leaves_nothing_of_its_own_in_a_users_home(kept):
    for path in [kept.home, *kept.home.rglob("*")]:
        os.chown(path, 12345, 12345)
    Server(kept.home).cli("upgrade")
    (copy,) = (kept.home / "data").glob("lowcloud-schema-5-*.db")
    assert copy.stat().st_uid == 12345
    assert {path.stat().st_uid for path in [kept.home, *kept.home.rglob("*")]} == {12345}


def test_a_home_of_a_newer_version_says_so(kept):
    set_version(kept.home, 99)
    cloud = Server(kept.home)
    for command in (["upgrade", "--check"], ["up", "--port", "0"]):
        reported = cloud.cli(*command, check=False)
        assert (reported.returncode, "which was created by a newer version of Lowcloud" in reported.stderr) == (
            1,
            True,
        ), command


def test_a_home_without_a_database_needs_no_upgrade(tmp_path):
    cloud = Server(tmp_path / "home")
    settings.load(cloud.home, {})
    assert "none yet" in cloud.cli("upgrade", "--check").stdout
    assert not (cloud.home / "data" / "lowcloud.db").exists()


def back_up(home: Path, folder: Path) -> None:
    """Make a backup as every version does, with keys."""
    backup.begin(home / "data", folder)
    made_at = time.time()
    database = backup.snapshot(home / "data" / "lowcloud.db", folder, made_at)
    copied = backup.copy_blobs(database, home / "data" / "objects", folder / "objects")
    made = backup.Backup(database.name, made_at, copied.blobs, copied.bytes, copied.missing, has_keys=True)
    backup.finish(folder, home / "keys", made)


def test_a_backup_of_an_earlier_version_is_restored_and_upgraded(kept, tmp_path):
    back_up(kept.home, tmp_path / "backup")
    cloud = Server(tmp_path / "restored")
    assert "`lowcloud up` upgrades and starts it" in cloud.cli("restore", str(tmp_path / "backup")).stdout
    assert version_of(cloud.home) == 5
    chosen = settings.load(cloud.home, {})
    assert home_upgrade.upgrade_home(chosen)
    opened = open_context(chosen)
    assert list(scrub.scrub(opened, scrub.ScrubCounts())) == []
    opened.database.close()


def test_a_backup_of_a_newer_version_is_not_restored(kept, tmp_path):
    set_version(kept.home, 99)
    back_up(kept.home, tmp_path / "backup")
    reported = Server(tmp_path / "restored").cli("restore", str(tmp_path / "backup"), check=False)
    assert (reported.returncode, "a newer version of Lowcloud" in reported.stderr) == (1, True)
    assert not (tmp_path / "restored" / "keys").exists()
