"""Searches: expressions over documents, as the dialect's users name their properties.

A document is what a record's description says: nested mappings and lists of text, numbers, booleans and times. Names of
properties are paths ("Source.SourceArn"); what follows the name of a mapping with free keys is one key, dots and all
("Tags.a.b"). In a list of mappings any element may meet a filter; a nested group asks one element to meet all of its.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, select

from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError
from lowcloud.store.db.pages import Order, offset_token, read_offset, read_page, token_of

LARGEST_BATCH = 1000

Document = Mapping[str, Any]
Value = str | float | bool | datetime
Read = Callable[[Document], Iterable[Value]]  # the values of one property in a document


class Operator(StrEnum):
    """How a property is compared."""

    EQUALS = "Equals"
    NOT_EQUALS = "NotEquals"
    GREATER = "GreaterThan"
    GREATER_OR_EQUAL = "GreaterThanOrEqualTo"
    LESS = "LessThan"
    LESS_OR_EQUAL = "LessThanOrEqualTo"
    CONTAINS = "Contains"
    EXISTS = "Exists"
    NOT_EXISTS = "NotExists"
    IN = "In"


@dataclass(frozen=True)
class Filter:
    """A property compared with a value, which is text that says a number or a time where the property is one."""

    name: str
    operator: Operator
    value: str  # "" where the operator needs none
    read: Read
    may_say_numbers: bool = False  # whether text of this property is compared as a number where it is one

    def admits(self, document: Document) -> bool:
        """Whether a document passes. Raises Invalid where the property cannot be so compared."""
        values = self.read(document)
        match self.operator:
            case Operator.EXISTS:
                return any(True for _ in values)
            case Operator.NOT_EXISTS:
                return not any(True for _ in values)
            case Operator.NOT_EQUALS:
                return not any(self._equals(value) for value in values)
            case Operator.EQUALS:
                return any(self._equals(value) for value in values)
            case Operator.CONTAINS:
                return any(self.value in self._text(value) for value in values)
            case Operator.IN:
                return any(self._text(value) in self.value.split(",") for value in values)
            case _:
                return any(self._is_in_order(value) for value in values)

    def _equals(self, value: Value) -> bool:
        if isinstance(value, bool):
            return str(value).lower() == self.value.lower()
        if isinstance(value, datetime):
            return value == parse_time(self.name, self.value)
        if isinstance(value, str):
            return value == self.value or (self.may_say_numbers and _same_number(value, self.value))
        return value == self._number()

    def _is_in_order(self, value: Value) -> bool:
        if isinstance(value, bool) or (isinstance(value, str) and not self.may_say_numbers):
            raise InvalidError(f"{self.operator} can only be used on numbers and times, and {self.name} is neither.")
        if isinstance(value, datetime):
            return _compare(self.operator, value.timestamp(), parse_time(self.name, self.value).timestamp())
        asked, number = self._number(), as_number(value) if isinstance(value, str) else value
        if number is None:
            return False
        if isinstance(value, str) and as_integer(self.value) is not None:
            number = float(int(number))  # as AWS documents: compared with an integer it counts as one
        return _compare(self.operator, number, asked)

    def _text(self, value: Value) -> str:
        if not isinstance(value, str):
            raise InvalidError(f"{self.operator} can only be used on text, and {self.name} is none.")
        return value

    def _number(self) -> float:
        number = as_number(self.value)
        if number is None:
            raise InvalidError(f"The value {self.value!r} for {self.name} is no number.")
        return number


@dataclass(frozen=True)
class Nested:
    """Filters that one element of a list must pass together; they read that element."""

    elements: Callable[[Document], Iterable[Document]]
    filters: tuple[Filter, ...]

    def admits(self, document: Document) -> bool:
        """Whether an element passes all."""
        return any(all(one.admits(element) for one in self.filters) for element in self.elements(document))


@dataclass(frozen=True)
class Expression:
    """Conditions, of which all must hold, or any one."""

    conditions: tuple["Filter | Nested | Expression", ...]
    needs_all: bool = True

    def admits(self, document: Document) -> bool:
        """Whether a document passes. Raises Invalid."""
        met = (one.admits(document) for one in self.conditions)
        return all(met) if self.needs_all else any(met)


@dataclass(frozen=True)
class Sort:
    """By a column of the table, or by what is read from the documents, which costs a look at all of them."""

    by: str | Read
    descending: bool = True


@dataclass(frozen=True)
class Found:
    """A page of documents, and the token that continues after them (None at the end)."""

    documents: Sequence[Document]
    next_token: str | None


Documents = Callable[[Connection, Sequence[Row[Any]]], list[Document]]  # of rows, in their order


@dataclass(frozen=True)
class Search:
    """What is looked for, and where."""

    table: Table
    documents: Documents
    sketches: Documents  # documents that hold no more than the expression and the order read: most rows are not wanted
    expression: Expression
    where: tuple[ColumnElement[bool], ...] = ()  # what the database can say of the expression; never too little

    def page(self, context: Context, sort: Sort, limit: int, token: str | None) -> Found:
        """The documents that pass, at most `limit`, after the token. Raises Invalid and pages.BadToken."""
        with context.database.read() as connection:
            if isinstance(sort.by, str):
                return self._in_order_of_rows(connection, Order(sort.by, sort.descending), limit, token)
            return self._in_any_order(connection, sort.by, sort.descending, limit, token)

    def _in_order_of_rows(self, connection: Connection, order: Order, limit: int, token: str | None) -> Found:
        """Rows are read until a page is full: a page costs no more for the records that are left."""
        found: list[Row[Any]] = []
        size = limit + 1
        while True:
            page = read_page(connection, self.table, self.where, order, size, token)
            pairs = zip(page.rows, self.sketches(connection, page.rows), strict=True)
            found += [row for row, sketch in pairs if self.expression.admits(sketch)]
            if len(found) > limit:
                return Found(self.documents(connection, found[:limit]), token_of(found[limit - 1], order))
            if page.next_token is None:
                return Found(self.documents(connection, found), None)
            token, size = page.next_token, min(size * 2, LARGEST_BATCH)

    def _in_any_order(
        self, connection: Connection, read: Read, descending: bool, limit: int, token: str | None
    ) -> Found:
        begin = 0 if token is None else read_offset(token)
        keys: list[tuple[tuple[int, Any], str]] = []
        missing: list[str] = []
        for row, sketch in self._all(connection):
            if self.expression.admits(sketch):
                key = _order_key(read(sketch))
                if key is None:
                    missing.append(row.name)
                else:
                    keys.append((key, row.name))
        names = [name for _, name in sorted(keys, reverse=descending)] + missing  # what lacks the property comes last
        chosen = names[begin : begin + limit]
        rows = {row.name: row for row in connection.execute(select(self.table).where(self.table.c.name.in_(chosen)))}
        documents = self.documents(connection, [rows[name] for name in chosen])
        return Found(documents, offset_token(begin + limit) if len(names) > begin + limit else None)

    def _all(self, connection: Connection) -> Iterator[tuple[Row[Any], Document]]:
        token, order = None, Order("name")
        while True:
            page = read_page(connection, self.table, self.where, order, LARGEST_BATCH, token)
            yield from zip(page.rows, self.sketches(connection, page.rows), strict=True)
            if page.next_token is None:
                return
            token = page.next_token


def as_number(text: str) -> float | None:
    """The number that a text says, or None."""
    try:
        return float(text)
    except ValueError:
        return None


def as_integer(text: str) -> int | None:
    """The integer that a text says, or None."""
    try:
        return int(text)
    except ValueError:
        return None


def parse_time(name: str, text: str) -> datetime:
    """A time: ISO 8601, UTC where it does not say, or seconds since the epoch. Raises Invalid."""
    number = as_number(text)
    try:
        if number is not None:
            return datetime.fromtimestamp(number, UTC)
        said = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidError(f"The value {text!r} for {name} is no time; write it like 2026-01-31T12:00:00Z.") from error
    return said if said.tzinfo else said.replace(tzinfo=UTC)


def values_at(document: Any, path: Sequence[str]) -> Iterable[Value]:
    """The values that a path of exact names leads to, through every element of the lists on its way."""
    if isinstance(document, list | tuple):
        for element in document:
            yield from values_at(element, path)
    elif not path:
        if document is not None and not (isinstance(document, Mapping) and not document):
            yield str(document) if isinstance(document, Mapping) else document
    elif isinstance(document, Mapping) and document.get(path[0]) is not None:
        yield from values_at(document[path[0]], path[1:])


def _order_key(values: Iterable[Value]) -> tuple[int, Any] | None:
    """Numbers and times before text; None where there is nothing."""
    value = next(iter(values), None)
    if value is None:
        return None
    if isinstance(value, datetime):
        return 0, value.timestamp()
    number = as_number(value) if isinstance(value, str) else float(value)
    return (1, value) if number is None else (0, number)


def _compare(operator: Operator, one: float, other: float) -> bool:
    match operator:
        case Operator.GREATER:
            return one > other
        case Operator.GREATER_OR_EQUAL:
            return one >= other
        case Operator.LESS:
            return one < other
        case _:
            return one <= other


def _same_number(one: str, other: str) -> bool:
    number = as_number(one)
    return number is not None and number == as_number(other)
