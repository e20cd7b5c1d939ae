"""Rows in key order with folders folded: listings of buckets, at a cost that does not grow with the bucket."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, tuple_

FIRST_BATCH = 64
LARGEST_BATCH = 1001


@dataclass(frozen=True)
class Folder:
    """All keys that begin with `prefix`, told as one entry."""

    prefix: str


def folded(
    connection: Connection,
    query: Select[Any],
    order: Sequence[ColumnElement[Any]],
    *,
    start: str = "",
    after: Sequence[Any] | None = None,
    prefix: str = "",
    delimiter: str = "",
    hidden: ColumnElement[bool] | None = None,
) -> Iterator[Row[Any] | Folder]:
    """The query's rows whose key (the first of `order`) begins with `prefix`, sorted by `order`.

    They begin at the key `start`, or come after the position `after`: values of `order`, or of its first columns alone.
    After a folder means after everything in it. Rows whose keys share what follows the prefix up
    to the delimiter become one Folder. A folder's rows are leapt over by a new seek, so that the cost grows with the
    entries taken from this iterator, not with the rows of the bucket.
    With `hidden` only the first row of each key counts, and it does not where that column is true.
    """
    key, end = order[0], successor(prefix)
    if end is not None:
        query = query.where(key < end)
    query = query.order_by(*order)
    if after is not None and folder_of(after[0], prefix, delimiter) == after[0]:
        left_behind = successor(after[0])
        if left_behind is None:
            return
        start, after = max(start, left_behind), None
    floor = max(start, prefix)
    beyond = key >= floor if after is None or after[0] < floor else _after(order, after)
    size = FIRST_BATCH if delimiter else LARGEST_BATCH
    told: str | None = None
    while True:
        rows = connection.execute(query.where(beyond).limit(size)).all()
        entries = 0
        leap: str | None = ""
        for row in rows:
            name = row._mapping[key]
            if leap is None or name < leap or (hidden is not None and name == told):
                continue
            told = name
            entries += 1
            if hidden is not None and row._mapping[hidden]:
                continue
            folder = folder_of(name, prefix, delimiter)
            if folder is None:
                yield row
            else:
                yield Folder(folder)
                leap = successor(folder)
        if len(rows) < size or leap is None:
            return
        last = rows[-1]._mapping
        if leap > last[key]:
            beyond = key >= leap
        else:  # where only first rows count, the others of the last key may be left out
            beyond = _after(order, [last[column] for column in (order if hidden is None else order[:1])])
        # Batches of mostly leapt-over rows are read in vain; batches of entries are worth enlarging.
        size = min(size * 2, LARGEST_BATCH) if entries * 2 > len(rows) else max(size // 4, 2)


def folder_of(name: str, prefix: str, delimiter: str) -> str | None:
    """The folder a key is told under, or None where it is told by itself."""
    if not delimiter:
        return None
    position = name.find(delimiter, len(prefix))
    return None if position < 0 else name[: position + len(delimiter)]


def successor(prefix: str) -> str | None:
    """The least text greater than every text that begins with `prefix`, or None where there is none."""
    while prefix:
        point = ord(prefix[-1])
        if point < 0x10FFFF:
            return prefix[:-1] + chr(0xE000 if point == 0xD7FF else point + 1)  # surrogates are no characters
        prefix = prefix[:-1]
    return None


def _after(order: Sequence[ColumnElement[Any]], position: Sequence[Any]) -> ColumnElement[bool]:
    beyond: ColumnElement[bool] = order[0] > position[0] if len(position) == 1 else tuple_(*order) > tuple_(*position)
    return beyond
