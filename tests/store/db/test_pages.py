"""Pagination: pages of any size concatenate to the complete list, in order."""

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


@pytest.mark.parametrize("token", ["", "x", "W10=", "bnVsbA==", "WzEsIDJd", "W251bGwsICJhIl0=", "é"])
def test_an_invalid_token_is_refused(connection, token):
    with pytest.raises(InvalidTokenError):
        read_page(connection, things, [], Order("created_at"), 1, token)
