"""A folder that is filled by relative paths, none of which can lead out of it, through links or otherwise."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from lowcloud.engine.local.replica import Owner
from lowcloud.engine.work import StagingError

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """Fills a folder that nobody else writes to meanwhile; all in it belongs to `owner`. For one thread, and closed."""

    def __init__(self, root: Path, owner: Owner):
        self.owner = owner
        self._root = os.open(root, FOLDER_FLAGS)
        self._last: tuple[tuple[str, ...], int] = ((), self._root)  # where files mostly follow each other

    def close(self) -> None:
        """Let go of it."""
        self._forget()
        os.close(self._root)

    def write(self, path: str, chunks: Iterator[bytes], mode: int = 0o644) -> int:
        """Write a new file; returns its size."""
        parts = parts_of(path)
        size = 0
        with failing_clearly(path):
            descriptor = os.open(parts[-1], FILE_FLAGS, mode, dir_fd=self._open(parts[:-1]))
            try:
                os.fchown(descriptor, self.owner.uid, self.owner.gid)
                for chunk in chunks:
                    size += _write(descriptor, chunk)
            finally:
                os.close(descriptor)
        return size

    def make(self, path: str) -> None:
        """Make a folder and those above it."""
        with failing_clearly(path):
            self._open(parts_of(path))

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link."""
        parts = parts_of(path)
        with failing_clearly(path):
            folder = self._open(parts[:-1])
            os.symlink(target, parts[-1], dir_fd=folder)
            os.chown(parts[-1], self.owner.uid, self.owner.gid, dir_fd=folder, follow_symlinks=False)

    def link_hard(self, path: str, target: str) -> None:
        """Make another name of a file of this folder."""
        old, new = parts_of(target), parts_of(path)
        with failing_clearly(path):
            source = os.dup(self._open(old[:-1]))
            try:
                folder = self._open(new[:-1])
                os.link(old[-1], new[-1], src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
            finally:
                os.close(source)

    def _open(self, parts: tuple[str, ...]) -> int:
        """The open folder of these names, which is made where it is missing; valid until the next call."""
        if parts != self._last[0]:
            self._forget()
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

    def _forget(self) -> None:
        if self._last[1] != self._root:
            os.close(self._last[1])
            self._last = ((), self._root)


@contextmanager
def opened(root: Path, owner: Owner) -> Iterator[Folder]:
    """A folder to fill."""
    folder = Folder(root, owner)
    try:
        yield folder
    finally:
        folder.close()


def parts_of(path: str) -> tuple[str, ...]:
    """The names along a relative path. Raises StagingError for one that leads elsewhere or cannot be a file's."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or not parts or ".." in parts or "\0" in path:
        raise StagingError(f"{path!r} cannot be the path of a file in a replica's folder.")
    return parts


@contextmanager
def failing_clearly(path: str) -> Iterator[None]:
    """Tell an OSError as what could not be laid where."""
    try:
        yield
    except OSError as error:
        raise StagingError(
            f"{path!r} could not be laid into the replica's folder: {error.strerror or error}."
        ) from error


def _write(descriptor: int, chunk: bytes) -> int:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]
    return len(chunk)
