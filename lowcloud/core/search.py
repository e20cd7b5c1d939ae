"""Search: expressions over documents, in terms of the properties that an API gives them.

A document is the description of a record: nested mappings and lists of text, numbers, booleans and times. Names of
properties are paths ("Source.SourceArn"); after the name of a mapping with arbitrary keys, the rest of the path is one
key, even with dots ("Tags.a.b"). A list of mappings passes a filter if any element does; a nested group of filters
requires one element that passes all of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Row

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, InvalidPageTokenError
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.resources import Condition
from lowcloud.store.db import pages
from lowcloud.store.db.pages import Order

LARGEST_BATCH = 1000

Record = TypeVar("Record")

Document = Mapping[str, Any]
Value = str | float | bool | datetime
Read = Callable[[Document], Iterable[Value]]  # the values of one property in a document


class Operator(StrEnum):
    """A comparison of a property with a value."""

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
    """A property compared with a value: text, which is parsed if the property is a number or a time."""

    name: str
    operator: Operator
    value: str  # "" if the operator needs none
    read: Read
    is_maybe_numeric: bool = False  # text of this property that is a number is compared as one

    def admits(self, document: Document) -> bool:
        """Return whether a document passes. Raises InvalidError if the property cannot be compared so."""
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
            return value == self.value or (self.is_maybe_numeric and _same_number(value, self.value))
        return value == self._number()

    def _is_in_order(self, value: Value) -> bool:
        if isinstance(value, bool) or (isinstance(value, str) and not self.is_maybe_numeric):
            raise InvalidError(f"{self.operator} can only be used on numbers and times, and {self.name} is neither.")
        if isinstance(value, datetime):
            return _compare(self.operator, value.timestamp(), parse_time(self.name, self.value).timestamp())
        expected, number = self._number(), to_number(value) if isinstance(value, str) else value
        if number is None:
            return False
        if isinstance(value, str) and to_integer(self.value) is not None:
            number = float(int(number))  # as AWS documents: compared with an integer, it is truncated to one
        return _compare(self.operator, number, expected)

    def _text(self, value: Value) -> str:
        if not isinstance(value, str):
            raise InvalidError(f"{self.operator} can only be used on text, and {self.name} is not text.")
        return value

    def _number(self) -> float:
        number = to_number(self.value)
        if number is None:
            raise InvalidError(f"The value {self.value!r} for {self.name} is not a number.")
        return number


@dataclass(frozen=True)
class Nested:
    """Filters that one and the same element of a list must pass; they read that element."""

    elements: Callable[[Document], Iterable[Document]]
    filters: tuple[Filter, ...]

    def admits(self, document: Document) -> bool:
        """Return whether an element passes all filters."""
        return any(all(one.admits(element) for one in self.filters) for element in self.elements(document))


@dataclass(frozen=True)
class Expression:
    """Conditions, of which all or any must hold."""

    conditions: tuple["Filter | Nested | Expression", ...]
    requires_all: bool = True

    def admits(self, document: Document) -> bool:
        """Return whether a document passes. Raises InvalidError."""
        results = (one.admits(document) for one in self.conditions)
        return all(results) if self.requires_all else any(results)


@dataclass(frozen=True)
class Sort:
    """By a column of the table, or by a property of the documents, which requires reading all of them."""

    by: str | Read
    descending: bool = True


@dataclass(frozen=True)
class Found:
    """A page of documents, and the token of the next page (None: this is the last one)."""

    documents: Sequence[Document]
    next_token: str | None


Documents = Callable[[Sequence[Record]], list[Document]]  # of records, in their order


@dataclass(frozen=True)
class Search(Generic[Record]):
    """An expression, and the kind of resource whose records are searched."""

    kind: ResourceKind[Record]
    documents: Documents[Record]
    sketches: Documents[Record]  # only what the expression and the sort read, since most records are not admitted
    expression: Expression
    where: tuple[Condition, ...] = ()  # what the database can check of the expression; true of all it admits

    def page(self, context: Context, sort: Sort, limit: int, token: str | None) -> Found:
        """Return the admitted documents, at most `limit`. Raises InvalidError and InvalidPageTokenError."""
        try:
            if isinstance(sort.by, str):
                return self._sorted_by_column(context, Order(sort.by, sort.descending), limit, token)
            return self._sorted_by_property(context, sort.by, sort.descending, limit, token)
        except pages.InvalidTokenError as error:
            raise InvalidPageTokenError(str(error)) from error

    def _sorted_by_column(self, context: Context, order: Order, limit: int, token: str | None) -> Found:
        """Read rows until a page is full, so that its cost does not grow with the records after it."""
        found: list[Row[Any]] = []
        size = limit + 1
        while True:
            rows, token = self._read(context, order, size, token)
            found += [row for row, sketch in self._sketched(rows) if self.expression.admits(sketch)]
            if len(found) > limit:
                return Found(self._documents(found[:limit]), pages.token_of(found[limit - 1], order))
            if token is None:
                return Found(self._documents(found), None)
            size = min(size * 2, LARGEST_BATCH)

    def _sorted_by_property(
        self, context: Context, read: Read, descending: bool, limit: int, token: str | None
    ) -> Found:
        begin = 0 if token is None else pages.read_offset(token)
        keys: list[tuple[tuple[int, Any], str]] = []
        missing: list[str] = []
        for row, sketch in self._read_all(context):
            if self.expression.admits(sketch):
                key = _sort_key(read(sketch))
                if key is None:
                    missing.append(row.name)
                else:
                    keys.append((key, row.name))
        names = [name for _, name in sorted(keys, reverse=descending)] + missing  # what lacks the property comes last
        chosen = names[begin : begin + limit]
        with context.database.read() as connection:
            records = resources.find_all(connection, self.kind, chosen)
        documents = self.documents([records[name] for name in chosen if name in records])  # some may be deleted by now
        return Found(documents, pages.offset_token(begin + limit) if len(names) > begin + limit else None)

    def _read_all(self, context: Context) -> Iterator[tuple[Row[Any], Document]]:
        token, order = None, Order("name")
        while True:
            rows, token = self._read(context, order, LARGEST_BATCH, token)
            yield from self._sketched(rows)
            if token is None:
                return

    def _read(
        self, context: Context, order: Order, size: int, token: str | None
    ) -> tuple[Sequence[Row[Any]], str | None]:
        with context.database.read() as connection:
            page = pages.read_page(
                connection, self.kind.table, (*self.kind.conditions, *self.where), order, size, token
            )
        return page.rows, page.next_token

    def _sketched(self, rows: Sequence[Row[Any]]) -> Iterator[tuple[Row[Any], Document]]:
        return zip(rows, self.sketches([self.kind.load(row) for row in rows]), strict=True)

    def _documents(self, rows: Sequence[Row[Any]]) -> list[Document]:
        return self.documents([self.kind.load(row) for row in rows])


def compare(kind: ResourceKind[Any], column: str, operator: Operator, value: str | datetime) -> Condition | None:
    """Return a condition that is true of every row whose column compares so, or None if the database cannot check it.

    Times are compared with a second of tolerance: documents may hold them less precisely than the column.
    """
    compared: ColumnElement[Any] = kind.table.c[column]
    if isinstance(value, datetime):
        seconds = value.timestamp()
        of_time: dict[Operator, Condition] = {
            Operator.GREATER: compared > seconds - 1,
            Operator.GREATER_OR_EQUAL: compared >= seconds - 1,
            Operator.LESS: compared < seconds + 1,
            Operator.LESS_OR_EQUAL: compared <= seconds + 1,
        }
        return of_time.get(operator)
    of_text: dict[Operator, Condition] = {
        Operator.EQUALS: compared == value,
        Operator.CONTAINS: compared.contains(value, autoescape=True),
        Operator.IN: compared.in_(value.split(",")),
    }
    return of_text.get(operator)


def to_number(text: str) -> float | None:
    """Parse a number; None if the text is not one."""
    try:
        return float(text)
    except ValueError:
        return None


def to_integer(text: str) -> int | None:
    """Parse an integer; None if the text is not one."""
    try:
        return int(text)
    except ValueError:
        return None


def parse_time(name: str, text: str) -> datetime:
    """Parse a time: ISO 8601, by default in UTC, or seconds since the epoch. Raises InvalidError."""
    number = to_number(text)
    try:
        if number is not None:
            return datetime.fromtimestamp(number, UTC)
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidError(f"The value {text!r} for {name} is not a time such as 2026-01-31T12:00:00Z.") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def values_at(document: Any, path: Sequence[str]) -> Iterable[Value]:
    """Yield the values at a path of exact names, of every element of the lists on the path."""
    if isinstance(document, list | tuple):
        for element in document:
            yield from values_at(element, path)
    elif not path:
        if document is not None and not (isinstance(document, Mapping) and not document):
            yield str(document) if isinstance(document, Mapping) else document
    elif isinstance(document, Mapping) and document.get(path[0]) is not None:
        yield from values_at(document[path[0]], path[1:])


def _sort_key(values: Iterable[Value]) -> tuple[int, Any] | None:
    """Return a key by which numbers and times sort before text; None without a value."""
    value = next(iter(values), None)
    if value is None:
        return None
    if isinstance(value, datetime):
        return 0, value.timestamp()
    number = to_number(value) if isinstance(value, str) else float(value)
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
    number = to_number(one)
    return number is not None and number == to_number(other)
