"""RecordIO framing: the channel reader reads back framed records of any content."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.runtime.formats import framing, recordio


@given(st.lists(st.binary(max_size=100) | st.just(framing.HEADER.pack(framing.MAGIC, 3) * 2), max_size=20))
def test_records_are_read_back_as_they_were_framed(bodies: list[bytes]) -> None:
    data = b"".join(map(framing.frame, bodies))
    assert [data[start:end] for start, end in recordio.split(memoryview(data))] == bodies
    assert len(data) % 4 == 0


def test_a_record_longer_than_the_length_field_allows_is_refused() -> None:
    assert len(framing.header((1 << 29) - 1)) == 8
    with pytest.raises(ValueError, match="at most 536870911 are possible"):
        framing.header(1 << 29)


def test_a_sparse_tensor_with_a_key_twice_is_refused() -> None:
    tensor = b"\x0a\x08" + struct.pack("<2f", 1, 2) + b"\x12\x02\x05\x05\x1a\x01\x09"  # values, keys 5 and 5, shape 9
    value = b"\x12" + bytes([len(tensor)]) + tensor
    entry = b"\x0a\x06values\x12" + bytes([len(value)]) + value
    record = b"\x0a" + bytes([len(entry)]) + entry
    with pytest.raises(recordio.MalformedRecordError, match="a tensor has a sparse key twice"):
        recordio.decode(memoryview(record))
    unsorted = recordio.decode(memoryview(record.replace(b"\x12\x02\x05\x05", b"\x12\x02\x05\x04")))
    assert unsorted.features["values"].keys.tolist() == [5, 4]  # type: ignore[union-attr]
