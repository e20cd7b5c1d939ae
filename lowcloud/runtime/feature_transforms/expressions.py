"""Derived columns: evaluates an expression for one row of values or for complete columns, with identical results.

Missing and non-finite results are NaN after every step. Functions whose last bit may depend on the library (log, sin,
**) are computed with Python's math in both cases.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import nan
from typing import Any

import numpy as np

from lowcloud.runtime.feature_transforms import times
from lowcloud.runtime.feature_transforms.cells import Numbers, Texts, Value, Vector
from lowcloud.schemas.expressions import (
    Call,
    ColumnReference,
    Expression,
    InvalidExpressionError,
    NumberLiteral,
    TextLiteral,
)
from lowcloud.schemas.spelling import did_you_mean

RowValues = Sequence[Value]
Compute = Callable[[RowValues], float]


def check(node: Expression, kinds: Mapping[str, str]) -> None:
    """Raise InvalidExpressionError if a column is unknown or of the wrong kind."""
    if isinstance(node, TextLiteral):
        raise InvalidExpressionError(f'The text "{node.value}" can only be compared to a column, with == or !=.')
    if isinstance(node, ColumnReference):
        _kind(node, kinds, ("number", "boolean", "time"))
    if not isinstance(node, Call):
        return
    if node.name == "quantile_bin" and not _is_count(node.arguments[1]):
        raise InvalidExpressionError("quantile_bin needs the number of bins, from 2 to 1000, as its second argument.")
    if node.name == "bin":
        _check_edges(node)
    if _text_side(node) is not None or node.name == "length":
        _kind(node.arguments[0], kinds, ("text",))
    elif node.name == "missing" and isinstance(node.arguments[0], ColumnReference):
        _kind(node.arguments[0], kinds, ("number", "boolean", "time", "text"))
    elif node.name in times.PARTS:
        _kind(node.arguments[0], kinds, ("time",))
    else:
        for argument in node.arguments:
            check(argument, kinds)


def compile_row(node: Expression, positions: Mapping[str, int]) -> Compute:
    """Return a function that computes an expression from a row of values; `positions` has the index of each column."""
    if isinstance(node, NumberLiteral):
        value = node.value
        return lambda _row: value
    if isinstance(node, ColumnReference):
        position = positions[node.name]
        return lambda row: row[position]  # type: ignore[return-value]
    assert isinstance(node, Call)
    function = _cell_function(node)
    if function is not None:
        position = positions[node.arguments[0].name]  # type: ignore[union-attr]
        return lambda row: function(row[position])
    if node.name == "bin":
        edges, first = _edges(node), compile_row(node.arguments[0], positions)
        return lambda row: nan if (x := first(row)) != x else float(bisect_right(edges, x))
    arguments = [compile_row(argument, positions) for argument in node.arguments]
    compute = SCALAR[node.name]

    def run(row: RowValues) -> float:
        try:
            value = compute(*[argument(row) for argument in arguments])
            return value if value - value == 0.0 else nan
        except (ValueError, OverflowError, ZeroDivisionError):
            return nan

    return run


def compute_column(node: Expression, columns: Mapping[str, Vector], rows: int) -> Numbers:
    """Compute an expression for complete columns, (rows,)."""
    if isinstance(node, NumberLiteral):
        return np.full(rows, node.value)
    if isinstance(node, ColumnReference):
        column = columns[node.name]
        assert not isinstance(column, Texts)
        return column
    assert isinstance(node, Call)
    function = _cell_function(node)
    if function is not None:
        column = columns[node.arguments[0].name]  # type: ignore[union-attr]
        if isinstance(column, Texts):
            return column.map(function)
        return np.isnan(column).astype(np.float64)
    if node.name == "bin":
        x = compute_column(node.arguments[0], columns, rows)
        return np.where(np.isnan(x), nan, np.searchsorted(_edges(node), x, side="right"))
    arguments = [compute_column(argument, columns, rows) for argument in node.arguments]
    with np.errstate(all="ignore"):
        if node.name in VECTOR:
            found = VECTOR[node.name](*arguments)
        else:
            row = compile_row(
                Call(node.name, tuple(ColumnReference(str(i)) for i in range(len(arguments)))), _Positions()
            )
            found = np.array([row(cells) for cells in zip(*(a.tolist() for a in arguments), strict=True)], np.float64)
        return np.where(np.isfinite(found), found, nan)


def fix_quantiles(node: Expression, columns: Mapping[str, Vector], rows: int) -> Expression:
    """Replace every quantile_bin by a bin with the edges computed from these columns."""
    if not isinstance(node, Call):
        return node
    node = Call(node.name, tuple(fix_quantiles(argument, columns, rows) for argument in node.arguments))
    if node.name != "quantile_bin":
        return node
    bins = node.arguments[1]
    assert isinstance(bins, NumberLiteral)
    x = compute_column(node.arguments[0], columns, rows)
    x = x[~np.isnan(x)]
    shares = np.arange(1, int(bins.value)) / int(bins.value)
    edges = np.unique(np.quantile(x, shares)).tolist() if len(x) else [0.0]
    return Call("bin", (node.arguments[0], *map(NumberLiteral, edges)))


class _Positions(dict[str, int]):
    """Columns named by their positions."""

    def __missing__(self, name: str) -> int:
        return int(name)


def _kind(node: Expression, kinds: Mapping[str, str], allowed: Sequence[str]) -> None:
    if not isinstance(node, ColumnReference):
        raise InvalidExpressionError(f"A column of {' or '.join(allowed)} was expected, not an expression.")
    if node.name not in kinds:
        hint = did_you_mean(node.name, kinds, f"The columns are {', '.join(map(repr, kinds))}.")
        raise InvalidExpressionError(f"There is no column {node.name!r}. {hint}")
    if kinds[node.name] not in allowed:
        raise InvalidExpressionError(
            f"Column {node.name!r} has {kinds[node.name]} values; {allowed[0]} values were expected."
        )


def _is_count(node: Expression) -> bool:
    return isinstance(node, NumberLiteral) and node.value == int(node.value) and 2 <= node.value <= 1000


def _check_edges(node: Call) -> None:
    edges = [edge.value if isinstance(edge, NumberLiteral) else nan for edge in node.arguments[1:]]
    if not all(math.isfinite(edge) for edge in edges) or not all(low < high for low, high in pairwise(edges)):
        raise InvalidExpressionError("bin needs increasing numbers as edges: bin(age, 18, 65).")


def _edges(node: Call) -> list[float]:
    return [edge.value for edge in node.arguments[1:] if isinstance(edge, NumberLiteral)]


def _text_side(node: Call) -> str | None:
    """Return the text that a column is compared to."""
    if node.name in ("==", "!=") and isinstance(node.arguments[1], TextLiteral):
        return node.arguments[1].value
    return None


def _cell_function(node: Call) -> Callable[[Any], float] | None:
    """Return the function of one cell for calls on text columns, and for `missing`; otherwise None."""
    word = _text_side(node)
    if word is not None:
        equal, other = (1.0, 0.0) if node.name == "==" else (0.0, 1.0)
        return lambda cell: nan if cell is None else equal if cell == word else other
    if node.name == "length":
        return lambda cell: nan if cell is None else float(len(cell))
    if node.name == "missing" and isinstance(node.arguments[0], ColumnReference):
        return lambda cell: 1.0 if cell is None or cell != cell else 0.0
    return None


def _choose(condition: float, first: float, second: float) -> float:
    return nan if condition != condition else first if condition else second


def _lowest(*values: float) -> float:
    return nan if any(value != value for value in values) else min(values)


def _highest(*values: float) -> float:
    return nan if any(value != value for value in values) else max(values)


def _compare(function: Callable[[float, float], bool]) -> Callable[[float, float], float]:
    return lambda x, y: nan if x != x or y != y else 1.0 if function(x, y) else 0.0


def _compare_columns(function: Callable[..., Any]) -> Callable[[Numbers, Numbers], Numbers]:
    return lambda x, y: np.where(np.isnan(x) | np.isnan(y), nan, function(x, y))


SCALAR: dict[str, Callable[..., float]] = {
    "+": lambda x, y: x + y,
    "-": lambda x, *y: x - y[0] if y else -x,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "**": lambda x, y: nan if x != x or y != y else math.pow(x, y),
    "<": _compare(lambda x, y: x < y),
    "<=": _compare(lambda x, y: x <= y),
    ">": _compare(lambda x, y: x > y),
    ">=": _compare(lambda x, y: x >= y),
    "==": _compare(lambda x, y: x == y),
    "!=": _compare(lambda x, y: x != y),
    "abs": abs,
    "ceil": lambda x: float(math.ceil(x)),
    "cos": math.cos,
    "exp": math.exp,
    "floor": lambda x: float(math.floor(x)),
    "if": _choose,
    "log": math.log,
    "log10": math.log10,
    "log1p": math.log1p,
    "max": _highest,
    "min": _lowest,
    "missing": lambda x: 1.0 if x != x else 0.0,
    "round": lambda x: float(round(x)),
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tanh": math.tanh,
    **times.PARTS,
}
VECTOR: dict[str, Callable[..., Numbers]] = {  # functions that numpy computes bitwise identically
    "+": np.add,
    "-": lambda x, *y: x - y[0] if y else -x,
    "*": np.multiply,
    "/": lambda x, y: np.where(y == 0.0, nan, x / y),
    "<": _compare_columns(np.less),
    "<=": _compare_columns(np.less_equal),
    ">": _compare_columns(np.greater),
    ">=": _compare_columns(np.greater_equal),
    "==": _compare_columns(np.equal),
    "!=": _compare_columns(np.not_equal),
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "if": lambda condition, first, second: np.where(
        np.isnan(condition), nan, np.where(condition != 0.0, first, second)
    ),
    "max": lambda *values: np.maximum.reduce(values),
    "min": lambda *values: np.minimum.reduce(values),
    "missing": lambda x: np.isnan(x).astype(np.float64),
    "round": np.rint,
    "sqrt": np.sqrt,
    **times.PARTS,
}
