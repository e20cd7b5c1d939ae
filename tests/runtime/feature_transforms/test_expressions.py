"""Expressions: valid and invalid ones, and that they cannot reach Python."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowcloud.runtime.feature_transforms.cells import Texts
from lowcloud.runtime.feature_transforms.expressions import check, compile_row, compute_column, fix_quantiles
from lowcloud.schemas.expressions import (
    COMPARISONS,
    FUNCTIONS,
    Call,
    ColumnReference,
    Expression,
    InvalidExpressionError,
    NumberLiteral,
    format_expression,
    parse,
    parse_assignments,
)

KINDS = {"a": "number", "b": "number", "t": "text", "w": "time"}
ROW = {"a": 3.0, "b": -0.5, "t": "red", "w": 951782399.0}  # 2000-02-28T23:59:59Z


def value(text: str, **changes: float | str | None) -> float:
    node = parse(text)
    check(node, KINDS)
    row = list((ROW | changes).values())
    found = compile_row(node, {name: place for place, name in enumerate(ROW)})(row)
    columns = {
        name: Texts(np.zeros(1, np.int64), [cell]) if KINDS[name] == "text" else np.array([cell], np.float64)
        for name, cell in (ROW | changes).items()
    }
    np.testing.assert_array_equal(compute_column(node, columns, 1), [found])  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * a", 7),
        ("(1 + 2) * a", 9),
        ("-a ** 2", -9),
        ("2 ** -1", 0.5),
        ("2 ** 3 ** 2", 512),
        ("a - 1 - 1", 1),
        ("a / 2 / 2", 0.75),
        ("--a", 3),
        ("a > 2", 1),
        ("a != 3", 0),
        ("1e2 + .5 + 5.", 105.5),
        ("`a` * b", -1.5),
        ("log(exp(a))", 3),
        ("min(a, b, 7) + max(a, b)", 2.5),
        ("round(2.5) + round(-0.4)", 2),
        ("floor(b) + ceil(b)", -1),
        ("if(a > b, 10, 20)", 10),
        ("bin(a, 1, 3, 5)", 2),
        ("t == 'red'", 1),
        ('t != "red"', 0),
        ("length(t)", 3),
        ("missing(t) + missing(a) + missing(a / 0)", 1),
        ("year(w) * 10000 + month(w) * 100 + day(w)", 20000228),
        ("hour(w) + minute(w) / 100", 23.59),
        ("weekday(w)", 0),
        ("yearday(w)", 59),
        ("sqrt(b * b) + abs(b)", 1),
    ],
)
def test_an_expression_has_its_value(text: str, expected: float) -> None:
    assert value(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["a / 0", "log(-1)", "sqrt(b)", "b ** 0.5", "exp(1e6)", "1e308 * 10", "0 ** -1"])
def test_invalid_numbers_are_missing(text: str) -> None:
    assert math.isnan(value(text))


@pytest.mark.parametrize("text", ["a + 1", "a > 1", "max(a, 1)", "if(a, 1, 2)", "bin(a, 1)", "a ** 0", "floor(a)"])
def test_a_missing_value_stays_missing(text: str) -> None:
    assert math.isnan(value(text, a=math.nan))


def test_a_missing_text_equals_nothing_and_differs_from_nothing() -> None:
    assert math.isnan(value("t == 'red'", t=None))
    assert math.isnan(value("t != 'red'", t=None))
    assert value("missing(t)", t=None) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a +",
        "a b",
        "(a",
        "a)",
        "a ? b",
        "f(a)",
        "__import__('os')",
        "a.real",
        "a[0]",
        "log()",
        "log(a, b)",
        "lambda: 1",
        "a == b == a",
        "1e999",
        "a" * 2000,
        "(" * 60 + "a" + ")" * 60,
        "2 ** " * 60 + "a",
        "'unfinished",
    ],
)
def test_invalid_expressions_are_refused(text: str) -> None:
    with pytest.raises(InvalidExpressionError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("c + 1", "There is no column 'c'. The columns are 'a', 'b', 't', 'w'."),
        ("t + 1", "Column 't' has text values; number values were expected."),
        ("year(a)", "Column 'a' has number values; time values were expected."),
        ("a == 'x'", "Column 'a' has number values; text values were expected."),
        ("'x' + a", "can only be compared to a column"),
        ("bin(a, 3, 1)", "bin needs increasing numbers as edges"),
        ("bin(a, b)", "bin needs increasing numbers as edges"),
        ("quantile_bin(a, b)", "quantile_bin needs the number of bins"),
        ("length(a + 1)", "A column of text was expected"),
    ],
)
def test_an_expression_must_fit_the_columns(text: str, sentence: str) -> None:
    with pytest.raises(InvalidExpressionError) as caught:
        check(parse(text), KINDS)
    assert sentence in str(caught.value)


LEAVES = st.one_of(
    st.builds(NumberLiteral, st.floats(-1e6, 1e6)),
    st.sampled_from([ColumnReference("a"), ColumnReference("b")]),
)
CALLS = [
    name
    for name in FUNCTIONS
    if FUNCTIONS[name][:2] == (1, 1) and name in ["abs", "ceil", "cos", "exp", "floor", "log", "sqrt"]
]


def grow(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    pairs = st.tuples(inner, inner)
    return st.one_of(
        st.builds(Call, st.sampled_from(["+", "-", "*", "/", "**", *COMPARISONS, "min", "max"]), pairs),
        st.builds(Call, st.sampled_from([*CALLS, "round", "missing", "tanh"]), st.tuples(inner)),
        st.builds(Call, st.just("if"), st.tuples(inner, inner, inner)),
    )


@settings(max_examples=60)
@given(st.recursive(LEAVES, grow, max_leaves=8), st.lists(st.tuples(*[st.floats()] * 2), min_size=1, max_size=8))
def test_rows_columns_and_formatted_expressions_give_the_same(
    node: Expression, rows: list[tuple[float, float]]
) -> None:
    compute = compile_row(node, {"a": 0, "b": 1})
    one_by_one = [compute(row) for row in rows]
    table = np.array(rows)
    together = compute_column(node, {"a": table[:, 0], "b": table[:, 1]}, len(rows))
    if isinstance(node, Call):  # a column itself is as it was read
        np.testing.assert_array_equal(together, one_by_one)
    again = compile_row(parse(format_expression(node)), {"a": 0, "b": 1})
    np.testing.assert_array_equal([again(row) for row in rows], one_by_one)


def test_bins_of_equal_numbers_of_rows_become_bins_of_edges() -> None:
    x = np.arange(100.0)
    node = fix_quantiles(parse("quantile_bin(a, 4)"), {"a": x}, 100)
    assert np.bincount(compute_column(node, {"a": x}, 100).astype(int)).tolist() == [25, 25, 25, 25]
    assert parse(format_expression(node)) == node


def test_assignments_are_read_in_order() -> None:
    assert list(parse_assignments(" x = a / b ;; `y z` = x == 1; ")) == ["x", "y z"]
    for text in ("a / b", "= a", "x == 1", "x = a; x = b"):
        with pytest.raises(InvalidExpressionError):
            parse_assignments(text)
