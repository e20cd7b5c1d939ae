"""Byte ranges and parts of objects, and where they are once the object's size and parts are known."""

from collections.abc import Sequence
from dataclasses import dataclass

from lowcloud.core.errors import CloudError


@dataclass(frozen=True)
class ByteRange:
    """A range of bytes from first to last (inclusive; None: to the end). Without a first: the last `last` bytes."""

    first: int | None
    last: int | None


class RangeNotSatisfiableError(CloudError):
    """The requested range is outside the object."""

    def __init__(self, size: int):
        super().__init__(f"The range is outside the object, which has {size} bytes.")
        self.size = size


class UnknownPartError(CloudError):
    """The object has no part with this number."""


def locate_range(byte_range: ByteRange | None, size: int) -> tuple[int, int]:
    """Return offset and length of a range (None: everything) of an object of `size` bytes.

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
    """Return offset and length of a part among parts of (number, size) in order. Raises UnknownPartError."""
    first = 0
    for number, size in sizes:
        if number == part:
            return first, size
        first += size
    raise UnknownPartError(f"The object has no part {part}.")
