"""Spans: which bytes of an object a reader wants, and which those are once its size and its parts are known."""

from collections.abc import Sequence
from dataclasses import dataclass

from lowcloud.core.errors import CloudError


@dataclass(frozen=True)
class ByteRange:
    """A range of bytes: first to last (inclusive, or to the end); without a first, the last `last` bytes."""

    first: int | None
    last: int | None


class RangeNotSatisfiableError(CloudError):
    """The object has none of the bytes asked for."""

    def __init__(self, size: int):
        super().__init__(f"The object has {size} bytes; the range lies outside.")
        self.size = size


class UnknownPartError(CloudError):
    """The object has no part of this number."""


def locate_range(byte_range: ByteRange | None, size: int) -> tuple[int, int]:
    """Where a span (None: everything) of `size` bytes begins, and how many bytes it has.

    Raises RangeNotSatisfiableError.
    """
    if byte_range is None:
        return 0, size
    if byte_range.first is None:
        length = min(byte_range.last or 0, size)
        first = size - length
    else:
        first = byte_range.first
        length = min(size - 1 if byte_range.last is None else byte_range.last, size - 1) - first + 1
    if length <= 0:
        raise RangeNotSatisfiableError(size)
    return first, length


def locate_part(part: int, sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Where a part begins among parts of (number, size) in order, and its size. Raises UnknownPartError."""
    first = 0
    for number, size in sizes:
        if number == part:
            return first, size
        first += size
    raise UnknownPartError(f"The object has no part {part}.")
