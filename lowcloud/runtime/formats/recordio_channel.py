"""RecordIO-protobuf channels: runs of records of one layout are read as a strided view, others one by one."""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats import framing, recordio
from lowcloud.runtime.formats.recordio import MalformedRecordError, Tensor
from lowcloud.runtime.formats.sparse import SparseRows, SparseTable
from lowcloud.runtime.formats.table import DenseTable

CHUNK_BYTES = 16 << 20
MAX_COLUMNS = 2**31 - 1
SINGLE_RECORDS = 64  # read one by one before a common layout is looked for again


@dataclass
class _Place:
    """How far a file was read, for messages."""

    name: str
    record: int = 0
    offset: int = 0

    def fault(self, reason: str, remedy: str = "Write the file again.") -> ClientError:
        return ClientError(f"{self.name}, record {self.record + 1} at byte {self.offset}: {reason}. {remedy}")


def read(stream: BinaryIO, name: str, table: DenseTable) -> None:
    """Append a file's records to the table. Raises ClientError naming record and byte offset."""
    _read_dense(_pieces(stream), name, table)


def read_either(stream: BinaryIO, name: str, dense: DenseTable, sparse: SparseTable) -> None:
    """Append a file's records to the table that suits its first one: sparse ones have keys beside their values.

    In a sparse record what has no key is missing. Raises ClientError as read does.
    """
    pieces = _pieces(stream)
    first = next(pieces, b"")
    pieces = chain([first], pieces)
    if _is_sparse(first):
        _read_sparse(pieces, name, sparse)
    else:
        _read_dense(pieces, name, dense)


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(CHUNK_BYTES), b"")


def _read_dense(pieces: Iterator[bytes], name: str, table: DenseTable) -> None:
    place = _Place(name)
    rest = b""
    for piece in pieces:
        data = rest + piece if rest else piece
        rest = data[_read_chunk(memoryview(data), table, place) :]
    if rest:
        try:
            next(recordio.split(memoryview(rest)))
        except MalformedRecordError as error:
            raise place.fault(str(error), "Upload the file again, or name the right ContentType.") from None


def _read_chunk(data: memoryview, table: DenseTable, place: _Place) -> int:
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


def _append_run(data: memoryview, stride: int, table: DenseTable, place: _Place) -> tuple[int, int]:
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


def _append_single(data: memoryview, table: DenseTable, place: _Place) -> tuple[int, int]:
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
    except MalformedRecordError as error:
        raise place.fault(str(error), "Write the file again, or name the right ContentType.") from None


def _dense_length(tensor: Tensor) -> int | None:
    """Features in a row; None where only feature_dim can say."""
    if tensor.keys is None:
        return int(tensor.values.size)
    return math.prod(tensor.shape) if tensor.shape else None


def _set_width(table: DenseTable, width: int | None, place: _Place) -> None:
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


def _is_sparse(start: bytes) -> bool:
    try:
        first, end = next(recordio.split(memoryview(start)))
        tensor = recordio.decode(memoryview(start)[first:end]).features.get("values")
    except (MalformedRecordError, StopIteration):
        return False  # reading it says what is wrong
    return tensor is not None and tensor.keys is not None


def _read_sparse(pieces: Iterator[bytes], name: str, table: SparseTable) -> None:
    place = _Place(name)
    rest = b""
    for piece in pieces:
        data = memoryview(rest + piece)
        start = 0
        records: list[tuple[Tensor, Any]] = []
        while (end := _frame_end(data, start)) is not None:
            records.append(_sparse_record(_decode(data[start:end], place), place))
            place.record, place.offset, start = place.record + 1, place.offset + end - start, end
        if records:
            table.append(_sparse_rows(records), name, max(_dense_length(tensor) or 0 for tensor, _ in records))
        rest = bytes(data[start:])
    if rest:
        raise place.fault("the file ends inside it", "Upload the file again.")


def _sparse_record(record: recordio.Record, place: _Place) -> tuple[Tensor, Any]:
    features, label = record.features.get("values"), record.label.get("values")
    if features is None:
        raise place.fault('it has no features named "values"')
    if label is None or label.values.size != 1:
        raise place.fault('it has no single label named "values"', "Give every record one label.")
    if features.keys is not None and features.keys.size != features.values.size:
        raise place.fault("its sparse keys must be as many as its values")
    if features.keys is not None and features.keys.size and int(features.keys.max()) >= MAX_COLUMNS:
        raise place.fault(f"it has a sparse key of {int(features.keys.max())}")
    return features, label.values[0]


def _sparse_rows(records: list[tuple[Tensor, Any]]) -> SparseRows:
    keys = [np.arange(t.values.size) if t.keys is None else t.keys.astype(np.int64) for t, _ in records]
    return SparseRows(
        counts=np.array([len(part) for part in keys], np.int64),
        indices=np.concatenate(keys),
        values=np.concatenate([tensor.values.astype(np.float64) for tensor, _ in records]),
        labels=np.array([label for _, label in records], np.float64),
    )
