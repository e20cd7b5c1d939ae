"""Short names for folders of unix sockets, whose whole path may have no more than about 100 bytes."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

LONGEST_FOLDER = 90  # sun_path holds 104 bytes on macOS, 108 on Linux
SHARED = tuple(map(Path, ("/tmp", "/var/tmp", "/dev", "/proc")))  # what a replica of our uid may write to (Landlock)


class ShortNames:
    """Links in a private folder; they are made anew when something has cleaned it.

    A replica that could replace a link would get the requests to another, so the folder lies where none can write.
    """

    def __init__(self, root: Path, home: Path):
        self._folder = next(filter(_is_short, _private_folders(root, home)), _temporary_folder(root))

    def of(self, folder: Path) -> Path:
        """The folder itself, or a link to it where its path is too long."""
        if len(os.fsencode(folder)) <= LONGEST_FOLDER:
            return folder
        link = self._link(folder)
        if not link.is_symlink():
            with suppress(FileExistsError):  # another thread was quicker, with the same target
                link.symlink_to(folder)
        return link

    def forget(self, folder: Path) -> None:
        """Remove the link to a folder that goes."""
        if len(os.fsencode(folder)) > LONGEST_FOLDER:
            self._link(folder).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder where no link is left."""
        with suppress(OSError):
            self._folder.rmdir()

    def _link(self, folder: Path) -> Path:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        owner = self._folder.lstat()
        if owner.st_uid != os.geteuid() or owner.st_mode & 0o077 or self._folder.is_symlink():
            raise OSError(f"{self._folder} belongs to somebody else. Remove it.")
        return self._folder / _digest(folder)


def _private_folders(root: Path, home: Path) -> Iterator[Path]:
    """Places for the links, the best first: no replica sees the cloud's home, nor writes to the user's two."""
    yield home / "sockets"
    for parent in filter(None, (os.environ.get("XDG_RUNTIME_DIR"), str(Path.home()))):
        folder = Path(parent) / f".lowcloud-{_digest(root)}"
        if folder.parent.is_dir() and os.access(folder.parent, os.W_OK) and not set(SHARED) & set(folder.parents):
            yield folder


def _temporary_folder(root: Path) -> Path:
    """Where all others have too long a path."""
    return Path(tempfile.gettempdir()) / f"lowcloud-{os.geteuid()}-{_digest(root)}"


def _is_short(folder: Path) -> bool:
    return len(os.fsencode(folder / _digest(folder))) <= LONGEST_FOLDER


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
