"""RecordIO-protobuf channels: runs of records of one layout are read as a strided view, others one by one."""

import math
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats import framing, recordio
from lowcloud.runtime.formats.recordio import Malformed, Tensor
from lowcloud.runtime.formats.table import Table

CHUNK_BYTES = 16 << 20
SINGLE_RECORDS = 64  # read one by one before a common layout is looked for again


@dataclass
class _Place:
    """How far a file was read, for messages."""

    name: str
    record: int = 0
    offset: int = 0

    def fault(self, reason: str, remedy: str = "Write the file again.") -> ClientError:
        return ClientError(f"{self.name}, record {self.record + 1} at byte {self.offset}: {reason}. {remedy}")


def read(stream: BinaryIO, name: str, table: Table) -> None:
    """Append a file's records to the table. Raises ClientError naming record and byte offset."""
    place = _Place(name)
    rest = b""
    while piece := stream.read(CHUNK_BYTES):
        data = rest + piece if rest else piece
        rest = data[_read_chunk(memoryview(data), table, place) :]
    if rest:
        try:
            next(recordio.split(memoryview(rest)))
        except Malformed as error:
            raise place.fault(str(error), "Upload the file again, or name the right ContentType.") from None


def _read_chunk(data: memoryview, table: Table, place: _Place) -> int:
    """Append the whole records of a chunk; the number of bytes they took."""
    start = 0
    while (end := _frame_end(data, start)) is not None:
        count, used = _append_run(data[start:], end - start, table, place)
        if not count:
            count, used = _append_single(data[start:], table, place)
        start += used
        place.record += count
        place.offset += used
    return start


def _frame_end(data: memoryview, start: int) -> int | None:
    """Where the record at `start` ends with its padding; None where it is not all there."""
    if start + 8 > len(data):
        return None
    magic, length = struct.unpack_from("<II", data, start)
    if magic != framing.MAGIC or length > framing.LENGTH_MASK:
        return start + 8  # not a record: reading it says so
    end = start + 8 + int(length) + (-length % 4)
    return end if end <= len(data) else None


def _append_run(data: memoryview, stride: int, table: Table, place: _Place) -> tuple[int, int]:
    """Append the leading records that are laid out as the first is: (records, bytes), (0, 0) for no such run."""
    count = len(data) // stride
    if count < 2:
        return 0, 0
    record = _decode(data, place)
    features, label = record.features.get("values"), record.label.get("values")
    if features is None or label is None or not (_is_plain(features) and _is_plain(label) and label.values.size == 1):
        return 0, 0
    rows = np.frombuffer(data[: count * stride], np.uint8).reshape(count, stride)
    fixed = np.ones(stride, bool)
    for tensor in (features, label):
        fixed[8 + tensor.start : 8 + tensor.start + tensor.values.nbytes] = False
    same = (rows[:, fixed] == rows[0, fixed]).all(axis=1)
    count = count if same.all() else int(same.argmin())
    _set_width(table, features.values.size, place)
    table.append(_strided(rows[:count], features), _strided(rows[:count], label)[:, 0], place.name)
    return count, count * stride


def _strided(rows: NDArray[np.uint8], tensor: Tensor) -> NDArray[Any]:
    """The values of one tensor in every row of equally laid out records, without a copy where they are aligned."""
    start = 8 + tensor.start
    return rows[:, start : start + tensor.values.nbytes].view(tensor.values.dtype)


def _is_plain(tensor: Tensor) -> bool:
    """Dense and of fixed width in bytes."""
    return tensor.keys is None and tensor.values.dtype.kind == "f" and tensor.values.size > 0


def _append_single(data: memoryview, table: Table, place: _Place) -> tuple[int, int]:
    """Append up to SINGLE_RECORDS records, decoding each: (records, bytes)."""
    rows: list[NDArray[np.float32]] = []
    labels: list[Any] = []
    used = 0
    at = _Place(place.name, place.record, place.offset)
    while len(rows) < SINGLE_RECORDS and (end := _frame_end(data, used)) is not None:
        record = _decode(data[used:end], at)
        features, label = record.features.get("values"), record.label.get("values")
        if features is None:
            raise at.fault('it has no features named "values"')
        if label is None or label.values.size != 1:
            raise at.fault('it has no single label named "values"', "Give every record one label.")
        width = _dense_length(features)
        _set_width(table, width, at)
        rows.append(_dense(features, table.features.shape[1], at))
        labels.append(label.values[0])
        at.record, at.offset, used = at.record + 1, at.offset + end - used, end
    table.append(np.array(rows), np.array(labels, np.float64), place.name)
    return len(rows), used


def _decode(data: memoryview, place: _Place) -> recordio.Record:
    try:
        start, end = next(recordio.split(data))
        return recordio.decode(data[start:end])
    except Malformed as error:
        raise place.fault(str(error), "Write the file again, or name the right ContentType.") from None


def _dense_length(tensor: Tensor) -> int | None:
    """Features in a row; None where only feature_dim can say."""
    if tensor.keys is None:
        return int(tensor.values.size)
    return math.prod(tensor.shape) if tensor.shape else None


def _set_width(table: Table, width: int | None, place: _Place) -> None:
    name = f"{place.name}, record {place.record + 1} at byte {place.offset}"
    if table.columns is None:
        table.set_width(width, name)
    elif width is not None and width != table.features.shape[1]:
        raise ClientError(
            f"{name} has {width} features where {table.features.shape[1]} were expected. "
            "Give every record the same number of features."
        )


def _dense(tensor: Tensor, width: int, place: _Place) -> NDArray[np.float32]:
    if tensor.keys is None:
        return tensor.values.astype(np.float32)
    row = np.zeros(width, np.float32)
    if tensor.keys.size != tensor.values.size or (tensor.keys.size and int(tensor.keys.max()) >= width):
        raise place.fault(f"its sparse keys must be as many as its values, each below {width}")
    row[tensor.keys] = tensor.values
    return row
