"""RecordIO's framing, by Apache MXNet: magic number, length (upper three bits zero for a whole record), bytes, padding.

https://mxnet.apache.org/versions/1.9.1/api/architecture/note_data_loading#data-format
"""

import struct

MAGIC = 0xCED7230A
LENGTH_MASK = (1 << 29) - 1
HEADER = struct.Struct("<II")


def header(length: int) -> bytes:
    """What stands before the bytes of a whole record."""
    if length > LENGTH_MASK:
        raise ValueError(f"A record has at most {LENGTH_MASK} bytes; this one has {length}.")
    return HEADER.pack(MAGIC, length)


def padding(length: int) -> bytes:
    """What follows them, so that the next record begins at a multiple of four."""
    return b"\0" * (-length % 4)


def frame(body: bytes) -> bytes:
    """A record in its frame."""
    return header(len(body)) + body + padding(len(body))
