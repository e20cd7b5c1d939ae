"""RecordIO-protobuf, SageMaker's binary row format: records of features and labels, dense or sparse.

Inside a frame (framing.py) is the protobuf message aialgs.data.Record: map<string, Value>
features = 1 and label = 2; Value holds a Float32Tensor (2), Float64Tensor (3) or Int32Tensor (7), and each tensor has
packed values = 1, keys = 2, shape = 3.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.formats.framing import LENGTH_MASK, MAGIC, frame

TENSORS: dict[int, np.dtype[Any] | None] = {2: np.dtype("<f4"), 3: np.dtype("<f8"), 7: None}  # None: varints


class MalformedRecordError(ValueError):
    """Bytes are not valid RecordIO-protobuf; `offset` is relative to the start of the data."""

    def __init__(self, message: str, offset: int):
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True)
class Tensor:
    """The values of one entry; with keys they are sparse, and shape[-1] is their dense length."""

    values: NDArray[np.generic]
    keys: NDArray[np.uint64] | None
    shape: tuple[int, ...]
    start: int  # offset of the values' first byte in the record, for fixed layouts


@dataclass(frozen=True)
class Record:
    """One row: its tensors by name, usually "values"."""

    features: dict[str, Tensor]
    label: dict[str, Tensor]


def split(data: memoryview, offset: int = 0) -> Iterator[tuple[int, int]]:
    """Return (start, end) of each record's payload.

    Raises MalformedRecordError at the first invalid or truncated one.
    """
    end = len(data)
    while offset < end:
        if offset + 8 > end:
            raise MalformedRecordError("the file ends inside a record's header", offset)
        magic, length = struct.unpack_from("<II", data, offset)
        if magic != MAGIC:
            raise MalformedRecordError("no record starts here (magic number missing)", offset)
        if length > LENGTH_MASK:
            raise MalformedRecordError("a record split into parts is not supported", offset)
        start, stop = offset + 8, offset + 8 + length
        if stop > end:
            raise MalformedRecordError(
                f"the record has a length of {length} bytes, but only {end - start} follow; the file is truncated",
                offset,
            )
        yield start, stop
        offset = stop + (-length % 4)


def decode(payload: memoryview) -> Record:
    """Decode the tensors of one record. Raises MalformedRecordError."""
    features: dict[str, Tensor] = {}
    label: dict[str, Tensor] = {}
    try:
        for number, start, end in _fields(payload, 0, len(payload)):
            if number in (1, 2):
                name, tensor = _entry(payload, start, end)
                (features if number == 1 else label)[name] = tensor
    except (IndexError, struct.error) as error:
        raise MalformedRecordError("the record's protobuf message is truncated", 0) from error
    return Record(features, label)


def encode(features: NDArray[np.float32] | None, label: dict[str, NDArray[np.float32]]) -> bytes:
    """Encode one framed record of dense float32 tensors."""
    body = b"" if features is None else _entry_bytes(1, "values", features)
    return frame(body + b"".join(_entry_bytes(2, name, values) for name, values in label.items()))


def _varint(data: memoryview, offset: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[offset]
        value |= (byte & 0x7F) << shift
        offset += 1
        if byte < 0x80:
            return value, offset
        shift += 7
        if shift > 63:
            raise MalformedRecordError("a number in the protobuf message is longer than ten bytes", offset)


def _fields(data: memoryview, offset: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Return (field number, start, end) of the length-delimited fields of a message; others are skipped."""
    while offset < end:
        tag, offset = _varint(data, offset)
        wire_type = tag & 7
        if wire_type == 2:
            length, start = _varint(data, offset)
            offset = start + length
            if offset > end:
                raise MalformedRecordError("a field of the protobuf message is longer than the message", start)
            yield tag >> 3, start, offset
        elif wire_type == 0:
            _, offset = _varint(data, offset)
        elif wire_type in (1, 5):
            offset += 8 if wire_type == 1 else 4
        else:
            raise MalformedRecordError(f"the protobuf message has a field of unknown type {wire_type}", offset)


def _entry(data: memoryview, start: int, end: int) -> tuple[str, Tensor]:
    """Decode one entry of a map<string, Value>."""
    name, tensor = "", None
    for number, a, b in _fields(data, start, end):
        if number == 1:
            name = bytes(data[a:b]).decode("utf-8", "replace")
        elif number == 2:
            for tensor_type, c, d in _fields(data, a, b):
                if tensor_type not in TENSORS:
                    raise MalformedRecordError("a value is neither a float32, float64 nor int32 tensor", c)
                tensor = _tensor(data, c, d, TENSORS[tensor_type])
    if tensor is None:
        tensor = Tensor(np.empty(0, np.float32), None, (), start)
    return name, tensor


def _tensor(data: memoryview, start: int, end: int, dtype: np.dtype[Any] | None) -> Tensor:
    values: NDArray[np.generic] = np.empty(0, np.float32)
    keys: NDArray[np.uint64] | None = None
    shape: tuple[int, ...] = ()
    at = start
    for number, a, b in _fields(data, start, end):
        if number == 1 and dtype is not None:
            if (b - a) % dtype.itemsize:
                raise MalformedRecordError("a tensor's size is not a multiple of its values' size", a)
            values, at = np.frombuffer(data[a:b], dtype), a
        elif number == 1:
            values, at = np.array(_varints(data, a, b), np.uint64).astype(np.uint32).view(np.int32), a
        elif number == 2:
            keys = np.array(_varints(data, a, b), np.uint64)
            if keys.size and not (keys[1:] > keys[:-1]).all() and np.unique(keys).size < keys.size:
                raise MalformedRecordError("a tensor has a sparse key twice", a)
        elif number == 3:
            shape = tuple(_varints(data, a, b))
    if keys is None and not values.size and shape and 0 not in shape:
        keys = np.empty(0, np.uint64)  # a sparse row of zeros: protobuf omits empty lists
    return Tensor(values, keys, shape, at)


def _varints(data: memoryview, offset: int, end: int) -> list[int]:
    values = []
    while offset < end:
        value, offset = _varint(data, offset)
        values.append(value & 0xFFFFFFFFFFFFFFFF)
    return values


def _delimited(number: int, body: bytes) -> bytes:
    return _varint_bytes(number << 3 | 2) + _varint_bytes(len(body)) + body


def _varint_bytes(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _entry_bytes(number: int, name: str, values: NDArray[np.float32]) -> bytes:
    tensor = _delimited(1, np.ascontiguousarray(values, "<f4").tobytes())
    return _delimited(number, _delimited(1, name.encode()) + _delimited(2, _delimited(2, tensor)))
