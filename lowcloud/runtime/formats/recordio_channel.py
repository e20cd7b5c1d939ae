"""RecordIO-protobuf channels: runs of records with one layout are read as a strided view, others one by one."""

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
SINGLE_RECORDS = 64  # decoded one by one before a run with one layout is tried again


@dataclass
class _Position:
    """The current position in a file, for messages."""

    name: str
    record: int = 0
    offset: int = 0

    def error(self, reason: str, remedy: str = "Write the file again.") -> ClientError:
        return ClientError(f"{self.name}, record {self.record + 1} at byte {self.offset}: {reason}. {remedy}")


def read(stream: BinaryIO, name: str, table: DenseTable) -> None:
    """Append a file's records to the table. Raises ClientError naming record and byte offset."""
    _read_dense(_blocks(stream), name, table)


def read_either(stream: BinaryIO, name: str, dense: DenseTable, sparse: SparseTable) -> None:
    """Append a file's records to the dense or sparse table, depending on whether its first record has keys.

    In a sparse record, features without a key are missing. Raises ClientError as read does.
    """
    blocks = _blocks(stream)
    first = next(blocks, b"")
    blocks = chain([first], blocks)
    if _is_sparse(first):
        _read_sparse(blocks, name, sparse)
    else:
        _read_dense(blocks, name, dense)


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(CHUNK_BYTES), b"")


def _read_dense(blocks: Iterator[bytes], name: str, table: DenseTable) -> None:
    position = _Position(name)
    rest = b""
    for block in blocks:
        data = rest + block if rest else block
        rest = data[_read_chunk(memoryview(data), table, position) :]
    if rest:
        try:
            next(recordio.split(memoryview(rest)))
        except MalformedRecordError as error:
            raise position.error(str(error), "Upload the file again, or correct the ContentType.") from None


def _read_chunk(data: memoryview, table: DenseTable, position: _Position) -> int:
    """Append the complete records of a chunk; return the number of bytes read."""
    start = 0
    while (end := _frame_end(data, start)) is not None:
        count, used = _append_run(data[start:], end - start, table, position)
        if not count:
            count, used = _append_single(data[start:], table, position)
        start += used
        position.record += count
        position.offset += used
    return start


def _frame_end(data: memoryview, start: int) -> int | None:
    """Return the end of the record at `start` with its padding; None if it is incomplete."""
    if start + 8 > len(data):
        return None
    magic, length = struct.unpack_from("<II", data, start)
    if magic != framing.MAGIC or length > framing.LENGTH_MASK:
        return start + 8  # not a record: decoding it raises the error
    end = start + 8 + int(length) + (-length % 4)
    return end if end <= len(data) else None


def _append_run(data: memoryview, stride: int, table: DenseTable, position: _Position) -> tuple[int, int]:
    """Append the leading records with the layout of the first; return (records, bytes), (0, 0) for no such run."""
    count = len(data) // stride
    if count < 2:
        return 0, 0
    record = _decode(data, position)
    features, label = record.features.get("values"), record.label.get("values")
    if features is None or label is None or not (_is_plain(features) and _is_plain(label) and label.values.size == 1):
        return 0, 0
    rows = np.frombuffer(data[: count * stride], np.uint8).reshape(count, stride)
    fixed = np.ones(stride, bool)
    for tensor in (features, label):
        fixed[8 + tensor.start : 8 + tensor.start + tensor.values.nbytes] = False
    same = (rows[:, fixed] == rows[0, fixed]).all(axis=1)
    count = count if same.all() else int(same.argmin())
    _set_width(table, features.values.size, position)
    table.append(_strided(rows[:count], features), _strided(rows[:count], label)[:, 0], position.name)
    return count, count * stride


def _strided(rows: NDArray[np.uint8], tensor: Tensor) -> NDArray[Any]:
    """Return one tensor's values in all rows of a run, without a copy if they are aligned."""
    start = 8 + tensor.start
    return rows[:, start : start + tensor.values.nbytes].view(tensor.values.dtype)


def _is_plain(tensor: Tensor) -> bool:
    """Return whether a tensor is dense and has a fixed size in bytes."""
    return tensor.keys is None and tensor.values.dtype.kind == "f" and tensor.values.size > 0


def _append_single(data: memoryview, table: DenseTable, position: _Position) -> tuple[int, int]:
    """Append up to SINGLE_RECORDS records, decoding each; return (records, bytes)."""
    rows: list[NDArray[np.float32]] = []
    labels: list[Any] = []
    used = 0
    at = _Position(position.name, position.record, position.offset)
    while len(rows) < SINGLE_RECORDS and (end := _frame_end(data, used)) is not None:
        record = _decode(data[used:end], at)
        features, label = record.features.get("values"), record.label.get("values")
        if features is None:
            raise at.error('it has no features named "values"')
        if label is None or label.values.size != 1:
            raise at.error('it has no single label named "values"', "Give every record one label.")
        width = _dense_length(features)
        _set_width(table, width, at)
        rows.append(_dense(features, table, at))
        labels.append(label.values[0])
        at.record, at.offset, used = at.record + 1, at.offset + end - used, end
    table.append(np.array(rows), np.array(labels, np.float64), position.name)
    return len(rows), used


def _decode(data: memoryview, position: _Position) -> recordio.Record:
    try:
        start, end = next(recordio.split(data))
        return recordio.decode(data[start:end])
    except MalformedRecordError as error:
        raise position.error(str(error), "Write the file again, or correct the ContentType.") from None


def _dense_length(tensor: Tensor) -> int | None:
    """Return the number of features of a row; None if the record does not contain it."""
    if tensor.keys is None:
        return int(tensor.values.size)
    return math.prod(tensor.shape) if tensor.shape else None


def _set_width(table: DenseTable, width: int | None, position: _Position) -> None:
    name = f"{position.name}, record {position.record + 1} at byte {position.offset}"
    if table.columns is None:
        table.set_width(width, name)
    elif width is not None and width != table.features.shape[1]:
        raise ClientError(
            f"{name} has {width} features; {table.features.shape[1]} were expected. "
            "Give every record the same number of features."
        )


def _dense(tensor: Tensor, table: DenseTable, position: _Position) -> NDArray[np.float32]:
    if tensor.keys is None:
        return tensor.values.astype(np.float32)
    width = table.features.shape[1]
    row = np.full(width, 0 if table.empty is None else table.empty, np.float32)
    if tensor.keys.size != tensor.values.size or (tensor.keys.size and int(tensor.keys.max()) >= width):
        raise position.error(f"it must have as many sparse keys as values, each below {width}")
    row[tensor.keys] = tensor.values
    return row


def _is_sparse(start: bytes) -> bool:
    try:
        first, end = next(recordio.split(memoryview(start)))
        tensor = recordio.decode(memoryview(start)[first:end]).features.get("values")
    except (MalformedRecordError, StopIteration):
        return False  # decoding it raises the error
    return tensor is not None and tensor.keys is not None


def _read_sparse(blocks: Iterator[bytes], name: str, table: SparseTable) -> None:
    position = _Position(name)
    rest = b""
    for block in blocks:
        data = memoryview(rest + block)
        start = 0
        records: list[tuple[Tensor, Any]] = []
        while (end := _frame_end(data, start)) is not None:
            records.append(_sparse_record(_decode(data[start:end], position), position))
            position.record, position.offset, start = position.record + 1, position.offset + end - start, end
        if records:
            table.append(_sparse_rows(records), name, max(_dense_length(tensor) or 0 for tensor, _ in records))
        rest = bytes(data[start:])
    if rest:
        raise position.error("the file ends inside it", "Upload the file again.")


def _sparse_record(record: recordio.Record, position: _Position) -> tuple[Tensor, Any]:
    features, label = record.features.get("values"), record.label.get("values")
    if features is None:
        raise position.error('it has no features named "values"')
    if label is None or label.values.size != 1:
        raise position.error('it has no single label named "values"', "Give every record one label.")
    if features.keys is not None and features.keys.size != features.values.size:
        raise position.error("it must have as many sparse keys as values")
    if features.keys is not None and features.keys.size and int(features.keys.max()) >= MAX_COLUMNS:
        raise position.error(f"it has a sparse key of {int(features.keys.max())}")
    return features, label.values[0]


def _sparse_rows(records: list[tuple[Tensor, Any]]) -> SparseRows:
    keys = [np.arange(t.values.size) if t.keys is None else t.keys.astype(np.int64) for t, _ in records]
    return SparseRows(
        counts=np.array([len(part) for part in keys], np.int64),
        indices=np.concatenate(keys),
        values=np.concatenate([tensor.values.astype(np.float64) for tensor, _ in records]),
        labels=np.array([label for _, label in records], np.float64),
    )
