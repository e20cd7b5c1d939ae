"""Upgrades of databases that earlier versions created: nothing is lost, even if they are interrupted."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import pytest
from sqlalchemy import Column, String, create_engine, select, update
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite as SQLiteDialect
from sqlalchemy.exc import OperationalError

from lowcloud.store.db import migrations, tables, upgrade
from lowcloud.store.db.backend import UnusableStoreError
from lowcloud.store.db.database import Database, open_backend
from lowcloud.store.db.migrations import Migration
from lowcloud.store.db.tables.control import periodic_tasks
from lowcloud.store.db.tables.identity import inline_policies, policy_attachments, roles
from lowcloud.store.db.tables.schema import SCHEMA_VERSION, schema_version
from lowcloud.store.db.tables.telemetry import log_streams
from tests.support.databases.schemas import schema_of
from tests.support.faults import needs_root, small_disk
from tests.support.homes import homes

RENAMED = {"errands": "periodic_tasks"}
MADE_ANEW = {"roles", "role_policies", "role_attachments"}  # 0007: see the test of roles
OLDEST = "0.1.0"
# Stops in the middle of an upgrade, with half of it done.
INTERRUPTED = """
import sys, time
from contextlib import nullcontext
from lowcloud.store.db import migrations, upgrade
known = migrations.newer_than
def step(op):
    op.drop_table("tags")
    print("half way", flush=True)
    time.sleep(600)
migrations.newer_than = lambda version: [*known(version), migrations.Migration(99, "Stop", step)]
upgrade.upgrade(sys.argv[1], lambda _: nullcontext())
"""
COMPETING = """
import sys
from contextlib import nullcontext
from lowcloud.store.db import upgrade
print("ready", flush=True)
sys.stdin.readline()
done = upgrade.upgrade(sys.argv[1], lambda _: nullcontext())
print("nothing" if done is None else "upgraded")
"""

EXECUTION_POLICIES = ("AmazonSageMakerFullAccess", "AmazonS3FullAccess")  # what jobs of earlier versions could do


def anyone(_connection):
    return nullcontext()


@pytest.fixture(params=["sqlite", "postgresql"])
def kept(request, tmp_path):
    """A home that the oldest version has made, for each database."""
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    return homes.unpack(OLDEST, tmp_path, server)


@pytest.fixture
def in_file(tmp_path):
    """The same, with its rows in a file."""
    return homes.unpack(OLDEST, tmp_path)


@contextmanager
def reading(url):
    backend = open_backend(url)
    with backend.engine.connect() as connection:
        yield connection
    backend.close()


def rows(connection):
    """Every row of every table that the database has, by the table's present name."""
    if connection.dialect.name == "sqlite":
        names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars()
    else:
        names = connection.exec_driver_sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").scalars()
    kept = [name for name in names.all() if name not in ("schema_version", "sqlite_sequence")]
    found = {name: connection.exec_driver_sql(f'SELECT * FROM "{name}"').mappings().all() for name in kept}
    return {RENAMED.get(name, name): sorted(map(repr, map(dict, all_rows))) for name, all_rows in found.items()}


def version_at(url):
    with reading(url) as connection:
        return connection.execute(select(schema_version.c.version)).scalar_one()


def pending(monkeypatch, *steps):
    """Have the upgrade do these after what it does anyhow."""
    known = migrations.newer_than
    more = [Migration(SCHEMA_VERSION + number, "More", step) for number, step in enumerate(steps, 1)]
    monkeypatch.setattr(migrations, "newer_than", lambda version: [*known(version), *more])


def copies(kept):
    return list((kept.home / "data").glob("lowcloud-schema-*"))


def test_the_steps_lead_without_a_gap_to_the_newest_schema_and_say_what_they_do():
    steps = migrations.newer_than(migrations.oldest_version())
    assert [step.version for step in steps] == list(range(6, SCHEMA_VERSION + 1))
    assert all(step.title for step in steps)


def test_two_steps_to_one_version_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(migrations, "__path__", [*migrations.__path__, str(tmp_path)])
    (tmp_path / "0006_again.py").touch()
    with pytest.raises(ValueError, match="0006_again"):
        migrations.newest_version()


def test_an_upgraded_database_has_the_tables_of_a_new_one(kept, tmp_path, request):
    upgrade.upgrade(kept.url, anyone)
    new = request.getfixturevalue("postgres").new_database() if kept.database else f"sqlite:///{tmp_path}/new.db"
    Database(new).close()
    with reading(kept.url) as upgraded, reading(new) as made:
        missing = schema_of(made) - schema_of(upgraded)
        left = schema_of(upgraded) - schema_of(made)
    assert (missing, left) == (set(), set()), "a change of the tables needs a step: docs/migrations.md"


def test_an_upgrade_keeps_every_row(kept):
    with reading(kept.url) as connection:
        before = rows(connection)
    done = upgrade.upgrade(kept.url, anyone)
    assert (done.version, done.steps[-1].version) == (5, SCHEMA_VERSION)
    with reading(kept.url) as connection:
        after = rows(connection)
    assert all(before.values()), "the home has rows in every table of its version"
    assert {name: after[name] for name in before.keys() - MADE_ANEW} == {
        name: before[name] for name in before.keys() - MADE_ANEW
    }
    assert set(after) == set(tables.discover().tables) - {"schema_version"}
    assert upgrade.upgrade(kept.url, anyone) is None
    database = Database(kept.url)
    with database.read() as connection:
        assert set(connection.scalars(select(periodic_tasks.c.name))) >= {"lifecycle", "scrub", "environments"}
    database.close()


def test_roles_belong_to_the_account_of_the_home_and_keep_their_policies(kept):
    with reading(kept.url) as connection:
        before = {row.name: row for row in connection.exec_driver_sql("SELECT * FROM roles")}
        written = connection.exec_driver_sql("SELECT role, name, document FROM role_policies").all()
        attached = connection.exec_driver_sql("SELECT role, policy FROM role_attachments").all()
    upgrade.upgrade(kept.url, anyone, account_id="123456789012")
    with reading(kept.url) as connection:
        after = {row.name: row for row in connection.execute(select(roles))}
        owners = {row.id: row.name for row in after.values()}
        policies, attachments = (
            connection.execute(select(table)).all() for table in (inline_policies, policy_attachments)
        )
    assert {name: (row.role_id, row.trust_policy, row.path) for name, row in before.items()} == {
        name: (row.id, row.trust_policy, row.path) for name, row in after.items()
    }
    assert {row.account for row in (*after.values(), *policies, *attachments)} == {"123456789012"}
    kept_policies = [row for row in policies if (owners[row.owner], row.name) != ("LowcloudExecutionRole", "Lowcloud")]
    assert [(owners[row.owner], row.name, row.document) for row in kept_policies] == [tuple(row) for row in written]
    assert len(policies) == len(written) + 1
    own = [("LowcloudExecutionRole", f"arn:aws:iam::aws:policy/{name}") for name in EXECUTION_POLICIES]
    assert {(owners[row.owner], row.policy) for row in attachments} == {*map(tuple, attached), *own}


def test_a_copy_of_the_database_is_readable_by_its_owner_alone(in_file, caplog):
    with reading(in_file.url) as connection:
        before = rows(connection)
    with caplog.at_level("INFO", "lowcloud.store"):
        done = upgrade.upgrade(in_file.url, anyone)
    assert copies(in_file) == [done.copy]
    assert done.copy.name.startswith("lowcloud-schema-5-")
    assert str(done.copy) in caplog.text
    assert stat.S_IMODE(done.copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(done.copy)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("SELECT version FROM schema_version").fetchall() == [(5,)]
    with reading(f"sqlite:///{done.copy}") as connection:
        assert rows(connection) == before


@pytest.mark.parametrize("name", ["c#1", "a?b", "100%41"])
def test_a_home_may_have_any_name(tmp_path, name):
    """In a URI, each of these characters has a meaning of its own."""
    home = tmp_path / name
    home.mkdir()
    kept = homes.unpack(OLDEST, home)
    before = sorted(tmp_path.iterdir())
    done = upgrade.upgrade(kept.url, anyone)
    with closing(sqlite3.connect(done.copy)) as copy:
        assert copy.execute("SELECT version FROM schema_version").fetchall() == [(5,)]
    assert version_at(kept.url) == SCHEMA_VERSION
    assert sorted(tmp_path.iterdir()) == before, "nothing is written beside the home"


def test_a_commit_that_fails_leaves_no_copy(in_file, monkeypatch):
    def fail(_connection):
        raise OperationalError("COMMIT", {}, sqlite3.OperationalError("database or disk is full"))

    monkeypatch.setattr(SQLiteDialect, "do_commit", lambda _dialect, connection: fail(connection))
    with pytest.raises(UnusableStoreError, match="disk is full"):
        upgrade.upgrade(in_file.url, anyone)
    monkeypatch.undo()
    assert (version_at(in_file.url), copies(in_file)) == (5, [])


@pytest.mark.parametrize("damage", ["DELETE FROM schema_version", "UPDATE schema_version SET version = 'abc'"])
def test_a_database_without_its_version_is_refused(in_file, damage):
    with closing(sqlite3.connect(in_file.url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute(damage)
    with pytest.raises(UnusableStoreError, match="missing or damaged"):
        upgrade.plan(in_file.url)


def test_a_process_that_is_killed_half_way_leaves_the_database_as_it_was(kept):
    with reading(kept.url) as connection:
        before = rows(connection)
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED, kept.url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "half way\n"
        process.send_signal(signal.SIGKILL)
    with reading(kept.url) as connection:
        assert (rows(connection), version_at(kept.url)) == (before, 5)
    assert upgrade.upgrade(kept.url, anyone)
    assert version_at(kept.url) == SCHEMA_VERSION


def test_of_processes_that_begin_at_once_one_upgrades(kept):
    command = [sys.executable, "-c", COMPETING, kept.url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    reported = [process.communicate()[0] for process in processes]
    assert sorted(reported) == ["nothing\n", "upgraded\n"]
    assert len(copies(kept)) == (0 if kept.database else 1)


def test_a_step_that_fails_undoes_those_before_it(kept, monkeypatch):
    def fails(op):
        op.drop_table("no_such_table")

    pending(monkeypatch, lambda op: op.drop_table("tags"), fails)
    with reading(kept.url) as connection:
        before = rows(connection)
    with pytest.raises(upgrade.UpgradeError, match=r"could not be upgraded: .*no_such_table"):
        upgrade.upgrade(kept.url, anyone)
    with reading(kept.url) as connection:
        assert (rows(connection), version_at(kept.url)) == (before, 5)
    assert copies(kept) == []


def test_a_table_that_others_refer_to_is_made_anew_without_losing_their_rows(kept, monkeypatch):
    def widen(op):
        with op.batch_alter_table("log_streams", recreate="always" if not kept.database else "auto") as table:
            table.alter_column("name", existing_type=String(512), type_=String(600), existing_nullable=False)
            table.add_column(Column("colour", String, nullable=False, server_default="blue"))

    pending(monkeypatch, widen)
    upgrade.upgrade(kept.url, anyone)
    with reading(kept.url) as connection:
        assert set(connection.exec_driver_sql("SELECT colour FROM log_streams").scalars()) == {"blue"}
        assert connection.exec_driver_sql("SELECT count(*) FROM log_events").scalar() > 0


def test_a_step_that_leaves_dangling_references_is_rolled_back(in_file, monkeypatch):
    pending(monkeypatch, lambda op: op.execute(log_streams.delete()))
    with pytest.raises(UnusableStoreError, match=r"a row of log_.* refers to one of log_streams"):
        upgrade.upgrade(in_file.url, anyone)
    assert version_at(in_file.url) == 5


def test_a_database_in_use_is_not_upgraded(kept):
    @contextmanager
    def nobody(_connection):
        raise UnusableStoreError("Not now.")
        yield

    with pytest.raises(UnusableStoreError, match="Not now"):
        upgrade.upgrade(kept.url, nobody)
    assert (version_at(kept.url), copies(kept)) == (5, [])


@pytest.mark.parametrize(
    ("version", "said"), [(99, "a newer version of Lowcloud"), (4, "Use the version of Lowcloud that created it")]
)
def test_a_version_without_an_upgrade_is_refused(kept, version, said):
    engine = create_engine(kept.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(update(schema_version).values(version=version))
    engine.dispose()
    for ask in (upgrade.plan, lambda url: upgrade.upgrade(url, anyone)):
        with pytest.raises(UnusableStoreError, match=said):
            ask(kept.url)


def test_an_empty_database_needs_no_upgrade(database, tmp_path):
    url = database or f"sqlite:///{tmp_path}/new.db"
    assert upgrade.plan(url) == upgrade.Plan(None)
    assert upgrade.upgrade(url, anyone) is None


@needs_root
def test_without_space_for_the_copy_the_upgrade_is_refused_and_the_database_unchanged(tmp_path):
    with small_disk(tmp_path / "disk", 4) as disk:
        kept = homes.unpack(OLDEST, disk)
        ballast = disk / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4096))
        os.truncate(ballast, ballast.stat().st_size - 100_000)
        with pytest.raises(
            UnusableStoreError, match=r"could not be made: .*full.* It takes \d+ bytes in .* Nothing was changed"
        ):
            upgrade.upgrade(kept.url, anyone)
        assert (version_at(kept.url), copies(kept)) == (5, [])
        ballast.unlink()
        assert upgrade.upgrade(kept.url, anyone)


def test_files_of_an_interrupted_copy_are_removed(in_file):
    left = in_file.home / "data" / "lowcloud-schema-5-20200101T000000Z.db.draft"
    Path(f"{left}-journal").touch()
    left.touch()
    done = upgrade.upgrade(in_file.url, anyone)
    assert copies(in_file) == [done.copy]


def test_a_database_that_is_up_to_date_is_opened_without_loading_alembic(tmp_path):
    program = "import sys, lowcloud.server.server, lowcloud.store.db.database as d; d.Database(sys.argv[1]).close()"
    check = "; d.Database(sys.argv[1]).close(); sys.exit('alembic' in sys.modules)"
    url = f"sqlite:///{tmp_path}/lowcloud.db"
    assert subprocess.run([sys.executable, "-c", program + check, url], check=False).returncode == 0
