"""Keyset pagination for List operations: filters, order and continuation tokens."""

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, select, tuple_


class InvalidTokenError(ValueError):
    """The continuation token was not issued by a List operation."""


@dataclass(frozen=True)
class Order:
    """Sort by a column, then by name, so that the order is total."""

    column: str
    descending: bool = False


@dataclass(frozen=True)
class Page:
    """Some rows, and the token of the next page (None at the end)."""

    rows: Sequence[Row[Any]]
    next_token: str | None


def read_page(
    connection: Connection,
    table: Table,
    where: Sequence[ColumnElement[bool]],
    order: Order,
    limit: int,
    token: str | None = None,
) -> Page:
    """Return at most `limit` rows of `table` after `token` in `order`. The table has a unique `name`.

    Raises InvalidTokenError.
    """
    key = tuple_(table.c[order.column], table.c.name)
    filters = list(where)
    if token is not None:
        last = tuple_(*_read_position(token, table, order))
        filters.append(key < last if order.descending else key > last)
    columns = [table.c[order.column], table.c.name]
    statement = (
        select(table)
        .where(*filters)
        .order_by(*(column.desc() if order.descending else column for column in columns))
        .limit(limit + 1)
    )
    rows = connection.execute(statement).all()
    if len(rows) <= limit:
        return Page(rows, None)
    return Page(rows[:limit], token_of(rows[limit - 1], order))


def token_of(row: Row[Any], order: Order) -> str:
    """Return the token of the page after a row."""
    return _encode([order.column, order.descending, row._mapping[order.column], row._mapping["name"]])


def offset_token(offset: int) -> str:
    """Return the token of the page after `offset` results, for results without an order in a table."""
    return _encode([offset])


def read_offset(token: str) -> int:
    """Return the offset in a token of `offset_token`. Raises InvalidTokenError."""
    try:
        (offset,) = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError) as error:
        raise InvalidTokenError("The continuation token is not valid.") from error
    if not isinstance(offset, int) or offset < 0:
        raise InvalidTokenError("The continuation token is not valid.")
    return offset


def _encode(position: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _read_position(token: str, table: Table, order: Order) -> tuple[Any, str]:
    """Return the sort value and the name of the last row before a page. Raises InvalidTokenError."""
    try:
        column, descending, value, name = json.loads(base64.urlsafe_b64decode(token.encode()))
        position = _read_value(value, table.c[order.column]), _read_value(name, table.c.name)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidTokenError("The continuation token is not valid.") from error
    if (column, descending) != (order.column, order.descending):
        raise InvalidTokenError("The continuation token is not valid.")
    return position


def _read_value(value: Any, column: ColumnElement[Any]) -> Any:
    """Return a value as the column has it. Raises ValueError and TypeError for one that it cannot have."""
    expected = column.type.python_type
    if isinstance(value, bool) or not isinstance(value, (int, float) if expected is float else expected):
        raise TypeError(f"{value!r} is not a {expected.__name__}")
    if isinstance(value, str):
        value.encode()  # raises ValueError for half of a surrogate pair
        return value
    if not math.isfinite(value):
        raise ValueError(f"{value} is not finite")
    return expected(value)
