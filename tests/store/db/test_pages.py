"""Pagination: pages of any size concatenate to the complete list, in order."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Float, MetaData, String, Table, create_engine, make_url

from lowcloud.store.db.pages import InvalidTokenError, Order, read_page
from lowcloud.store.db.postgresql import PostgreSQL

things = Table("things", MetaData(), Column("name", String, primary_key=True), Column("created_at", Float))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def connection(request):
    """A connection with the table, outside a transaction."""
    if request.param == "sqlite":
        engine = create_engine("sqlite://")
    else:
        engine = PostgreSQL(make_url(request.getfixturevalue("postgres").new_database())).engine
    with engine.connect() as connection:
        things.metadata.create_all(connection)
        yield connection
    engine.dispose()


@settings(max_examples=200)
@given(
    st.dictionaries(st.text(max_size=5), st.sampled_from([0.0, 1.0, 2.5]), max_size=20),
    st.booleans(),
    st.integers(1, 7),
)
def test_concatenated_pages_are_the_sorted_list(connection, rows, is_descending, limit):
    connection.execute(things.delete())
    if rows:
        connection.execute(things.insert(), [{"name": name, "created_at": at} for name, at in rows.items()])
    found, token = [], None
    while True:
        page = read_page(connection, things, [], Order("created_at", is_descending), limit, token)
        assert len(page.rows) <= limit
        found += [row.name for row in page.rows]
        token = page.next_token
        if token is None:
            break
    expected = sorted(rows, key=lambda name: (rows[name], name.encode()), reverse=is_descending)
    assert found == expected


def token_with(*position):
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


@pytest.mark.parametrize(
    "position",
    [
        ("name", False, "a", "a"),  # of a list by name
        ("created_at", True, 1.0, "a"),  # of a list in the other direction
        ("created_at", False, "1", "a"),
        ("created_at", False, True, "a"),
        ("created_at", False, None, "a"),
        ("created_at", False, float("nan"), "a"),
        ("created_at", False, 10**400, "a"),
        ("created_at", False, 1.0, "\ud800"),
        ("created_at", False, 1.0, ["a"]),
        ("created_at", False, 1.0),
    ],
)
def test_a_token_of_another_list_or_with_impossible_values_is_refused(connection, position):
    with pytest.raises(InvalidTokenError):
        read_page(connection, things, [], Order("created_at"), 1, token_with(*position))


def test_a_token_with_a_large_number_is_only_past_the_end(connection):
    page = read_page(connection, things, [], Order("created_at"), 1, token_with("created_at", False, 10**30, "a"))
    assert page.rows == []


@pytest.mark.parametrize("token", ["", "x", "W10=", "bnVsbA==", "WzEsIDJd", "W251bGwsICJhIl0=", "é"])
def test_an_invalid_token_is_refused(connection, token):
    with pytest.raises(InvalidTokenError):
        read_page(connection, things, [], Order("created_at"), 1, token)
