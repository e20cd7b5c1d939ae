"""Lays what a replica starts with into its folder: small files, inputs and unpacked archives."""

import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any

from lowcloud import contract
from lowcloud.engine import Fetch, Input, Replica, StagingFailed
from lowcloud.engine.replica import Owner

EMPTY_FOLDERS = (  # programs expect them to be there
    contract.DATA,
    contract.MODEL,
    contract.OUTPUT_DATA,
    contract.OUTPUT_INTERMEDIATE,
    contract.CHECKPOINTS,
)
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
COPY_BYTES = 1024 * 1024
ARCHIVE_MEMBERS = 1_000_000
ARCHIVE_RATIO = 200  # unpacked bytes for each packed one; real models stay below 20
ARCHIVE_ALLOWANCE_BYTES = 1 << 30


def lay(replica: Replica, base: Path, fetch: Fetch, owner: Owner) -> None:
    """Fill the new folder `base`; all in it belongs to `owner`. Raises StagingFailed."""
    folder = _Folder(base, owner)
    for path in (*EMPTY_FOLDERS, *replica.folders):
        folder.make(path)
    for path, text in replica.files.items():
        folder.write(path, iter((text.encode(),)))
    for item in replica.inputs:
        with _failing_clearly(item.path):
            chunks = fetch(item.source)
        size = folder.write(item.path, chunks)
        if size != item.size_bytes:
            raise StagingFailed(f"{item.source} gave {size} bytes where {item.size_bytes} were expected.")
    for lazy in replica.lazy_folders:
        folder.make(lazy.path)
    for stream in replica.streams:
        folder.make(str(PurePosixPath(stream.path).parent))
    for item in replica.archives:
        _unpack(item, folder, fetch)


class _Folder:
    """A folder that is written to by relative paths, none of which can lead out of it, through links or otherwise."""

    def __init__(self, root: Path, owner: Owner):
        self.root = root
        self.owner = owner

    def write(self, path: str, chunks: Iterator[bytes]) -> int:
        """Write a new file; returns its size."""
        parts = _parts(path)
        size = 0
        with _failing_clearly(path), self._opened(parts[:-1]) as folder:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(parts[-1], flags, 0o644, dir_fd=folder), "wb") as file:
                os.fchown(file.fileno(), self.owner.uid, self.owner.gid)
                for chunk in chunks:
                    size += file.write(chunk)
        return size

    def make(self, path: str) -> None:
        """Make a folder and those above it."""
        with _failing_clearly(path), self._opened(_parts(path)):
            pass

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link."""
        parts = _parts(path)
        with _failing_clearly(path), self._opened(parts[:-1]) as folder:
            os.symlink(target, parts[-1], dir_fd=folder)
            os.chown(parts[-1], self.owner.uid, self.owner.gid, dir_fd=folder, follow_symlinks=False)

    def set_executable(self, path: str) -> None:
        """Let a file of this folder be run."""
        parts = _parts(path)
        with _failing_clearly(path), self._opened(parts[:-1]) as folder:
            descriptor = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
            os.fchmod(descriptor, 0o755)
            os.close(descriptor)

    @contextmanager
    def _opened(self, parts: tuple[str, ...]) -> Iterator[int]:
        descriptor = os.open(self.root, FOLDER_FLAGS)
        try:
            for part in parts:
                below = self._step(descriptor, part)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)

    def _step(self, parent: int, name: str) -> int:
        with suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=parent)
            os.chown(name, self.owner.uid, self.owner.gid, dir_fd=parent, follow_symlinks=False)
        return os.open(name, FOLDER_FLAGS, dir_fd=parent)


def _parts(path: str) -> tuple[str, ...]:
    """The names along a relative path. Raises StagingFailed for one that leads elsewhere or cannot be a file's."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or not parts or ".." in parts or "\0" in path:
        raise StagingFailed(f"{path!r} cannot be the path of a file in a replica's folder.")
    return parts


@contextmanager
def _failing_clearly(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StagingFailed(
            f"{path!r} could not be laid into the replica's folder: {error.strerror or error}."
        ) from error


def _unpack(item: Input, folder: _Folder, fetch: Fetch) -> None:
    folder.make(item.path)
    limit = ARCHIVE_ALLOWANCE_BYTES + ARCHIVE_RATIO * item.size_bytes
    try:
        packed = io.BufferedReader(_Chunks(fetch(item.source)))
        with gzip.GzipFile(fileobj=packed) as plain, tarfile.open(fileobj=plain, mode="r|") as archive:
            for count, member in enumerate(archive):
                if member.offset + member.size > limit or count >= ARCHIVE_MEMBERS:
                    raise StagingFailed(f"{item.source} unpacks to far more than it holds packed; it was not unpacked.")
                _lay_member(archive, member, item.path, folder)
            while plain.tell() <= limit and plain.read(COPY_BYTES):
                pass  # what follows the last member holds the checksum of all
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise StagingFailed(f"{item.source} is not a readable tar.gz archive: {error}.") from error


def _lay_member(archive: tarfile.TarFile, member: tarfile.TarInfo, within: str, folder: _Folder) -> None:
    if member.name.startswith("/"):
        raise StagingFailed(f"The archive member {member.name!r} is an absolute path.")
    path = f"{within}/{member.name}"
    if member.isdir():
        folder.make(path)
    elif member.issym():
        _refuse_link_out(member)
        folder.link(path, member.linkname)
    elif member.isreg():
        content = archive.extractfile(member)
        assert content is not None
        folder.write(path, iter(lambda: content.read(COPY_BYTES), b""))
        if member.mode & 0o100:
            folder.set_executable(path)
    else:
        raise StagingFailed(f"The archive member {member.name!r} is neither a file, a folder nor a symbolic link.")


def _refuse_link_out(member: tarfile.TarInfo) -> None:
    """Let a link climb at its beginning alone, and no higher than its archive: then no chain of links leads out."""
    target = PurePosixPath(member.linkname).parts
    climbs = len(list(takewhile(lambda part: part == "..", target)))
    depth = len(PurePosixPath(member.name).parts) - 1
    if member.linkname.startswith("/") or climbs > depth or ".." in target[climbs:]:
        raise StagingFailed(f"The archive member {member.name!r} links to {member.linkname!r}, outside of the archive.")


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
