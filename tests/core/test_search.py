"""Searches over rows: what they find is what a look at every row finds, page by page; on each database."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from lowcloud.core.errors import InvalidError, InvalidPageTokenError
from lowcloud.core.search import Document, Expression, Filter, Nested, Operator, Search, Sort, values_at
from lowcloud.core.tracking import experiments
from lowcloud.core.tracking.experiments import EXPERIMENT, Experiment
from lowcloud.store.db.tables import tracking as tables

ROWS = 60


def read(name: str) -> Any:
    return lambda document: values_at(document, [name])


def document_of(name: str, number: int) -> Document:
    """Documents of which a third lacks the number."""
    return {"name": name, "number": float(number)} if number % 3 else {"name": name}


def documents(found: Sequence[Experiment]) -> list[Document]:
    return [document_of(experiment.name, int(experiment.name[1:])) for experiment in found]


def search_for(*filters: Filter) -> Search[Experiment]:
    return Search(EXPERIMENT, documents, documents, Expression(filters))


@pytest.fixture
def searched(context):
    """A cloud with experiments n0 ... n59, made in any order."""
    numbers = list(range(ROWS))
    random.Random(1).shuffle(numbers)
    for at, number in enumerate(numbers):
        experiments.create(context, Experiment(f"n{number}", float(at), float(at)))
    return context


def pages(context: Any, search: Search, sort: Sort, limit: int) -> list[str]:
    """All that is found, page by page; each page but the last is full."""
    found: list[str] = []
    token = None
    while True:
        page = search.page(context, sort, limit, token)
        found += [document["name"] for document in page.documents]
        if page.next_token is None:
            return found
        assert len(page.documents) == limit
        token = page.next_token


@pytest.mark.parametrize("limit", [1, 7, 100])
@pytest.mark.parametrize("descending", [True, False])
def test_pages_contain_the_matches_in_order_and_those_without_the_property_last(searched, limit, descending):
    is_small = Filter("number", Operator.LESS, "40", read("number"))
    search = search_for(is_small)
    wanted = {f"n{number}" for number in range(40) if number % 3}
    by_row = pages(searched, search, Sort("created_at", descending), limit)
    made = [row.name for row in _rows(searched)]
    assert by_row == [name for name in (reversed(made) if descending else made) if name in wanted]
    everything = search_for()
    by_number = pages(searched, everything, Sort(read("number"), descending), limit)
    numbered = sorted((n for n in range(ROWS) if n % 3), reverse=descending)
    assert by_number[: len(numbered)] == [f"n{number}" for number in numbered]
    assert {int(name[1:]) % 3 for name in by_number[len(numbered) :]} == {0}
    assert sorted(by_number) == sorted(made)


def _rows(context: Any) -> Any:
    with context.database.read() as connection:
        return connection.execute(select(tables.experiments).order_by(tables.experiments.c.created_at)).all()


def test_a_token_that_was_not_given_out_is_refused(searched):
    search = search_for()
    for sort in (Sort("created_at"), Sort(read("number"))):
        for token in ("x", "", "bnVsbA==", "WzEsMl0="):
            with pytest.raises(InvalidPageTokenError):
                search.page(searched, sort, 1, token)


@given(
    number=st.floats(allow_nan=False, allow_infinity=False, width=32),
    requested=st.floats(allow_nan=False, allow_infinity=False, width=32),
)
def test_orders_of_numbers_are_those_of_numbers(number, requested):
    def admits(operator: Operator) -> bool:
        return Filter("x", operator, repr(requested), read("x")).admits({"x": number})

    assert admits(Operator.LESS) == (number < requested)
    assert admits(Operator.GREATER) == (number > requested)
    assert admits(Operator.LESS_OR_EQUAL) == (number <= requested)
    assert admits(Operator.GREATER_OR_EQUAL) == (number >= requested)
    assert admits(Operator.EQUALS) == (number == requested) != admits(Operator.NOT_EQUALS)


def test_text_is_compared_as_a_number_only_where_it_may_say_one():
    def admits(value: str, operator: Operator, requested: str, may_say_numbers: bool) -> bool:
        return Filter("x", operator, requested, read("x"), may_say_numbers).admits({"x": value})

    assert admits("0.50", Operator.EQUALS, "0.5", True)
    assert not admits("0.50", Operator.EQUALS, "0.5", False)
    assert admits("3.7", Operator.LESS_OR_EQUAL, "3", True), "compared with an integer a decimal counts as one"
    assert not admits("3.7", Operator.LESS_OR_EQUAL, "3.0", True)
    assert not admits("tree", Operator.LESS, "3", True)
    with pytest.raises(InvalidError, match="numbers and times"):
        admits("3.7", Operator.LESS, "3", False)


def test_times_are_read_as_iso_8601_or_seconds():
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    for said in ("2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00", "2026-01-31T12:00:00", str(noon.timestamp())):
        assert Filter("at", Operator.EQUALS, said, read("at")).admits({"at": noon})
    with pytest.raises(InvalidError, match="is not a time"):
        Filter("at", Operator.EQUALS, "noon", read("at")).admits({"at": noon})


def test_a_nested_group_requires_one_element_where_filters_accept_any():
    parts = {"parts": [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}]}
    filters = tuple(Filter(name, Operator.EQUALS, value, read(name)) for name, value in (("a", "1"), ("b", "4")))
    nested = Nested(lambda document: document["parts"], filters)
    apart = Expression(tuple(
        Filter(one.name, one.operator, one.value, lambda document, one=one: values_at(document, ["parts", one.name]))
        for one in filters
    ))  # fmt: skip
    assert not nested.admits(parts)
    assert apart.admits(parts)
