"""Reads the output of a program, which is untrusted: no link is followed, and no path leads out of the folder."""

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
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a named pipe must not block the reader
MISSING_ERRNOS = (ENOENT, ENOTDIR, ELOOP)  # the file was deleted or replaced
READ_BYTES = 1024 * 1024
GZIP_WINDOW = 31  # zlib's value for deflate with a gzip header
FASTEST = 1
DEPTH_LIMIT = 200  # nested folders; each costs an open descriptor


def read_prefix(base: Path, path: str, limit_bytes: int) -> bytes | None:
    """Return the first bytes of the regular file base/path; None if it is missing or reached through a link."""
    with suppress(OSError), _open_file(base, path) as file:
        return file.read(limit_bytes)
    return None


def stream_file(base: Path, path: str) -> Iterator[bytes]:
    """Return the content of base/path in chunks, up to the size it has now.

    Raises OSError if it is not a regular file or is reached through a link.
    """
    file = _open_file(base, path)

    def chunks() -> Iterator[bytes]:
        with file:
            left = os.fstat(file.fileno()).st_size
            while left and (data := file.read(min(left, READ_BYTES))):
                left -= len(data)
                yield data

    return chunks()


def list_files(base: Path, path: str) -> tuple[FileEntry, ...]:
    """Return the regular files below base/path, sorted by name, without those that are deleted in the meantime.

    A missing folder has none.
    """
    try:
        descriptor = _open_folder(base, PurePosixPath(path).parts)
    except OSError as error:
        if error.errno in MISSING_ERRNOS:
            return ()
        raise
    try:
        return tuple(_entries(descriptor, "", DEPTH_LIMIT))
    finally:
        os.close(descriptor)


def archive(bases: Sequence[Path], path: str) -> Iterator[bytes]:
    """Return a tar.gz of the folders `path` of all bases, sorted by name, in chunks.

    Of files with the same name, the first base's is included. Links are archived as links; devices, pipes and sockets
    are omitted. Raises OSError, also if the folder is missing in the first base.
    """
    compressor = zlib.compressobj(FASTEST, zlib.DEFLATED, GZIP_WINDOW)
    archived: set[str] = set()
    for base in bases:
        try:
            descriptor = _open_folder(base, PurePosixPath(path).parts)
        except OSError as error:
            if base is bases[0] or error.errno not in MISSING_ERRNOS:
                raise
            continue
        try:
            for data in _members(descriptor, "", DEPTH_LIMIT, archived):
                if chunk := compressor.compress(data):
                    yield chunk
        finally:
            os.close(descriptor)
    yield compressor.compress(bytes(2 * tarfile.BLOCKSIZE)) + compressor.flush()


def _open_folder(base: Path, parts: tuple[str, ...]) -> int:
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
    folder = _open_folder(base, tuple(folders))
    try:
        file = os.fdopen(os.open(name, FILE_FLAGS, dir_fd=folder), "rb")
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(EINVAL, "not a regular file", path)
    return file


def _entries(folder: int, prefix: str, depth: int) -> Iterator[FileEntry]:
    """Iterate over the regular files of an open folder, recursively."""
    for name in sorted(os.listdir(folder)):
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            below = os.open(name, FOLDER_FLAGS, dir_fd=folder) if stat.S_ISDIR(status.st_mode) else None
        except OSError as error:
            if error.errno in MISSING_ERRNOS:
                continue
            raise
        if below is not None:
            try:
                yield from _entries(below, f"{prefix}{name}/", _one_deeper(depth, prefix))
            finally:
                os.close(below)
        elif stat.S_ISREG(status.st_mode):
            yield FileEntry(prefix + name, status.st_size, status.st_mtime_ns)


def _one_deeper(depth: int, path: str) -> int:
    if depth == 0:
        raise OSError(f"{path[:80]!r}... has more than {DEPTH_LIMIT} nested folders.")
    return depth - 1


def _members(folder: int, prefix: str, depth: int, archived: set[str]) -> Iterator[bytes]:
    """Return the tar blocks of an open folder's content, without the names that were `archived` before."""
    for name in sorted(os.listdir(folder)):
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        member = tarfile.TarInfo(prefix + name)
        member.mtime = int(status.st_mtime)
        member.mode = stat.S_IMODE(status.st_mode) & 0o777
        if stat.S_ISDIR(status.st_mode):
            yield from _folder_blocks(folder, name, member, depth, archived)
        elif member.name in archived:
            continue
        elif stat.S_ISREG(status.st_mode):
            yield from _file_blocks(folder, name, member)
        elif stat.S_ISLNK(status.st_mode):
            member.type = tarfile.SYMTYPE
            member.linkname = os.readlink(name, dir_fd=folder)
            yield _header(member)
        archived.add(member.name)


def _folder_blocks(parent: int, name: str, member: tarfile.TarInfo, depth: int, archived: set[str]) -> Iterator[bytes]:
    below = _one_deeper(depth, member.name)
    member.type = tarfile.DIRTYPE
    if member.name not in archived:
        archived.add(member.name)
        yield _header(member)
    descriptor = os.open(name, FOLDER_FLAGS, dir_fd=parent)
    try:
        yield from _members(descriptor, f"{member.name}/", below, archived)
    finally:
        os.close(descriptor)


def _file_blocks(folder: int, name: str, member: tarfile.TarInfo) -> Iterator[bytes]:
    """Return header and content. If the file's size changes in the meantime, it is cut or padded with zeros."""
    with os.fdopen(os.open(name, FILE_FLAGS, dir_fd=folder), "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return
        member.size = status.st_size
        yield _header(member)
        left = member.size
        while left:
            data = file.read(min(left, READ_BYTES)) or bytes(min(left, READ_BYTES))
            left -= len(data)
            yield data
    yield bytes(-member.size % tarfile.BLOCKSIZE)


def _header(member: tarfile.TarInfo) -> bytes:
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
