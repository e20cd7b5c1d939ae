"""Short names for folders of unix sockets, whose whole path may have no more than about 100 bytes."""

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

LONGEST_FOLDER = 90  # sun_path holds 104 bytes on macOS, 108 on Linux


class ShortNames:
    """Links in a folder of ours below the temporary folder; they are made anew when something has cleaned it."""

    def __init__(self, root: Path):
        self._folder = Path(tempfile.gettempdir()) / f"lowcloud-{os.geteuid()}-{_digest(root)}"

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

    def _link(self, folder: Path) -> Path:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        owner = self._folder.lstat()
        if owner.st_uid != os.geteuid() or owner.st_mode & 0o077 or self._folder.is_symlink():
            raise OSError(f"{self._folder} belongs to somebody else. Remove it.")
        return self._folder / _digest(folder)


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
