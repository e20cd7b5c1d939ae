"""The database of a home: what it was made by, and what a transaction leaves."""

import pytest
from sqlalchemy import select, update

from lowcloud.store.database import Database, OtherSchema
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
