"""RecordIO's framing: what is framed is read back by the reader of channels, whatever it holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.runtime.formats import framing, recordio


@given(st.lists(st.binary(max_size=100) | st.just(framing.HEADER.pack(framing.MAGIC, 3) * 2), max_size=20))
def test_records_are_read_back_as_they_were_framed(bodies: list[bytes]) -> None:
    data = b"".join(map(framing.frame, bodies))
    assert [data[start:end] for start, end in recordio.split(memoryview(data))] == bodies
    assert len(data) % 4 == 0


def test_a_record_longer_than_its_length_can_say_is_refused() -> None:
    assert len(framing.header((1 << 29) - 1)) == 8
    with pytest.raises(ValueError, match="at most 536870911 are possible"):
        framing.header(1 << 29)
