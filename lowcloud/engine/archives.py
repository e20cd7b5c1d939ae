"""Reads a tar.gz as it streams past, whatever it holds: nothing is written, and memory stays small."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

HEADER_BYTES = 1 << 20  # of one member: names and attributes; a real one has hundreds
ALL_HEADERS_BYTES = 256 << 20
READ_BYTES = 1 << 20


class Unreadable(Exception):
    """It is no tar.gz, or one that must not be unpacked. The message is a clause for the user."""


class Members:
    """The members of an archive, in their order; `content` reads the one that was given last."""

    def __init__(self, chunks: Iterator[bytes], limit_bytes: int, limit_members: int):
        """At most `limit_bytes` are unpacked in all, and `limit_members` given."""
        self._plain = _Forward(chunks, limit_bytes)
        self._limit_members = limit_members
        self._archive: tarfile.TarFile

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        """Each member. Raises Unreadable."""
        with _told_clearly():
            self._archive = tarfile.open(fileobj=self._plain, mode="r:")  # noqa: SIM115 - it holds nothing to close
        count = 0
        while (member := self._next()) is not None:
            count += 1
            if count > self._limit_members:
                raise Unreadable(f"it has more than {self._limit_members:,} members")
            yield member
        with _told_clearly():
            self._plain.read_to_end()

    def content(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        """The bytes of a regular file, in chunks. Raises Unreadable."""
        self._plain.allow(member.size)
        with _told_clearly():
            file = self._archive.extractfile(member)
            assert file is not None, "only regular files are asked for"
            while chunk := file.read(READ_BYTES):
                yield chunk

    def _next(self) -> tarfile.TarInfo | None:
        with _told_clearly():
            member = self._archive.next()
        self._archive.members = []  # type: ignore[attr-defined]  # else it would remember them all
        if member is not None and member.sparse is not None:  # a terabyte of nothing in a few bytes
            raise Unreadable(f"its member {member.name!r} is a sparse file")
        return member


@contextmanager
def _told_clearly() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise Unreadable(f"it is not a readable tar.gz archive ({error})") from error


class _Forward(io.RawIOBase):
    """Unpacked chunks as a file that seeks forward alone, and that refuses to be read by the gigabyte."""

    def __init__(self, chunks: Iterator[bytes], limit_bytes: int):
        self._plain = gzip.GzipFile(fileobj=io.BufferedReader(_Chunks(chunks)))
        self._limit = limit_bytes
        self._budget = ALL_HEADERS_BYTES

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._plain.tell()

    def allow(self, size: int) -> None:
        """Let so much more be read: it is content, not headers."""
        self._budget += size

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= HEADER_BYTES:
            raise Unreadable("a header in it is longer than any real one")
        self._budget -= size
        if self._budget < 0:
            raise Unreadable("its headers are longer than any real ones")
        self._check(self.tell() + size)
        return self._plain.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        assert whence == io.SEEK_SET, "tarfile seeks from the beginning"
        self._check(offset)
        while self.tell() < offset:
            if not self._plain.read(min(READ_BYTES, offset - self.tell())):
                break
        return self.tell()

    def read_to_end(self) -> None:
        """What follows the last member holds the checksum of all."""
        while self._plain.read(READ_BYTES):
            self._check(self.tell())

    def _check(self, offset: int) -> None:
        if offset > self._limit:
            raise Unreadable("it unpacks to far more than it holds packed")


class _Chunks(io.RawIOBase):
    """Chunks as a file to read from."""

    def __init__(self, chunks: Iterator[bytes]):
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
