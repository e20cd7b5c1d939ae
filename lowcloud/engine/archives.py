"""Reads a tar or tar.gz as it streams past, whatever it holds: nothing is written, and memory and time stay bounded.

Formats: POSIX.1-2001 (ustar, pax) and GNU's long names. Read by hand, since tarfile trusts what a header says: it reads
headers of any size into memory, calls itself for each of them, and goes back where a size is negative.
"""

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

BLOCK_BYTES = 512
READ_BYTES = 1 << 20
EXTENSION_BYTES = 1 << 20  # what precedes one member to tell its name and attributes; a real one has hundreds
EXTENSIONS = 16  # before one member
LONGEST_PATH_BYTES = 4096
DEEPEST_PATH = 100
GZIP_MAGIC = b"\x1f\x8b"
GZIP = 16 + zlib.MAX_WBITS


class UnreadableArchiveError(Exception):
    """It is no tar or tar.gz, or one that must not be unpacked. The message is a clause for the user."""


class EntryType(StrEnum):
    """What a member is; whatever is none of these is refused."""

    FILE = "file"
    FOLDER = "folder"
    SYMBOLIC_LINK = "symbolic link"
    HARD_LINK = "hard link"


KINDS = {
    b"0": EntryType.FILE,
    b"\0": EntryType.FILE,
    b"7": EntryType.FILE,
    b"5": EntryType.FOLDER,
    b"2": EntryType.SYMBOLIC_LINK,
    b"1": EntryType.HARD_LINK,
}
REFUSED = {b"3": "a device", b"4": "a device", b"6": "a pipe", b"S": "a sparse file"}
LONG_NAME, LONG_LINK, PAX, OLD_PAX, GLOBAL_PAX = b"L", b"K", b"x", b"X", b"g"


@dataclass(frozen=True)
class Entry:
    """One member of an archive."""

    name: str
    kind: EntryType
    size: int
    mode: int
    linkname: str


class Members:
    """The members of an archive, in their order; `content` reads the one that was given last."""

    def __init__(self, chunks: Iterator[bytes], limit_bytes: int, limit_members: int):
        """At most `limit_bytes` are unpacked in all, and `limit_members` given."""
        self._plain = _Plain(chunks, limit_bytes)
        self._limit_members = limit_members
        self._left = 0  # of the content of the last member
        self._padding = 0

    def __iter__(self) -> Iterator[Entry]:
        """Each member. Raises UnreadableArchiveError."""
        count = 0
        while (member := self._next()) is not None:
            count += 1
            if count > self._limit_members:
                raise UnreadableArchiveError(f"it has more than {self._limit_members:,} members")
            yield member
        self._plain.read_to_end()

    def content(self, member: Entry) -> Iterator[bytes]:
        """The bytes of a file, in chunks. Raises UnreadableArchiveError."""
        assert member.kind == EntryType.FILE, "only files have content"
        while self._left:
            chunk = self._plain.read(min(READ_BYTES, self._left))
            self._left -= len(chunk)
            yield chunk

    def _next(self) -> Entry | None:
        """The next member; None at the end of the archive."""
        said: dict[str, bytes] = {}
        for _ in range(EXTENSIONS):
            self._plain.skip(self._left + self._padding)
            self._left = self._padding = 0
            block = self._plain.read_block()
            if not block.strip(b"\0"):
                if said:
                    raise UnreadableArchiveError("it ends where a member should follow")
                return None
            _check_sum(block)
            size = _size(block, said)
            kind = block[156:157]
            if kind not in (LONG_NAME, LONG_LINK, PAX, OLD_PAX, GLOBAL_PAX):
                member = _member(block, size, said)
                self._left = member.size
                self._padding = -size % BLOCK_BYTES
                self._plain.check_room(size)
                return member
            if size > EXTENSION_BYTES:
                raise UnreadableArchiveError("a header in it is longer than any real one")
            content = self._plain.read(size)
            self._plain.skip(-size % BLOCK_BYTES)
            said |= _extension(kind, content)
        raise UnreadableArchiveError("a member of it has more headers than any real one")


def _member(block: bytes, size: int, said: dict[str, bytes]) -> Entry:
    name = said.get("path", _name(block))
    flag = block[156:157]
    if flag in REFUSED or any(key.startswith("GNU.sparse.") for key in said):
        raise UnreadableArchiveError(f"its member {_shown(name)} is {REFUSED.get(flag, REFUSED[b'S'])}")
    if flag not in KINDS:
        raise UnreadableArchiveError(f"its member {_shown(name)} is of an unknown kind")
    kind = EntryType.FOLDER if KINDS[flag] == EntryType.FILE and name.endswith(b"/") else KINDS[flag]
    if kind != EntryType.FILE and size:
        raise UnreadableArchiveError(f"its member {_shown(name)} is a {kind} with content")
    link = said.get("linkpath", _until_zero(block[157:257]))
    for path in (name, link):
        if len(path) > LONGEST_PATH_BYTES or path.count(b"/") > DEEPEST_PATH or b"\0" in path:
            raise UnreadableArchiveError(f"its member {_shown(name)} has a path that no file can have")
    return Entry(os.fsdecode(name), kind, size, _number(block[100:108]), os.fsdecode(link))


def _size(block: bytes, said: dict[str, bytes]) -> int:
    """The bytes that follow a header."""
    is_member = block[156:157] not in (LONG_NAME, LONG_LINK, PAX, OLD_PAX, GLOBAL_PAX)
    if block[156:157] == b"1":
        return 0  # as every reader has it: a hard link has none, whatever is said
    if is_member and "size" in said:
        if not said["size"].isdigit() or len(said["size"]) > 20:
            raise UnreadableArchiveError("a size in it is no number")
        return int(said["size"])
    return _number(block[124:136])


def _extension(kind: bytes, content: bytes) -> dict[str, bytes]:
    """What a header says of the member after it."""
    if kind == LONG_NAME:
        return {"path": content.rstrip(b"\0")}
    if kind == LONG_LINK:
        return {"linkpath": content.rstrip(b"\0")}
    return {} if kind == GLOBAL_PAX else dict(_pax_records(content))


def _pax_records(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Records "LENGTH KEY=VALUE\\n", where the length is that of the whole record."""
    at = 0
    while at < len(content) and content[at : at + 1] != b"\0":
        length, space, _ = content[at : at + 21].partition(b" ")
        if not (space and length.isdigit()):
            raise UnreadableArchiveError("a header in it cannot be read")
        record = content[at : at + int(length)]
        key, equals, value = record[len(length) + 1 :].partition(b"=")
        if len(record) != int(length) or not equals or not value.endswith(b"\n"):
            raise UnreadableArchiveError("a header in it cannot be read")
        yield key.decode(errors="replace"), value[:-1]
        at += int(length)


def _name(block: bytes) -> bytes:
    prefix = _until_zero(block[345:500]) if block[257:263] == b"ustar\0" else b""
    name = _until_zero(block[:100])
    return prefix + b"/" + name if prefix else name


def _check_sum(block: bytes) -> None:
    """Writers of old have added up the bytes as signed ones."""
    rest = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(rest)
    if _number(block[148:156]) not in (unsigned, unsigned - 256 * sum(byte > 127 for byte in rest)):
        raise UnreadableArchiveError("it is not a readable tar.gz archive (a header is damaged)")


def _number(field: bytes) -> int:
    """Octal digits, or a number of base 256 that begins with the byte 0x80."""
    if field[0] & 0x80:
        if field[0] != 0x80:
            raise UnreadableArchiveError("a number in it is negative or too large")
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0").partition(b"\0")[0].strip()
    if any(digit not in b"01234567" for digit in digits):
        raise UnreadableArchiveError("it is not a readable tar.gz archive (a header has no numbers)")
    return int(digits or b"0", 8)


def _until_zero(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _shown(name: bytes) -> str:
    return repr(name[:200].decode(errors="replace"))


class _Plain:
    """The unpacked bytes, read forward."""

    def __init__(self, chunks: Iterator[bytes], limit_bytes: int):
        self._chunks = _unpacked(chunks)
        self._rest = b""
        self._read = 0
        self._limit = limit_bytes

    def read(self, size: int) -> bytes:
        """So many bytes. Raises UnreadableArchiveError where there are fewer."""
        data = self._take(size)
        if len(data) < size:
            raise UnreadableArchiveError("it is not a readable tar.gz archive (it ends too early)")
        return data

    def read_block(self) -> bytes:
        """The next header; zeros at the end, which some writers leave out."""
        if self._read == 0:
            return self.read(BLOCK_BYTES)
        return self._take(BLOCK_BYTES).ljust(BLOCK_BYTES, b"\0")

    def skip(self, size: int) -> None:
        while size:
            size -= len(self.read(min(READ_BYTES, size)))

    def read_to_end(self) -> None:
        """What follows the last member holds the checksum of all."""
        while self._take(READ_BYTES):
            pass

    def check_room(self, size: int) -> None:
        if self._read + size > self._limit:
            raise UnreadableArchiveError("it unpacks to far more than it holds packed")

    def _take(self, size: int) -> bytes:
        while len(self._rest) < size and (chunk := next(self._chunks, None)) is not None:
            self._rest += chunk
        data, self._rest = self._rest[:size], self._rest[size:]
        self._read += len(data)
        self.check_room(0)
        return data


def _unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Plain bytes of chunks that are gzip, in one or several members, or not packed at all."""
    start = b""
    while len(start) < len(GZIP_MAGIC) and (chunk := next(chunks, None)) is not None:
        start += chunk
    if not start.startswith(GZIP_MAGIC):
        yield start
        yield from chunks
        return
    member = zlib.decompressobj(GZIP)
    rest = start
    while rest or (rest := next(chunks, b"")):
        if member.eof:
            rest = rest.lstrip(b"\0")  # what fills a block
            member = zlib.decompressobj(GZIP) if rest else member
            continue
        try:
            yield member.decompress(rest, READ_BYTES)
        except zlib.error as error:
            raise UnreadableArchiveError(f"it is not a readable tar.gz archive ({error})") from error
        rest = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise UnreadableArchiveError("it is not a readable tar.gz archive (it ends too early)")
