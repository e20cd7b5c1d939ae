"""Failures that only PostgreSQL has: a refused start, a restart, a failed commit."""

import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count as count_up

import pytest
from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import DBAPIError

from lowcloud.core.errors import StorageUnavailableError
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.failures import storage_errors
from lowcloud.core.storage.objects import deletions, listings, objects
from lowcloud.store.db import postgresql, tables, upgrade
from lowcloud.store.db.backend import UnusableStoreError
from lowcloud.store.db.database import Database
from lowcloud.store.db.prepared import PreparedStatement
from lowcloud.store.db.tables.storage import buckets as bucket_rows
from tests.support.databases.postgres import PASSWORD, start_server
from tests.support.servers.gateways import make_context
from tests.support.waiting import wait_for

COUNT = select(func.count()).select_from(bucket_rows)
LOOK = PreparedStatement(select(bucket_rows.c.name).where(bucket_rows.c.name == bindparam("called")))


@pytest.fixture
def own_server():
    """A PostgreSQL server that a test may stop."""
    server = start_server()
    yield server
    server.remove()


def add(name):
    def change(connection):
        connection.execute(bucket_rows.insert().values(name=name, region="here", created_at=1.0))

    return change


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://lowcloud:{password}@127.0.0.1:1/postgres", "Check that the server is running"),
        ("postgresql://lowcloud:wrong-word@127.0.0.1:{port}/postgres", "Check the user and the password"),
        ("postgresql://lowcloud@127.0.0.1:{port}/postgres", r"LOWCLOUD_DATABASE.*pgpass"),
        ("postgresql://lowcloud:{password}@127.0.0.1:{port}/nowhere", "Create it, or use another"),
        ("postgresql://nobody-here@/postgres?host={folder}&port={port}", "Create it, or use another"),
        ("no address", r"write postgresql://USER@HOST/NAME"),
    ],
)
def test_an_unusable_database_is_explained_without_its_password(postgres, monkeypatch, url, said):
    monkeypatch.setenv("PGPASSFILE", "/nonexistent")
    with pytest.raises(UnusableStoreError, match=said) as caught:
        Database(url.format(password=PASSWORD, port=postgres.port, folder=postgres.folder))
    assert PASSWORD not in str(caught.value)
    assert "wrong-word" not in str(caught.value)


def test_the_error_for_a_user_who_may_not_create_tables_says_what_to_grant(postgres):
    name = postgres.new_database().split("?")[0].rpartition("/")[2]
    postgres.execute(f"CREATE ROLE guest{name} LOGIN")
    with pytest.raises(UnusableStoreError, match=r"permission denied for schema public.*grant it CREATE"):
        Database(postgres.url(name).replace("lowcloud@", f"guest{name}@"))


def test_the_error_for_tables_of_another_user_says_so_and_not_that_the_server_is_down(postgres):
    url = postgres.new_database()
    Database(url).close()
    name = url.split("?")[0].rpartition("/")[2]
    postgres.execute(f"CREATE ROLE other{name} LOGIN")
    others = postgres.url(name).replace("lowcloud@", f"other{name}@")
    with pytest.raises(UnusableStoreError, match=r"permission denied for table.*belong to another user") as caught:
        Database(others)
    assert "Check that the server is running" not in str(caught.value)
    with pytest.raises(UnusableStoreError, match=r"permission denied for table.*belong to another user"):
        upgrade.plan(others)


def test_every_spelling_of_an_address_is_accepted(postgres):
    plain = postgres.new_database()
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        Database(plain.replace("postgresql", scheme)).close()


def test_a_missing_driver_is_named(postgres):
    program = f"""
import sys
sys.modules["psycopg"] = None
from lowcloud.store.db.database import Database
Database({postgres.url()!r})
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "pip install 'lowcloud[postgresql]'" in ran.stderr


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0", "server_encoding = LATIN1"),
        ("", "default_transaction_read_only = on"),
    ],
)
def test_a_database_that_could_lose_data_is_refused(postgres, option, said):
    url = postgres.new_database(option)
    name = url.split("?")[0].rpartition("/")[2]
    if not option:
        postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(UnusableStoreError, match=said):
        Database(url)


def test_a_server_without_fsync_is_refused_and_commits_are_synchronous(own_server):
    url = own_server.new_database()
    own_server.execute("ALTER ROLE lowcloud SET synchronous_commit = off")
    database = Database(url)
    with database.transaction() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    database.close()
    own_server.stop(signal.SIGINT)
    own_server.start("-c", "fsync=off")
    with pytest.raises(UnusableStoreError, match="fsync = off"):
        Database(url)


def test_columns_are_as_wide_as_sqlites_ordered_by_bytes_and_ciphertext_is_not_compressed(postgres):
    url = postgres.new_database()
    Database(url).close()
    name = url.split("?")[0].rpartition("/")[2]
    columns = postgres.execute(
        "SELECT table_name, column_name, data_type, collation_name FROM information_schema.columns "
        "WHERE table_schema = 'public'",
        name,
    )
    assert {table for table, *_ in columns} == set(tables.discover().tables)
    assert {kind for _, _, kind, _ in columns} <= {"text", "bigint", "double precision", "boolean", "json", "bytea"}
    assert {collation for _, _, kind, collation in columns if kind == "text"} == {"C"}
    storage = postgres.execute(
        "SELECT attstorage FROM pg_attribute WHERE atttypid = 'bytea'::regtype AND attrelid IN "
        "(SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r')",
        name,
    )
    assert {kind for (kind,) in storage} == {"e"}
    again = Database(url)  # which does not wait for readers: it has nothing to change
    with again.read() as reader:
        reader.execute(select(bucket_rows))
        Database(url).close()
    again.close()


def test_a_restart_of_the_server_is_survived_without_an_error(own_server):
    database = Database(own_server.new_database())
    with ThreadPoolExecutor(8) as threads:  # so that the pool has many connections
        list(threads.map(lambda number: database.apply(add(f"b{number}")), range(8)))
        list(threads.map(lambda number: database.fetch(LOOK, called=f"b{number}"), range(8)))
        list(threads.map(lambda _: count(database), range(8)))
    for how in (signal.SIGINT, signal.SIGQUIT):
        own_server.stop(how)
        own_server.start()
        assert database.fetch(LOOK, called="b3") == [("b3",)]
        assert count(database) == 8
    own_server.stop()
    own_server.start()
    database.apply(add("after"))
    assert count(database) == 9
    database.close()


def count(database):
    with database.read() as connection:
        return connection.scalar(COUNT)


def test_while_the_server_is_unreachable_operations_fail_and_then_recover(own_server, tmp_path):
    context = make_context(tmp_path / "home", own_server.new_database())
    buckets.create(context, "shelf")
    objects.put(context, "shelf", "kept", [b"x" * 300_000])
    own_server.stop()
    for call in (
        lambda: objects.put(context, "shelf", "k", [b"x"]),
        lambda: objects.head(context, "shelf", "kept"),
        lambda: listings.list_page(context, "shelf"),
        lambda: context.database.fetch(LOOK, called="shelf"),
        lambda: deletions.delete(context, "shelf", "kept"),
    ):
        with pytest.raises(StorageUnavailableError), storage_errors():
            call()
    own_server.start()
    assert b"".join(objects.get(context, "shelf", "kept")[1]) == b"x" * 300_000
    objects.put(context, "shelf", "k", [b"y"])
    assert b"".join(objects.get(context, "shelf", "k")[1]) == b"y"
    context.database.close()


def test_a_connection_lost_within_a_change_rolls_back_all_changes_of_the_commit(own_server):
    database = Database(own_server.new_database())
    both_wait = threading.Barrier(2)

    def lose(connection):
        add("lost")(connection)
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        own_server.execute(f"SELECT pg_terminate_backend({pid}, 5000)")

    def hold(connection):
        both_wait.wait(10)
        wait_for(lambda: len(database._waiting) == 2)

    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(database.apply, hold)
        both_wait.wait(10)
        later = [threads.submit(database.apply, change) for change in (add("beside"), lose)]
        first.result(10)
        failures = [future.exception(10) for future in later]
    assert all(isinstance(failure, DBAPIError) for failure in failures)
    assert count(database) == 0
    database.apply(add("after"))
    assert count(database) == 1
    database.close()


def test_a_commit_with_unknown_outcome_keeps_the_bytes_until_a_sweep_checks_their_row(postgres, tmp_path, monkeypatch):
    context = make_context(tmp_path / "home", postgres.new_database())
    buckets.create(context, "shelf")

    def cut_off(connection):
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        postgres.execute(f"SELECT pg_terminate_backend({pid}, 5000)")

    with monkeypatch.context() as patch:
        patch.setattr(context.database._backend, "check_intact", cut_off)  # the last thing before COMMIT
        with pytest.raises(DBAPIError):
            objects.put(context, "shelf", "k", [b"x" * 300_000])
    assert len(list((context.settings.data / "objects").glob("*/*"))) == 1
    assert objects.sweep(context) == 1
    objects.put(context, "shelf", "k", [b"x" * 300_000])
    assert objects.sweep(context) == 0
    context.database.close()


def test_a_copy_made_during_writes_is_a_consistent_store(postgres, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    url = postgres.new_database()
    context = make_context(first, url)
    buckets.create(context, "shelf")
    is_over = threading.Event()

    def write():
        numbers = count_up()
        while not is_over.is_set():
            number = next(numbers)
            objects.put(context, "shelf", f"{number}", [bytes([number % 256]) * (300_000 if number % 2 else 2_000)])

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        try:
            wait_for(lambda: count_objects(context) > 5)
            acknowledged = count_objects(context)
            shutil.copytree(first / "data", second / "data")
            dumped = postgres.dump(url)
            shutil.copytree(first / "data", second / "data", dirs_exist_ok=True)
            shutil.copytree(first / "keys", second / "keys")
        finally:
            is_over.set()
        writing.result(20)
    context.database.close()
    restored_url = postgres.new_database()
    postgres.restore(dumped, restored_url)
    restored = make_context(second, restored_url)
    found = [version.key for version in listings.walk(restored, "shelf")]
    assert len(found) >= acknowledged
    for key in found:
        content = b"".join(objects.get(restored, "shelf", key)[1])
        assert content == bytes([int(key) % 256]) * (300_000 if int(key) % 2 else 2_000)
    restored.database.close()


def count_objects(context):
    return len(list(listings.walk(context, "shelf")))


def test_an_ignored_error_of_a_statement_rolls_back_and_raises(postgres):
    database = Database(postgres.new_database())
    database.apply(add("one"))
    with pytest.raises(RuntimeError, match="rolled back"), database.transaction() as connection:
        add("two")(connection)
        with suppress(DBAPIError):
            add("one")(connection)
    assert count(database) == 1
    database.close()


def test_a_process_that_hangs_in_a_write_does_not_block_others_forever(postgres, monkeypatch):
    monkeypatch.setattr(postgresql, "BEGIN_WRITE", postgresql.BEGIN_WRITE.replace("'60s'", "'100ms'"))
    url = postgres.new_database()
    paused, other = Database(url), Database(url)
    has_written, goes_on = threading.Event(), threading.Event()

    def pause(connection):
        add("paused")(connection)
        has_written.set()
        goes_on.wait(20)
        connection.execute(COUNT)

    with ThreadPoolExecutor(1) as threads:
        outcome = threads.submit(paused.apply, pause)
        assert has_written.wait(20)
        other.apply(add("other"))
        goes_on.set()
        assert isinstance(outcome.exception(20), DBAPIError)
    with other.read() as connection:
        assert connection.scalars(select(bucket_rows.c.name)).all() == ["other"]
    paused.close()
    other.close()


def test_six_processes_fit_into_the_connections_that_postgresql_gives(postgres):
    url = postgres.new_database()
    database = Database(url)
    with ThreadPoolExecutor(64) as threads:
        go_on = threading.Event()

        def read():
            with database.read() as connection:
                connection.scalar(COUNT)
                go_on.wait(0.01)

        for future in [threads.submit(read) for _ in range(64)] + [
            threads.submit(database.fetch, LOOK, called="x") for _ in range(64)
        ]:
            future.result(30)
    name = url.split("?")[0].rpartition("/")[2]
    ((used,),) = postgres.execute(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'")
    assert used * 6 <= 97
    database.close()
