import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lowcloud.store.database import Database
from lowcloud.store.tables import log_groups
from tests.conftest import wait_for


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'test.db'}")
    yield made
    made.close()


def add(name: str) -> Any:
    def change(connection: sa.Connection) -> str:
        connection.execute(sa.insert(log_groups).values(name=name, created_at=0))
        if name.startswith("bad"):
            raise ValueError(name)
        return name

    return change


def names(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(sa.select(log_groups.c.name).order_by(log_groups.c.name)).scalars())


def apply_together(database: Database, changes: list[str]) -> dict[str, object]:
    """Apply changes that all wait for the same transaction; what each caller saw."""
    seen: dict[str, object] = {}

    def apply(name: str) -> None:
        try:
            seen[name] = database.apply(add(name))
        except (ValueError, sa.exc.DBAPIError) as error:
            seen[name] = error

    threads = [threading.Thread(target=apply, args=(name,)) for name in changes]
    with database.transaction():
        for thread in threads:
            thread.start()
        wait_for(lambda: len(database._waiting) == len(changes))
    for thread in threads:
        thread.join()
    return seen


def count_commits(database: Database) -> list[object]:
    commits: list[object] = []
    sa.event.listen(database._engine, "commit", commits.append)
    return commits


def test_a_change_is_there_when_it_returns(database: Database) -> None:
    assert database.apply(add("one")) == "one"
    with pytest.raises(ValueError, match="bad"):
        database.apply(add("bad"))
    assert names(database) == ["one"]


def test_changes_that_wait_share_a_commit_and_fail_alone(database: Database) -> None:
    database.apply(add("twice"))
    commits = count_commits(database)
    seen = apply_together(database, ["a", "bad 1", "b", "twice", "c", "bad 2"])
    assert names(database) == ["a", "b", "c", "twice"]
    assert len(commits) == 2  # of the transaction they waited for, and theirs
    assert {name: type(outcome) for name, outcome in seen.items()} == {
        "a": str,
        "b": str,
        "c": str,
        "bad 1": ValueError,
        "bad 2": ValueError,
        "twice": sa.exc.IntegrityError,
    }


def test_where_the_commit_fails_every_change_fails(database: Database) -> None:
    sa.event.listen(database._engine, "commit", refuse_second_commit())
    seen = apply_together(database, ["a", "b"])
    assert all(isinstance(outcome, sa.exc.OperationalError) for outcome in seen.values())
    assert names(database) == []
    assert database.apply(add("later")) == "later"


def test_where_the_disk_is_full_every_change_is_told_so(database: Database) -> None:
    with database.transaction() as connection:  # the pool's one connection: its file may not grow any more
        connection.exec_driver_sql("PRAGMA max_page_count=1")
    seen = apply_together(database, [letter * 20_000 for letter in "abc"])
    codes = {outcome.orig.sqlite_errorcode for outcome in seen.values() if isinstance(outcome, sa.exc.DBAPIError)}
    assert (len(seen), codes) == (3, {sqlite3.SQLITE_FULL})
    with database.transaction() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=100000")
    assert names(database) == []
    assert database.apply(add("later")) == "later"


def refuse_second_commit() -> Any:
    commits = 0

    def refuse(_connection: sa.Connection) -> None:
        nonlocal commits
        commits += 1
        if commits == 2:
            raise sa.exc.OperationalError("COMMIT", None, Exception("the disk is gone"))

    return refuse
