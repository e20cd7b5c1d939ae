"""The Python environments that work runs with: those that works have built here, and those that users have created.

In one folder, which no replica sees:

    <key>                 a link to the folder of the environment published under this key; its modification time is
                          the time of its last use
    <key>.<digest>/       the environment built, or being built, by the work with this digest

An environment contains its own path in many places, so it is built where it will be used and never moved: publishing it
means to create the link.
"""

import hashlib
import os
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lowcloud.engine.local.replica import Owner, delete_tree
from lowcloud.engine.work import StagingError

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
MAX_LINKS = 40  # from an interpreter's name to its file; the kernel follows no more


@dataclass(frozen=True)
class PythonEnvironment:
    """A Python environment for the replicas of one work."""

    folder: Path
    is_users_own: bool  # so the replica sees it at the same path as its user
    is_being_built: bool = False  # by this work, which may write to it
    required_folders: tuple[str, ...] = ()  # to be seen at their own paths, such as those of its base interpreter


class Environments:
    """The folder of environments. Every method is idempotent and atomic."""

    def __init__(self, folder: Path, home: Path):
        self._folder = folder
        self._home = home
        self._private = (home, Path.home())
        self._guard = threading.Lock()  # no environment is taken into use while it is being deleted

    def has(self, key: str) -> bool:
        """Return whether an environment is published under this key. The check counts as a use."""
        link = self._link(key)
        with self._guard:
            if exists := link.is_dir():
                os.utime(link, follow_symlinks=False)
            return exists

    def last_used(self) -> dict[str, float]:
        """Return when each published environment was last used, in seconds since the epoch, by key."""
        if not self._folder.is_dir():
            return {}
        return {path.name: path.lstat().st_mtime for path in self._folder.iterdir() if path.is_symlink()}

    def delete(self, key: str, unused_since: float) -> None:
        """Delete a published environment, unless it was used after this time."""
        link = self._link(key)
        with self._guard:
            if not link.is_symlink() or link.lstat().st_mtime > unused_since:
                return
            folder = link.resolve()
            trash = link.with_name(f"{key}.{secrets.token_hex(6)}")  # which sweep() deletes if this is interrupted
            link.unlink()
            if folder.is_dir():  # first, since a work may build the key again immediately
                folder.rename(trash)
        delete_tree(trash)

    def find(self, name: str) -> PythonEnvironment | None:
        """Return the environment of `Work.environment`; None for the engine's own interpreter. Raises StagingError."""
        if not name:
            return None
        if not name.startswith("/"):
            if not self.has(name):
                raise StagingError(f"There is no Python environment {name!r}.")
            return PythonEnvironment(self._link(name).resolve(), is_users_own=False)
        folder = Path(os.path.normpath(name))
        if not self._is_visible(folder):
            raise StagingError(f"{name!r} cannot be used as a Python environment: it contains private folders.")
        if not os.access(folder / "bin" / "python", os.X_OK):
            raise StagingError(
                f"{name!r} is not a Python environment: it has no bin/python. Create one with `python -m venv`."
            )
        required = tuple(filter(self._is_visible, sorted({str(folder), *_base_folders(folder)})))
        return PythonEnvironment(folder, is_users_own=True, required_folders=required)

    def create(self, key: str, work_id: str, owner: Owner) -> PythonEnvironment:
        """Create the empty folder in which a work builds the environment of a key.

        Raises StagingError if this work has built and published it before, since programs may be using it.
        """
        folder = self._build_folder(key, work_id)
        if self._is_published(key, folder):
            raise StagingError(f"The Python environment {key!r} is already built.")
        delete_tree(folder)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if owner.uid != os.geteuid():  # where replicas use its real path: they may pass, not list
            self._folder.chmod(0o711)
        folder.mkdir()
        folder.chmod(0o755)  # whatever the server's umask is
        os.chown(folder, owner.uid, owner.gid)
        return PythonEnvironment(folder, is_users_own=False, is_being_built=True)

    def publish(self, key: str, work_id: str) -> None:
        """Publish what a work has built, durably; do nothing if an environment is published under the key."""
        os.sync()
        with suppress(FileExistsError):
            self._link(key).symlink_to(self._build_folder(key, work_id).name)
        descriptor = os.open(self._folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    def discard(self, key: str, work_id: str) -> None:
        """Delete what a work has built, unless it is published."""
        folder = self._build_folder(key, work_id)
        if not self._is_published(key, folder):
            delete_tree(folder)

    def sweep(self, folders: set[Path], builders: set[tuple[str, str]]) -> None:
        """Delete those of the folders that are neither published nor being built by a (key, work id)."""
        building = {self._build_folder(key, work_id) for key, work_id in builders}
        for folder in folders - building:
            if not self._is_published(folder.name.partition(".")[0], folder):
                delete_tree(folder)

    def built(self) -> set[Path]:
        """Return the folders of all environments, published or not."""
        if not self._folder.is_dir():
            return set()
        return {path for path in self._folder.iterdir() if path.is_dir() and not path.is_symlink()}

    def _is_visible(self, folder: Path | str) -> bool:
        """Return whether a program may see a folder: it contains no private folder, and is not in the server's home."""
        contains_private = any(Path(folder) in (private, *private.parents) for private in self._private)
        return not contains_private and self._home not in Path(folder).parents

    def _is_published(self, key: str, folder: Path) -> bool:
        return self._link(key).resolve() == folder.resolve()

    def _link(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not a valid key of an environment.")
        return self._folder / key

    def _build_folder(self, key: str, work_id: str) -> Path:
        link = self._link(key)
        return link.with_name(f"{link.name}.{hashlib.sha256(work_id.encode()).hexdigest()[:12]}")


def _base_folders(folder: Path) -> Iterator[str]:
    """Return the base installations of a user's environment, by all their names."""
    interpreters = [folder / "bin" / "python"]
    with suppress(FileNotFoundError):  # it is a complete installation, not a virtual environment
        for line in (folder / "pyvenv.cfg").read_text().splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "home":
                interpreters.append(Path(value.strip()) / "python")
    for interpreter in interpreters:
        for path in _follow_links(interpreter):
            prefix = path.parent.parent
            if path.is_absolute() and path.parent.name == "bin" and prefix.is_dir():
                yield from {str(prefix), str(prefix.resolve())}


def _follow_links(path: Path) -> Iterator[Path]:
    """Return a path and, one by one, the paths it links to."""
    for _ in range(MAX_LINKS):
        yield path
        if not path.is_symlink():
            return
        path = Path(os.path.normpath(path.parent / path.readlink()))
