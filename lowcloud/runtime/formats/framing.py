"""RecordIO framing of Apache MXNet: magic number, length (upper three bits zero if not split), bytes, padding.

https://mxnet.apache.org/versions/1.9.1/api/architecture/note_data_loading#data-format
"""

import struct

MAGIC = 0xCED7230A
LENGTH_MASK = (1 << 29) - 1
HEADER = struct.Struct("<II")


def header(length: int) -> bytes:
    """Return the header of a record that is not split."""
    if length > LENGTH_MASK:
        raise ValueError(f"The record has {length} bytes; at most {LENGTH_MASK} are possible.")
    return HEADER.pack(MAGIC, length)


def padding(length: int) -> bytes:
    """Return the padding after a record's bytes, so that the next record begins at a multiple of four."""
    return b"\0" * (-length % 4)


def frame(body: bytes) -> bytes:
    """Return a record with its header and padding."""
    return header(len(body)) + body + padding(len(body))
