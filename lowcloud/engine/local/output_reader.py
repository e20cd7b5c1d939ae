"""Reads what a program left in its folder. All of it is hostile: no link is followed, nothing outside is reached."""

import os
import stat
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from errno import EINVAL, ELOOP, ENOENT, ENOTDIR
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from lowcloud.engine.work import FileEntry

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a named pipe must not hold the reader up
VANISHED = (ENOENT, ENOTDIR, ELOOP)  # it has gone, or something else has taken its name
READ_BYTES = 1024 * 1024
GZIP_WINDOW = 31  # zlib's way to say: deflate with a gzip header
FASTEST = 1
DEPTH_LIMIT = 200  # folders below folders; each costs an open descriptor


def read_beneath(base: Path, path: str, limit_bytes: int) -> bytes | None:
    """The first bytes of the regular file base/path; None where it is missing or reached by a link."""
    with suppress(OSError), _open_file(base, path) as file:
        return file.read(limit_bytes)
    return None


def read(base: Path, path: str) -> Iterator[bytes]:
    """base/path in chunks, up to the size it has now. Raises OSError where it is no regular file, or behind a link."""
    file = _open_file(base, path)

    def chunks() -> Iterator[bytes]:
        with file:
            left = os.fstat(file.fileno()).st_size
            while left and (data := file.read(min(left, READ_BYTES))):
                left -= len(data)
                yield data

    return chunks()


def listing(base: Path, path: str) -> tuple[FileEntry, ...]:
    """The regular files below base/path by name; none where it is missing. What vanishes meanwhile is left out."""
    try:
        descriptor = _open_beneath(base, PurePosixPath(path).parts)
    except OSError as error:
        if error.errno in VANISHED:
            return ()
        raise
    try:
        return tuple(_entries(descriptor, "", DEPTH_LIMIT))
    finally:
        os.close(descriptor)


def archive(bases: Sequence[Path], path: str) -> Iterator[bytes]:
    """The folders `path` of all bases as one tar.gz, each sorted by name, in chunks. Of a name the first base's counts.

    Links are kept as links; devices, pipes and sockets are not. Raises OSError, also where the first has no folder.
    """
    packer = zlib.compressobj(FASTEST, zlib.DEFLATED, GZIP_WINDOW)
    given: set[str] = set()
    for base in bases:
        try:
            descriptor = _open_beneath(base, PurePosixPath(path).parts)
        except OSError as error:
            if base is bases[0] or error.errno not in VANISHED:
                raise
            continue
        try:
            for data in _members(descriptor, "", DEPTH_LIMIT, given):
                if chunk := packer.compress(data):
                    yield chunk
        finally:
            os.close(descriptor)
    yield packer.compress(bytes(2 * tarfile.BLOCKSIZE)) + packer.flush()


def _open_beneath(base: Path, parts: tuple[str, ...]) -> int:
    if ".." in parts or "/" in parts:
        raise OSError(EINVAL, "the path leads out of the replica's folder", "/".join(parts))
    descriptor = os.open(base, FOLDER_FLAGS)
    for part in parts:
        parent = descriptor
        try:
            descriptor = os.open(part, FOLDER_FLAGS, dir_fd=parent)
        finally:
            os.close(parent)
    return descriptor


def _open_file(base: Path, path: str) -> BinaryIO:
    *folders, name = PurePosixPath(path).parts or (".",)
    folder = _open_beneath(base, tuple(folders))
    try:
        file = os.fdopen(os.open(name, FILE_FLAGS, dir_fd=folder), "rb")
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(EINVAL, "it is no regular file", path)
    return file


def _entries(folder: int, prefix: str, depth: int) -> Iterator[FileEntry]:
    """The regular files in an open folder and below."""
    for name in sorted(os.listdir(folder)):
        try:
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
            below = os.open(name, FOLDER_FLAGS, dir_fd=folder) if stat.S_ISDIR(facts.st_mode) else None
        except OSError as error:
            if error.errno in VANISHED:
                continue
            raise
        if below is not None:
            try:
                yield from _entries(below, f"{prefix}{name}/", _one_deeper(depth, prefix))
            finally:
                os.close(below)
        elif stat.S_ISREG(facts.st_mode):
            yield FileEntry(prefix + name, facts.st_size, facts.st_mtime_ns)


def _one_deeper(depth: int, path: str) -> int:
    if depth == 0:
        raise OSError(f"{path[:80]!r}... lies more than {DEPTH_LIMIT} folders deep.")
    return depth - 1


def _members(folder: int, prefix: str, depth: int, given: set[str]) -> Iterator[bytes]:
    """The tar blocks of all that lies in an open folder, but for the names that were `given` before."""
    for name in sorted(os.listdir(folder)):
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        member = tarfile.TarInfo(prefix + name)
        member.mtime = int(facts.st_mtime)
        member.mode = stat.S_IMODE(facts.st_mode) & 0o777
        if stat.S_ISDIR(facts.st_mode):
            yield from _folder_blocks(folder, name, member, depth, given)
        elif member.name in given:
            continue
        elif stat.S_ISREG(facts.st_mode):
            yield from _file_blocks(folder, name, member)
        elif stat.S_ISLNK(facts.st_mode):
            member.type = tarfile.SYMTYPE
            member.linkname = os.readlink(name, dir_fd=folder)
            yield _header(member)
        given.add(member.name)


def _folder_blocks(parent: int, name: str, member: tarfile.TarInfo, depth: int, given: set[str]) -> Iterator[bytes]:
    below = _one_deeper(depth, member.name)
    member.type = tarfile.DIRTYPE
    if member.name not in given:
        given.add(member.name)
        yield _header(member)
    descriptor = os.open(name, FOLDER_FLAGS, dir_fd=parent)
    try:
        yield from _members(descriptor, f"{member.name}/", below, given)
    finally:
        os.close(descriptor)


def _file_blocks(folder: int, name: str, member: tarfile.TarInfo) -> Iterator[bytes]:
    """Header and content; a file that changes its size meanwhile is cut or filled with zeros to the size it had."""
    with os.fdopen(os.open(name, FILE_FLAGS, dir_fd=folder), "rb", buffering=0) as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            return
        member.size = facts.st_size
        yield _header(member)
        left = member.size
        while left:
            data = file.read(min(left, READ_BYTES)) or bytes(min(left, READ_BYTES))
            left -= len(data)
            yield data
    yield bytes(-member.size % tarfile.BLOCKSIZE)


def _header(member: tarfile.TarInfo) -> bytes:
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
