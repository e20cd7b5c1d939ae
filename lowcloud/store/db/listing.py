"""Listings in key order with folders: the cost grows with the page, not with the size of the bucket."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, tuple_

FIRST_BATCH = 64
LARGEST_BATCH = 1001


@dataclass(frozen=True)
class Folder:
    """All keys that begin with `prefix`, as one entry of a listing (S3 calls it a common prefix)."""

    prefix: str


def list_with_folders(
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
    """Yield the query's rows whose key (the first column of `order`) begins with `prefix`, sorted by `order`.

    They begin at the key `start`, or come after the position `after`: values of `order`, or of its first columns only.
    After a folder means after everything in it. Rows whose keys share the text between the prefix and the delimiter
    become one Folder. The rows of a folder are skipped by a new index seek, so the cost grows with the entries taken
    from this iterator, not with the rows of the bucket.
    With `hidden`, only the first row of each key is listed, and not if that column is true.
    """
    key, end = order[0], successor(prefix)
    if end is not None:
        query = query.where(key < end)
    query = query.order_by(*order)
    if after is not None and folder_of(after[0], prefix, delimiter) == after[0]:
        next_start = successor(after[0])
        if next_start is None:
            return
        start, after = max(start, next_start), None
    floor = max(start, prefix)
    beyond = key >= floor if after is None or after[0] < floor else _after(order, after)
    size = FIRST_BATCH if delimiter else LARGEST_BATCH
    previous: str | None = None
    while True:
        rows = connection.execute(query.where(beyond).limit(size)).all()
        entries = 0
        skip_to: str | None = ""
        for row in rows:
            name = row._mapping[key]
            if skip_to is None or name < skip_to or (hidden is not None and name == previous):
                continue
            previous = name
            entries += 1
            if hidden is not None and row._mapping[hidden]:
                continue
            folder = folder_of(name, prefix, delimiter)
            if folder is None:
                yield row
            else:
                yield Folder(folder)
                skip_to = successor(folder)
        if len(rows) < size or skip_to is None:
            return
        last = rows[-1]._mapping
        if skip_to > last[key]:
            beyond = key >= skip_to
        else:  # with `hidden`, the other rows of the last key can be skipped
            beyond = _after(order, [last[column] for column in (order if hidden is None else order[:1])])
        # Rows that are skipped were read for nothing; where most rows become entries, larger batches pay off.
        size = min(size * 2, LARGEST_BATCH) if entries * 2 > len(rows) else max(size // 4, 2)


def folder_of(name: str, prefix: str, delimiter: str) -> str | None:
    """Return the folder under which a key is listed, or None if it is listed by itself."""
    if not delimiter:
        return None
    position = name.find(delimiter, len(prefix))
    return None if position < 0 else name[: position + len(delimiter)]


def successor(prefix: str) -> str | None:
    """Return the smallest text greater than every text that begins with `prefix`, or None if there is none."""
    while prefix:
        point = ord(prefix[-1])
        if point < 0x10FFFF:
            following = 0xE000 if point == 0xD7FF else point + 1  # skips the surrogates, which are not characters
            return prefix[:-1] + chr(following)
        prefix = prefix[:-1]
    return None


def _after(order: Sequence[ColumnElement[Any]], position: Sequence[Any]) -> ColumnElement[bool]:
    beyond: ColumnElement[bool] = order[0] > position[0] if len(position) == 1 else tuple_(*order) > tuple_(*position)
    return beyond
