"""Reads an untrusted tar or tar.gz stream with bounded memory and time.

Formats: POSIX.1-2001 (ustar, pax) and GNU's long names. The tarfile module is not used because it trusts headers: it
reads headers of any size into memory, recurses for each of them, and seeks backwards if a size is negative.
"""

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

BLOCK_BYTES = 512
READ_BYTES = 1 << 20
EXTENSION_BYTES = 1 << 20  # of one extended header; real ones have hundreds of bytes
EXTENSIONS_PER_MEMBER = 16
LONGEST_PATH_BYTES = 4096
DEEPEST_PATH = 100
GZIP_MAGIC = b"\x1f\x8b"
OTHER_FORMATS = {b"PK\x03\x04": "a zip file", b"BZh": "compressed with bzip2", b"\xfd7zXZ": "compressed with xz"}
MAGIC_BYTES = max(map(len, OTHER_FORMATS))
GZIP = 16 + zlib.MAX_WBITS


class UnreadableArchiveError(Exception):
    """The archive is not a valid tar or tar.gz, or must not be unpacked. The message is a clause for the user."""


class MemberType(StrEnum):
    """The supported types of members; all others are refused."""

    FILE = "file"
    FOLDER = "folder"
    SYMBOLIC_LINK = "symbolic link"
    HARD_LINK = "hard link"


MEMBER_TYPES = {
    b"0": MemberType.FILE,
    b"\0": MemberType.FILE,
    b"7": MemberType.FILE,
    b"5": MemberType.FOLDER,
    b"2": MemberType.SYMBOLIC_LINK,
    b"1": MemberType.HARD_LINK,
}
REFUSED = {b"3": "a device", b"4": "a device", b"6": "a pipe", b"S": "a sparse file"}
LONG_NAME, LONG_LINK, PAX, OLD_PAX, GLOBAL_PAX = b"L", b"K", b"x", b"X", b"g"


@dataclass(frozen=True)
class Member:
    """One member of an archive."""

    name: str
    type: MemberType
    size: int
    mode: int
    linkname: str


class Members:
    """Iterates over the members of an archive in order; `content` reads the current one."""

    def __init__(self, chunks: Iterator[bytes], limit_bytes: int, limit_members: int):
        """Limit the archive to `limit_bytes` of uncompressed data and `limit_members` members."""
        self._data = _UncompressedStream(chunks, limit_bytes)
        self._limit_members = limit_members
        self._left = 0  # unread bytes of the current member
        self._padding = 0

    def __iter__(self) -> Iterator[Member]:
        """Iterate over the members. Raises UnreadableArchiveError."""
        count = 0
        while (member := self._next()) is not None:
            count += 1
            if count > self._limit_members:
                raise UnreadableArchiveError(f"it has more than {self._limit_members:,} members")
            yield member
        self._data.read_to_end()

    def content(self, member: Member) -> Iterator[bytes]:
        """Return the content of a file, in chunks. Raises UnreadableArchiveError."""
        assert member.type == MemberType.FILE, "only files have content"
        while self._left:
            chunk = self._data.read(min(READ_BYTES, self._left))
            self._left -= len(chunk)
            yield chunk

    def _next(self) -> Member | None:
        """Read the next member; None at the end of the archive."""
        extended: dict[str, bytes] = {}
        for _ in range(EXTENSIONS_PER_MEMBER):
            self._data.skip(self._left + self._padding)
            self._left = self._padding = 0
            block = self._data.read_block()
            if not block.strip(b"\0"):
                if extended:
                    raise UnreadableArchiveError("it ends after an extended header")
                return None
            _verify_checksum(block)
            size = _size(block, extended)
            flag = block[156:157]
            if flag not in (LONG_NAME, LONG_LINK, PAX, OLD_PAX, GLOBAL_PAX):
                member = _member(block, size, extended)
                self._left = member.size
                self._padding = -size % BLOCK_BYTES
                self._data.check_limit(size)
                return member
            if size > EXTENSION_BYTES:
                raise UnreadableArchiveError(f"it has an extended header of more than {EXTENSION_BYTES:,} bytes")
            content = self._data.read(size)
            self._data.skip(-size % BLOCK_BYTES)
            extended |= _extension(flag, content)
        raise UnreadableArchiveError(f"it has a member with more than {EXTENSIONS_PER_MEMBER} extended headers")


def _member(block: bytes, size: int, extended: dict[str, bytes]) -> Member:
    name = extended.get("path", _name(block))
    flag = block[156:157]
    if flag in REFUSED or any(key.startswith("GNU.sparse.") for key in extended):
        raise UnreadableArchiveError(f"its member {_quoted(name)} is {REFUSED.get(flag, REFUSED[b'S'])}")
    if flag not in MEMBER_TYPES:
        raise UnreadableArchiveError(f"its member {_quoted(name)} has an unknown type")
    member_type = (
        MemberType.FOLDER if MEMBER_TYPES[flag] == MemberType.FILE and name.endswith(b"/") else MEMBER_TYPES[flag]
    )
    if member_type != MemberType.FILE and size:
        raise UnreadableArchiveError(f"its member {_quoted(name)} is a {member_type} with content")
    link = extended.get("linkpath", _until_zero(block[157:257]))
    for path in (name, link):
        if len(path) > LONGEST_PATH_BYTES or path.count(b"/") > DEEPEST_PATH or b"\0" in path:
            raise UnreadableArchiveError(f"its member {_quoted(name)} has an invalid path")
    return Member(os.fsdecode(name), member_type, size, _number(block[100:108]), os.fsdecode(link))


def _size(block: bytes, extended: dict[str, bytes]) -> int:
    """Return the number of bytes that follow a header."""
    is_member = block[156:157] not in (LONG_NAME, LONG_LINK, PAX, OLD_PAX, GLOBAL_PAX)
    if block[156:157] == b"1":
        return 0  # as in all readers: a hard link has no content, whatever its size field contains
    if is_member and "size" in extended:
        if not extended["size"].isdigit() or len(extended["size"]) > 20:
            raise UnreadableArchiveError("it has a size that is not a number")
        return int(extended["size"])
    return _number(block[124:136])


def _extension(flag: bytes, content: bytes) -> dict[str, bytes]:
    """Return the attributes in an extended header, which apply to the following member."""
    if flag == LONG_NAME:
        return {"path": content.rstrip(b"\0")}
    if flag == LONG_LINK:
        return {"linkpath": content.rstrip(b"\0")}
    return {} if flag == GLOBAL_PAX else dict(_pax_records(content))


def _pax_records(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Parse records "LENGTH KEY=VALUE\\n", where LENGTH includes the whole record."""
    at = 0
    while at < len(content) and content[at : at + 1] != b"\0":
        length, space, _ = content[at : at + 21].partition(b" ")
        if not (space and length.isdigit()):
            raise UnreadableArchiveError("it has a damaged pax header")
        record = content[at : at + int(length)]
        key, equals, value = record[len(length) + 1 :].partition(b"=")
        if len(record) != int(length) or not equals or not value.endswith(b"\n"):
            raise UnreadableArchiveError("it has a damaged pax header")
        yield key.decode(errors="replace"), value[:-1]
        at += int(length)


def _name(block: bytes) -> bytes:
    prefix = _until_zero(block[345:500]) if block[257:263] == b"ustar\0" else b""
    name = _until_zero(block[:100])
    return prefix + b"/" + name if prefix else name


def _verify_checksum(block: bytes) -> None:
    """Compare the checksum with the sum of unsigned or, as old writers compute it, signed bytes."""
    rest = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(rest)
    if _number(block[148:156]) not in (unsigned, unsigned - 256 * sum(byte > 127 for byte in rest)):
        raise UnreadableArchiveError("it is not a readable tar.gz archive (a header is damaged)")


def _number(field: bytes) -> int:
    """Parse octal digits, or a base-256 number that begins with the byte 0x80."""
    if field[0] & 0x80:
        if field[0] != 0x80:
            raise UnreadableArchiveError("it has a header with a negative or too large number")
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0").partition(b"\0")[0].strip()
    if any(digit not in b"01234567" for digit in digits):
        raise UnreadableArchiveError("it is not a readable tar.gz archive (a numeric header field is invalid)")
    return int(digits or b"0", 8)


def _until_zero(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _quoted(name: bytes) -> str:
    return repr(name[:200].decode(errors="replace"))


class _UncompressedStream:
    """Reads the uncompressed archive sequentially."""

    def __init__(self, chunks: Iterator[bytes], limit_bytes: int):
        self._chunks = _decompress(chunks)
        self._rest = b""
        self._read = 0
        self._limit = limit_bytes

    def read(self, size: int) -> bytes:
        """Read exactly `size` bytes. Raises UnreadableArchiveError if fewer are left."""
        data = self._take(size)
        if len(data) < size:
            raise UnreadableArchiveError("it is not a readable tar.gz archive (it ends too early)")
        return data

    def read_block(self) -> bytes:
        """Read the next header; zeros at the end, where some writers omit the final blocks."""
        if self._read == 0:
            return self.read(BLOCK_BYTES)
        return self._take(BLOCK_BYTES).ljust(BLOCK_BYTES, b"\0")

    def skip(self, size: int) -> None:
        while size:
            size -= len(self.read(min(READ_BYTES, size)))

    def read_to_end(self) -> None:
        """Read what follows the last member, so that gzip's checksum is verified."""
        while self._take(READ_BYTES):
            pass

    def check_limit(self, size: int) -> None:
        if self._read + size > self._limit:
            raise UnreadableArchiveError(f"it unpacks to more than the limit of {self._limit:,} bytes")

    def _take(self, size: int) -> bytes:
        while len(self._rest) < size and (chunk := next(self._chunks, None)) is not None:
            self._rest += chunk
        data, self._rest = self._rest[:size], self._rest[size:]
        self._read += len(data)
        self.check_limit(0)
        return data


def _decompress(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress gzip data of one or several members; pass other data through."""
    start = b""
    while len(start) < MAGIC_BYTES and (chunk := next(chunks, None)) is not None:
        start += chunk
    for magic, description in OTHER_FORMATS.items():
        if start.startswith(magic):
            raise UnreadableArchiveError(f"it is {description}; pack it as a tar.gz archive, with tar -czf")
    if not start.startswith(GZIP_MAGIC):
        yield start
        yield from chunks
        return
    member = zlib.decompressobj(GZIP)
    rest = start
    while rest or (rest := next(chunks, b"")):
        if member.eof:
            rest = rest.lstrip(b"\0")  # zero padding after a member
            member = zlib.decompressobj(GZIP) if rest else member
            continue
        try:
            yield member.decompress(rest, READ_BYTES)
        except zlib.error as error:
            raise UnreadableArchiveError(f"it is not a readable tar.gz archive ({error})") from error
        rest = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise UnreadableArchiveError("it is not a readable tar.gz archive (it ends too early)")
