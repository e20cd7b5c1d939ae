"""The Python environments that work runs with: those that works have built here, and those of users.

Below one folder, which no replica sees:

    <key>                 a link to the folder of the environment that is published under this key; its time of change
                          is that of its last use
    <key>.<digest>/       what the work with this digest has built, or is about to build

An environment holds its own path in many places, so it is built where it will be used and never moved: what publishes
it is the link.
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

from lowcloud.engine.local.replica import Owner, delete
from lowcloud.engine.work import StagingError

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
LONGEST_CHAIN = 40  # links from an interpreter's name to its file; the kernel follows no more


@dataclass(frozen=True)
class PythonEnvironment:
    """A Python environment as the replicas of one work get it."""

    folder: Path
    is_users: bool  # and so lies for the replica where it lies for its user
    is_built: bool = False  # by this very work, which may write to it
    needs: tuple[str, ...] = ()  # folders that are to be seen where they are, such as those of its base interpreter


class Environments:
    """The folder of environments. Everything is safe to repeat, and holds whole or not at all after a crash."""

    def __init__(self, folder: Path, home: Path):
        self._folder = folder
        self._home = home
        self._private = (home, Path.home())
        self._guard = threading.Lock()  # nobody takes an environment for his use while it is dropped

    def has(self, key: str) -> bool:
        """Whether one is published under this key; who asks is about to use it."""
        link = self._link(key)
        with self._guard:
            if is_there := link.is_dir():
                os.utime(link, follow_symlinks=False)
            return is_there

    def used(self) -> dict[str, float]:
        """When each published one was last used, in seconds since the epoch, by its key."""
        if not self._folder.is_dir():
            return {}
        return {path.name: path.lstat().st_mtime for path in self._folder.iterdir() if path.is_symlink()}

    def forget(self, key: str, unused_since: float) -> None:
        """Delete a published one, unless it was used after this time."""
        link = self._link(key)
        with self._guard:
            if not link.is_symlink() or link.lstat().st_mtime > unused_since:
                return
            folder = link.resolve()
            trash = link.with_name(f"{key}.{secrets.token_hex(6)}")  # which is swept where this is cut short
            link.unlink()
            if folder.is_dir():  # under another name, since a work may build the key anew at once
                folder.rename(trash)
        delete(trash)

    def find(self, name: str) -> PythonEnvironment | None:
        """What `Work.environment` names; None for the engine's own interpreter. Raises StagingError."""
        if not name:
            return None
        if not name.startswith("/"):
            if not self.has(name):
                raise StagingError(f"No Python environment {name!r} was built here.")
            return PythonEnvironment(self._link(name).resolve(), is_users=False)
        folder = Path(os.path.normpath(name))
        if not self._may_be_seen(folder):
            raise StagingError(f"{name!r} cannot be an environment of a program: it holds what no program may see.")
        if not os.access(folder / "bin" / "python", os.X_OK):
            raise StagingError(f"{name!r} is no Python environment: it has no bin/python. `python -m venv` makes one.")
        needs = tuple(filter(self._may_be_seen, sorted({str(folder), *_bases(folder)})))
        return PythonEnvironment(folder, is_users=True, needs=needs)

    def make(self, key: str, work_id: str, owner: Owner) -> PythonEnvironment:
        """The empty folder that a work builds the environment of a key in.

        Raises StagingError where this work has built and published it before: programs run by it.
        """
        folder = self._built(key, work_id)
        if self._is_published(key, folder):
            raise StagingError(f"The Python environment {key!r} is built already.")
        delete(folder)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir()
        folder.chmod(0o755)  # whatever the server's mask
        os.chown(folder, owner.uid, owner.gid)
        return PythonEnvironment(folder, is_users=False, is_built=True)

    def keep(self, key: str, work_id: str) -> None:
        """Publish what a work has built, on the disk before it is by name; nothing where its key is published."""
        os.sync()
        with suppress(FileExistsError):
            self._link(key).symlink_to(self._built(key, work_id).name)
        descriptor = os.open(self._folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    def drop(self, key: str, work_id: str) -> None:
        """Delete what a work has built, unless it is published."""
        folder = self._built(key, work_id)
        if not self._is_published(key, folder):
            delete(folder)

    def sweep(self, found: set[Path], works: set[tuple[str, str]]) -> None:
        """Delete those of the folders `found` that are neither published nor being built by one of the works."""
        building = {self._built(key, work_id) for key, work_id in works}
        for folder in found - building:
            if not self._is_published(folder.name.partition(".")[0], folder):
                delete(folder)

    def built(self) -> set[Path]:
        """The folders of all environments, published or not."""
        if not self._folder.is_dir():
            return set()
        return {path for path in self._folder.iterdir() if path.is_dir() and not path.is_symlink()}

    def _may_be_seen(self, folder: Path | str) -> bool:
        """Whether a folder neither holds a private one nor lies in the cloud's home."""
        holds = any(Path(folder) in (private, *private.parents) for private in self._private)
        return not holds and self._home not in Path(folder).parents

    def _is_published(self, key: str, folder: Path) -> bool:
        return self._link(key).resolve() == folder.resolve()

    def _link(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise ValueError(f"{key!r} cannot be the key of an environment.")
        return self._folder / key

    def _built(self, key: str, work_id: str) -> Path:
        link = self._link(key)
        return link.with_name(f"{link.name}.{hashlib.sha256(work_id.encode()).hexdigest()[:12]}")


def _bases(folder: Path) -> Iterator[str]:
    """The folders outside of a user's environment that its interpreter needs: what it is based on, by all its names."""
    interpreters = [folder / "bin" / "python"]
    with suppress(FileNotFoundError):  # it is no virtual environment, but whole in itself
        for line in (folder / "pyvenv.cfg").read_text().splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "home":
                interpreters.append(Path(value.strip()) / "python")
    for interpreter in interpreters:
        for step in _chain(interpreter):
            prefix = step.parent.parent
            if step.is_absolute() and step.parent.name == "bin" and prefix.is_dir():
                yield from {str(prefix), str(prefix.resolve())}


def _chain(path: Path) -> Iterator[Path]:
    """A path, and what it links to, step by step."""
    for _ in range(LONGEST_CHAIN):
        yield path
        if not path.is_symlink():
            return
        path = Path(os.path.normpath(path.parent / path.readlink()))
