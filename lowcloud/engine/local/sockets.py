"""Short paths for folders of unix sockets, since a socket's path may have no more than about 100 bytes."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MAX_FOLDER_BYTES = 90  # sun_path holds 104 bytes on macOS, 108 on Linux
SHARED = tuple(map(Path, ("/tmp", "/var/tmp", "/dev", "/proc")))  # writable for replicas at the level LANDLOCK


class ShortPaths:
    """Symbolic links in a private folder; they are created again if they were deleted.

    A replica that could replace a link would receive another's requests, so the folder is where no replica can write.
    """

    def __init__(self, root: Path, home: Path):
        self._folder = next(filter(_is_short, _private_folders(root, home)), _temporary_folder(root))

    def of(self, folder: Path) -> Path:
        """Return the folder itself, or a link to it if its path is too long."""
        if len(os.fsencode(folder)) <= MAX_FOLDER_BYTES:
            return folder
        link = self._link(folder)
        if not link.is_symlink():
            with suppress(FileExistsError):  # another thread created it, with the same target
                link.symlink_to(folder)
        return link

    def remove(self, folder: Path) -> None:
        """Remove the link to a folder that is being deleted."""
        if len(os.fsencode(folder)) > MAX_FOLDER_BYTES:
            self._link(folder).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder of links if it is empty."""
        with suppress(OSError):
            self._folder.rmdir()

    def _link(self, folder: Path) -> Path:
        with suppress(FileExistsError):
            self._folder.mkdir(mode=0o711)  # replicas may pass, each to its own folder
        owner = self._folder.lstat()
        if owner.st_uid != os.geteuid() or owner.st_mode & 0o066 or self._folder.is_symlink():
            raise OSError(f"{self._folder} belongs to another user or can be accessed by others. Remove it.")
        return self._folder / _digest(folder)


def _private_folders(root: Path, home: Path) -> Iterator[Path]:
    """Return folders for the links, the best first: no replica sees the server's home or can write to the user's."""
    yield home / "sockets"
    for parent in filter(None, (os.environ.get("XDG_RUNTIME_DIR"), str(Path.home()))):
        folder = Path(parent) / f".lowcloud-{_digest(root)}"
        if folder.parent.is_dir() and os.access(folder.parent, os.W_OK) and not set(SHARED) & set(folder.parents):
            yield folder


def _temporary_folder(root: Path) -> Path:
    """Return the folder to use if the paths of all others are too long."""
    return Path(tempfile.gettempdir()) / f"lowcloud-{os.geteuid()}-{_digest(root)}"


def _is_short(folder: Path) -> bool:
    return len(os.fsencode(folder / _digest(folder))) <= MAX_FOLDER_BYTES


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
