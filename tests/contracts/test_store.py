"""The contract of both databases: transactions, snapshots, order, round trips of values."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from lowcloud.store.db.database import Database
from lowcloud.store.db.prepared import PreparedStatement
from lowcloud.store.db.schema_check import SchemaVersionError, UpgradeNeededError
from lowcloud.store.db.tables.identity import roles
from lowcloud.store.db.tables.jobs import training_jobs
from lowcloud.store.db.tables.schema import schema_version, store_identity
from lowcloud.store.db.tables.telemetry import log_streams
from lowcloud.store.db.upsert import insert_missing


@pytest.fixture
def url(database, tmp_path):
    return database or f"sqlite:///{tmp_path / 'lowcloud.db'}"


ROLE = {
    "account": "123456789012",
    "path": "/",
    "trust_policy": "{}",
    "max_session_seconds": 3600,
    "created_at": 0.0,
}


def role(name):
    """A row of the table of roles."""
    return {**ROLE, "name": name, "id": name}


@pytest.mark.parametrize(
    ("version", "error", "said"),
    [
        (
            99,
            SchemaVersionError,
            "version 99, which was created by a newer version of Lowcloud; .* Install the newer version",
        ),
        (
            4,
            SchemaVersionError,
            "version 4, and this version of Lowcloud can upgrade version 5 or later. Use the version",
        ),
        (5, UpgradeNeededError, "version 5, and this version of Lowcloud needs version .* `lowcloud upgrade`"),
    ],
)
def test_a_database_of_another_schema_is_refused_and_left_as_it_is(url, version, error, said):
    database = Database(url)
    with database.transaction() as connection:
        connection.execute(update(schema_version).values(version=version))
    database.close()
    with pytest.raises(SchemaVersionError, match=said) as caught:
        Database(url)
    assert type(caught.value) is error


def test_a_transaction_that_raises_leaves_nothing(url):
    database = Database(url)
    with pytest.raises(KeyError), database.transaction() as connection:
        connection.execute(roles.insert().values(role("one")))
        raise KeyError
    with database.read() as connection:
        assert connection.execute(select(roles)).all() == []
    database.close()


def test_inserting_missing_rows_leaves_existing_ones(url):
    database = Database(url)
    for description in ("first", "second"):
        with database.transaction() as connection:
            insert_missing(connection, roles, {"description": description, **role("one")})
    with database.read() as connection:
        assert connection.scalars(select(roles.c.description)).all() == ["first"]
    database.close()


def test_a_prepared_statement_reads_within_a_transaction_and_outside(url):
    database = Database(url)
    find = PreparedStatement(select(roles.c.name, roles.c.path).where(roles.c.name == bindparam("called")))
    with database.transaction() as connection:
        insert_missing(connection, roles, role("one"))
        assert find.first(connection, called="one") == ("one", "/")
        assert database.fetch(find, called="one") == []  # which does not wait
    assert database.fetch(find, called="one") == [("one", "/")]
    database.close()


def test_a_prepared_statement_fails_as_any_other_does(url):
    database = Database(url)
    insert = PreparedStatement(roles.insert().values({name: bindparam(name) for name in role("")}))

    def twice(connection):
        insert.rows(connection, **role("one"))
        insert.rows(connection, **role("one"))

    with pytest.raises(IntegrityError):
        database.apply(twice)
    with database.read() as connection:
        assert connection.execute(select(roles)).all() == []
    database.close()


def test_changes_that_share_a_commit_are_rolled_back_separately(url):
    database = Database(url)
    go_on = threading.Event()

    def insert(name, fails=False):
        def change(connection):
            go_on.wait(10)
            insert_missing(connection, roles, role(name))
            if fails:
                raise KeyError(name)

        return change

    with ThreadPoolExecutor(9) as threads:
        done = [threads.submit(database.apply, insert(str(number), fails=number % 2 == 1)) for number in range(9)]
        go_on.set()
        failures = [future.exception() for future in done]
    assert [type(failure) for failure in failures] == [type(None), KeyError] * 4 + [type(None)]
    with database.read() as connection:
        assert sorted(connection.scalars(select(roles.c.name))) == ["0", "2", "4", "6", "8"]
    database.close()


def test_concurrent_writers_in_several_processes_wait_for_each_other(url):
    database = Database(url)
    program = f"""
from lowcloud.store.db.database import Database
from lowcloud.store.db.tables.identity import roles
from lowcloud.store.db.upsert import insert_missing
import sys
database = Database({url!r})
for number in range(200):
    name = f"{{sys.argv[1]}}-{{number}}"
    row = {{**{ROLE!r}, "name": name, "id": name}}
    database.apply(lambda connection: insert_missing(connection, roles, row))
"""
    writers = [subprocess.Popen([sys.executable, "-c", program, str(number)]) for number in range(2)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    with database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(roles)) == 400
    database.close()


def test_concurrent_writers_in_several_processes_lose_no_update(url):
    database = Database(url)
    database.apply(lambda connection: insert_missing(connection, roles, role("one")))
    program = f"""
from sqlalchemy import select, update
from lowcloud.store.db.database import Database
from lowcloud.store.db.tables.identity import roles
database = Database({url!r})
def add(connection):
    seen = connection.scalar(select(roles.c.max_session_seconds))
    connection.execute(update(roles).values(max_session_seconds=seen + 1))
for _ in range(200):
    database.apply(add)
"""
    writers = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    with database.read() as connection:
        assert connection.scalar(select(roles.c.max_session_seconds)) == 3600 + 400
    database.close()


def test_a_reader_sees_one_snapshot_while_others_write(url):
    database = Database(url)
    count = select(func.count()).select_from(roles)
    with database.read() as reader:
        assert reader.scalar(count) == 0
        database.apply(lambda connection: insert_missing(connection, roles, role("one")))
        assert reader.scalar(count) == 0
    with database.read() as reader:
        assert reader.scalar(count) == 1
    database.close()


def test_a_reader_cannot_write_on_postgresql_and_keeps_nothing_on_sqlite(url):
    database = Database(url)
    with suppress(DBAPIError), database.read() as reader:
        reader.execute(roles.insert().values(role("one")))
        reader.rollback()
    with database.read() as reader:
        assert reader.execute(select(roles)).all() == []
    database.close()


@pytest.mark.parametrize("is_prepared", [False, True])
def test_texts_are_ordered_by_bytes_and_keep_every_character(url, is_prepared):
    database = Database(url)
    names = ["", "\0", "\0\0", "\1", "\1\0", "\1\1", "\1\2", "\2", "%_/\\", "A", "B", "a", "a\0b", "a\1", "ab"]
    names += ["é", "Ä", "\ue000", "😀"]
    insert = PreparedStatement(roles.insert().values({name: bindparam(name) for name in role("")}))
    for name in names:
        row = role(name)
        if is_prepared:
            database.apply(lambda connection, row=row: insert.rows(connection, **row))
        else:
            database.apply(lambda connection, row=row: connection.execute(roles.insert().values(row)))
    ordered = sorted(names, key=str.encode)
    assert [
        name for (name,) in database.fetch(PreparedStatement(select(roles.c.name).order_by(roles.c.name)))
    ] == ordered
    with database.read() as connection:
        assert connection.scalars(select(roles.c.name).order_by(roles.c.name)).all() == ordered
        for prefix in ("\1", "%", "a", "é"):
            begins = select(roles.c.name).where(roles.c.name.startswith(prefix, autoescape=True)).order_by(roles.c.name)
            assert connection.scalars(begins).all() == [name for name in ordered if name.startswith(prefix)]
            beyond = select(roles.c.name).where(roles.c.name > prefix).order_by(roles.c.name)
            assert connection.scalars(beyond).all() == [name for name in ordered if name.encode() > prefix.encode()]
    database.close()


def test_every_value_round_trips_through_both_paths(url):
    database = Database(url)
    wide, exact, sealed = 2**53 + 1, 1795345678.123456, bytes(range(256))
    text = "NUL \0 and more"
    stop = {"a": None, "b": [1.5, True, text], "c": {}}
    job = {
        "name": "j" * 300,  # lengths are enforced by the API only
        "state": "pending",
        "created_at": exact,
        "modified_at": exact,
        "specification": stop,
        "progress": [],
        "stop_requested": True,
    }
    stream = {"group": "g", "name": text, "created_at": exact, "first_event_ms": wide, "bytes": wide}

    def write(connection):
        connection.execute(training_jobs.insert().values(job))
        connection.execute(log_streams.insert(), [stream, {**stream, "name": "other", "first_event_ms": None}])
        connection.execute(store_identity.insert().values(id=2, store_id="s", seal=sealed))

    database.apply(write)
    with database.read() as connection:
        row = connection.execute(select(training_jobs)).one()
        assert (row.name, row.created_at, row.specification, row.progress) == (job["name"], exact, stop, [])
        assert (row.stop_requested, row.ended_at, row.lease_until) == (True, None, 0.0)
        rows = connection.execute(select(log_streams).order_by(log_streams.c.id)).all()
        assert [(row.name, row.first_event_ms, row.source_offset) for row in rows] == [
            (text, wide, 0),
            ("other", None, 0),
        ]
        total = connection.scalar(select(func.sum(log_streams.c.bytes)))
        assert (total, type(total)) == (2 * wide, int)
        assert connection.scalar(select(store_identity.c.seal).where(store_identity.c.id == 2)) == sealed
    columns = (
        training_jobs.c.name,
        training_jobs.c.stop_requested,
        training_jobs.c.created_at,
        training_jobs.c.ended_at,
    )
    requested = PreparedStatement(select(*columns).where(training_jobs.c.stop_requested == bindparam("requested")))
    ((name, is_asked, created_at, ended_at),) = database.fetch(requested, requested=True)
    assert (name, is_asked, created_at, ended_at) == (job["name"], True, exact, None)
    ((seal,),) = database.fetch(
        PreparedStatement(select(store_identity.c.seal).where(store_identity.c.id == bindparam("id_is"))), id_is=2
    )
    assert (seal, type(seal)) == (sealed, bytes)
    database.close()


def test_a_list_may_have_far_more_values_than_a_statement_has_parameters(url):
    database = Database(url)
    names = [f"{number:05}" for number in range(20_000)]
    with database.read() as connection:
        assert connection.execute(select(roles).where(roles.c.name.in_(names))).all() == []
    database.close()


def test_the_first_to_open_a_database_creates_it(url):
    first, second = Database(url), Database(url)
    assert (first.is_new, second.is_new) == (True, False)
    first.close()
    second.close()
