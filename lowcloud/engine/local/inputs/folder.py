"""Fills a folder by relative paths that cannot lead out of it, neither through links nor otherwise."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from lowcloud.engine.local.replica import Owner
from lowcloud.engine.work import StagingError

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """Fills a folder that nothing else writes to; its files belong to `owner`. To be used by one thread and closed."""

    def __init__(self, root: Path, owner: Owner):
        self.owner = owner
        self._root = os.open(root, FOLDER_FLAGS)
        self._last: tuple[tuple[str, ...], int] = ((), self._root)  # kept open: files mostly come folder by folder

    def close(self) -> None:
        """Close the open descriptors."""
        self._close_last()
        os.close(self._root)

    def write(self, path: str, chunks: Iterator[bytes], mode: int = 0o644) -> int:
        """Write a new file and return its size."""
        parts = parse_path(path)
        size = 0
        with translate_os_errors(path):
            descriptor = os.open(parts[-1], FILE_FLAGS, mode, dir_fd=self._open(parts[:-1]))
            try:
                os.fchown(descriptor, self.owner.uid, self.owner.gid)
                for chunk in chunks:
                    size += _write(descriptor, chunk)
            finally:
                os.close(descriptor)
        return size

    def create(self, path: str) -> None:
        """Create a folder and its parents."""
        with translate_os_errors(path):
            self._open(parse_path(path))

    def link(self, path: str, target: str) -> None:
        """Create a symbolic link."""
        parts = parse_path(path)
        with translate_os_errors(path):
            folder = self._open(parts[:-1])
            os.symlink(target, parts[-1], dir_fd=folder)
            os.chown(parts[-1], self.owner.uid, self.owner.gid, dir_fd=folder, follow_symlinks=False)

    def hard_link(self, path: str, target: str) -> None:
        """Create a hard link to a file of this folder."""
        old, new = parse_path(target), parse_path(path)
        with translate_os_errors(path):
            source = os.dup(self._open(old[:-1]))
            try:
                folder = self._open(new[:-1])
                os.link(old[-1], new[-1], src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
            finally:
                os.close(source)

    def _open(self, parts: tuple[str, ...]) -> int:
        """Open a folder, creating it if it is missing; the descriptor is valid until the next call."""
        if parts != self._last[0]:
            self._close_last()
            descriptor = os.dup(self._root)
            try:
                for part in parts:
                    below = self._step(descriptor, part)
                    os.close(descriptor)
                    descriptor = below
            except BaseException:
                os.close(descriptor)
                raise
            self._last = (parts, descriptor)
        return self._last[1]

    def _step(self, parent: int, name: str) -> int:
        with suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=parent)
            os.chown(name, self.owner.uid, self.owner.gid, dir_fd=parent, follow_symlinks=False)
        return os.open(name, FOLDER_FLAGS, dir_fd=parent)

    def _close_last(self) -> None:
        if self._last[1] != self._root:
            os.close(self._last[1])
            self._last = ((), self._root)


@contextmanager
def opened(root: Path, owner: Owner) -> Iterator[Folder]:
    """Open a folder to fill."""
    folder = Folder(root, owner)
    try:
        yield folder
    finally:
        folder.close()


def parse_path(path: str) -> tuple[str, ...]:
    """Return the names along a relative path. Raises StagingError if it leads elsewhere or is not a valid path."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or not parts or ".." in parts or "\0" in path:
        raise StagingError(f"{path!r} is not a valid path of a file in a replica's folder.")
    return parts


@contextmanager
def translate_os_errors(path: str) -> Iterator[None]:
    """Raise an OSError as a StagingError that names the path."""
    try:
        yield
    except OSError as error:
        raise StagingError(
            f"{path!r} could not be written to the replica's folder: {error.strerror or error}."
        ) from error


def _write(descriptor: int, chunk: bytes) -> int:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]
    return len(chunk)
