"""Listings with delimiters, compared with a simple implementation."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.store.db import listing
from lowcloud.store.db.listing import Folder, list_with_folders, successor
from lowcloud.store.db.postgresql import PostgreSQL

TABLE = sa.Table(
    "t", sa.MetaData(), sa.Column("k", sa.String, primary_key=True), sa.Column("n", sa.Integer, primary_key=True)
)
keys = st.lists(st.text("ab/é\U0001f600", max_size=5), unique=True, max_size=40)
texts = st.text("ab/é", max_size=3)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def connection(request: pytest.FixtureRequest) -> Iterator[sa.Connection]:
    if request.param == "sqlite":
        engine = sa.create_engine("sqlite://")
    else:
        url = request.getfixturevalue("postgres").new_database()
        engine = PostgreSQL(sa.make_url(url)).engine
    with engine.connect() as connection:
        TABLE.create(connection)
        yield connection
    engine.dispose()


def fill(connection: sa.Connection, names: list[str]) -> None:
    connection.execute(sa.delete(TABLE))
    if names:
        connection.execute(sa.insert(TABLE), [{"k": name, "n": number} for name in names for number in (1, 2)])


def naive(names: list[str], prefix: str, delimiter: str) -> list[str]:
    """Return every entry; folders are distinguished by their type."""
    reported: list[str] = []
    for name in sorted(name for name in names if name.startswith(prefix)):
        position = name.find(delimiter, len(prefix)) if delimiter else -1
        reported.append(name if position < 0 else "folder " + name[: position + len(delimiter)])
    return list(dict.fromkeys(reported))


@given(names=keys, start=texts, prefix=texts, delimiter=st.sampled_from(["", "/", "a", "/b"]), batch=st.integers(1, 5))
def test_listing_with_folders_agrees_with_a_naive_model(
    connection: sa.Connection, names: list[str], start: str, prefix: str, delimiter: str, batch: int
) -> None:
    fill(connection, names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "FIRST_BATCH", batch)
        patch.setattr(listing, "LARGEST_BATCH", batch + 2)
        found = fold(connection, start=start, prefix=prefix, delimiter=delimiter)
    assert list(dict.fromkeys(map(reported, found))) == naive([n for n in names if n >= start], prefix, delimiter)
    rows = [(entry.k, entry.n) for entry in found if not isinstance(entry, Folder)]
    assert rows == sorted(set(rows))


@given(names=keys, prefix=texts, delimiter=st.sampled_from(["", "/", "a", "/b"]), data=st.data())
def test_the_rest_of_a_listing_follows_an_entry(
    connection: sa.Connection, names: list[str], prefix: str, delimiter: str, data: st.DataObject
) -> None:
    fill(connection, names)
    entries = fold(connection, prefix=prefix, delimiter=delimiter)
    if not entries:
        return
    number = data.draw(st.integers(0, len(entries) - 1))
    entry = entries[number]
    after = [entry.prefix] if isinstance(entry, Folder) else [entry.k, entry.n]
    assert fold(connection, after=after, prefix=prefix, delimiter=delimiter) == entries[number + 1 :]
    if not isinstance(entry, Folder):
        rest = fold(connection, after=[entry.k], prefix=prefix, delimiter=delimiter)
        assert rest == [later for later in entries[number + 1 :] if isinstance(later, Folder) or later.k != entry.k]


def test_a_position_before_the_prefix_means_its_beginning(connection: sa.Connection) -> None:
    fill(connection, ["a", "b/1", "c"])
    for after in (["a"], ["a", 1]):
        assert [reported(entry) for entry in fold(connection, after=after, prefix="b/")] == ["b/1", "b/1"]


def fold(connection: sa.Connection, **options: Any) -> list[Any]:
    return list(list_with_folders(connection, sa.select(TABLE), [TABLE.c.k, TABLE.c.n], **options))


def reported(entry: Any) -> str:
    return "folder " + entry.prefix if isinstance(entry, Folder) else str(entry.k)


def test_a_large_folder_is_skipped(connection: sa.Connection) -> None:
    fill(connection, [f"big/{number:06}" for number in range(20_000)] + ["last"])
    read = 0

    @sa.event.listens_for(connection, "after_cursor_execute")
    def count(*_: object) -> None:
        nonlocal read
        read += 1

    found = list(list_with_folders(connection, sa.select(TABLE), [TABLE.c.k, TABLE.c.n], delimiter="/"))
    sa.event.remove(connection, "after_cursor_execute", count)
    assert found[0] == Folder("big/")
    assert [entry.k for entry in found[1:] if not isinstance(entry, Folder)] == ["last", "last"]
    assert read <= 3


@given(text=st.text(), other=st.text())
def test_the_successor_is_greater_than_every_text_with_the_prefix(text: str, other: str) -> None:
    after = successor(text)
    if after is not None:
        assert (text + other).encode() < after.encode()
        assert after[:-1] == text[: len(after) - 1]
