"""The database of a home: what it was made by, and what a transaction leaves."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.exc import IntegrityError

from lowcloud.store.database import Database, OtherSchema
from lowcloud.store.prepared import Prepared
from lowcloud.store.tables import roles, schema_version
from lowcloud.store.upsert import insert_missing

ROLE = {"role_id": "R", "path": "/", "trust_policy": "{}", "max_session_seconds": 3600, "created_at": 0.0}


def test_a_database_of_another_schema_is_refused_and_left_as_it_is(tmp_path):
    url = f"sqlite:///{tmp_path / 'lowcloud.db'}"
    database = Database(url)
    with database.transaction() as connection:
        connection.execute(update(schema_version).values(version=99))
    database.close()
    with pytest.raises(OtherSchema, match="version 99"):
        Database(url)


def test_a_transaction_that_raises_leaves_nothing(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'lowcloud.db'}")
    with pytest.raises(KeyError), database.transaction() as connection:
        connection.execute(roles.insert().values(name="one", **ROLE))
        raise KeyError
    with database.read() as connection:
        assert connection.execute(select(roles)).all() == []
    database.close()


def test_inserting_what_is_missing_leaves_what_is_there(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'lowcloud.db'}")
    for description in ("first", "second"):
        with database.transaction() as connection:
            insert_missing(connection, roles, {"name": "one", "description": description, **ROLE})
    with database.read() as connection:
        assert connection.scalars(select(roles.c.description)).all() == ["first"]
    database.close()


def test_a_prepared_statement_finds_what_was_written_within_a_transaction_and_outside(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'lowcloud.db'}")
    find = Prepared(select(roles.c.name, roles.c.path).where(roles.c.name == bindparam("called")))
    with database.transaction() as connection:
        insert_missing(connection, roles, {"name": "one", **ROLE})
        assert find.first(connection, called="one") == ("one", "/")
        assert database.look(find, called="one") == []
    assert database.look(find, called="one") == [("one", "/")]
    database.close()


def test_a_prepared_statement_fails_as_any_other_does(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'lowcloud.db'}")
    insert = Prepared(roles.insert().values({name: bindparam(name) for name in ("name", *ROLE)}))

    def twice(connection):
        insert.rows(connection, name="one", **ROLE)
        insert.rows(connection, name="one", **ROLE)

    with pytest.raises(IntegrityError):
        database.apply(twice)
    with database.read() as connection:
        assert connection.execute(select(roles)).all() == []
    database.close()


def test_changes_that_share_a_commit_are_undone_one_by_one(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'lowcloud.db'}")
    go_on = threading.Event()

    def insert(name, fails=False):
        def change(connection):
            go_on.wait(10)
            insert_missing(connection, roles, {"name": name, **ROLE})
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


def test_processes_that_write_at_once_wait_for_each_other(tmp_path):
    url = f"sqlite:///{tmp_path / 'lowcloud.db'}"
    database = Database(url)
    program = f"""
from lowcloud.store.database import Database
from lowcloud.store.tables import roles
from lowcloud.store.upsert import insert_missing
import sys
database = Database({url!r})
for number in range(200):
    row = {{**{ROLE!r}, "name": f"{{sys.argv[1]}}-{{number}}"}}
    database.apply(lambda connection: insert_missing(connection, roles, row))
"""
    writers = [subprocess.Popen([sys.executable, "-c", program, str(number)]) for number in range(2)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    with database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(roles)) == 400
    database.close()
