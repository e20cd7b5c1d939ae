"""The levels of isolation between replicas, and the sandbox spec that runtime/sandbox applies."""

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowcloud.engine.local.replica import Owner

# Above all ids that systems and their tools allocate; in a container that maps 65,536 of them, below that.
UID_RANGES = (range(1_900_000_000, 2_100_000_000), range(30_000, 60_000))


@dataclass(frozen=True)
class Level:
    """A level of isolation, described for users in one sentence."""

    name: str
    sentence: str
    has_namespaces: bool = False
    has_own_uids: bool = False
    has_landlock: bool = False

    @property
    def relies_on_permissions(self) -> bool:
        """Whether only the permissions of files keep replicas from the home, so that they use their real paths."""
        return self.has_own_uids and not self.has_namespaces


OWN_USER = Level(
    "own-user",
    "Each replica runs as its own user in its own mount, process and IPC namespaces and in a network of its work: it "
    "sees its folder at /opt/ml, and neither the server's home directory nor other replicas.",
    has_namespaces=True,
    has_own_uids=True,
)
NAMESPACES = Level(
    "namespaces",
    "Each replica runs under the server's uid without privileges in its own mount, process and IPC namespaces and in a "
    "network of its work: it sees its folder at /opt/ml, and neither the server's home directory nor other replicas.",
    has_namespaces=True,
)
LANDLOCK = Level(
    "landlock",
    "Replicas are processes of the server's user that Landlock permanently "
    "denies access to the home directories of the "
    "server and the user, except for their own folders, and writing anywhere except to their own folders, /tmp, "
    "/var/tmp, /dev and /proc; they share the machine's network.",
    has_landlock=True,
)
USER_ONLY = Level(
    "user-only",
    "Each replica runs as its own user, which cannot read the server's home directory or the folders of other "
    "replicas; replicas see the machine's processes and other files, and share its network.",
    has_own_uids=True,
)
NONE = Level(
    "none",
    "Replicas are ordinary processes of the server's user and can read everything that the server can. Run only "
    "programs you trust.",
)
LEVELS = (OWN_USER, NAMESPACES, LANDLOCK, USER_ONLY, NONE)  # the strongest first


def levels() -> tuple[Level, ...]:
    """Return the levels to try on this machine without having been told to, the strongest first.

    A server that runs as root never runs programs without isolation by itself: they could read its keys.
    """
    is_root = os.geteuid() == 0
    if sys.platform != "linux":
        return () if is_root else (NONE,)
    if not is_root:
        return (NAMESPACES, LANDLOCK, NONE)
    return LEVELS[:-1] if _spare_uids() else (NAMESPACES, LANDLOCK)


def level_named(name: str) -> Level:
    """Return the level with a name. Raises ValueError."""
    found = next((level for level in LEVELS if level.name == name), None)
    if found is None:
        raise ValueError(f"{name!r} is not an isolation level; they are {', '.join(level.name for level in LEVELS)}.")
    return found


def is_weaker(level: Level, other: Level) -> bool:
    """Return whether a level isolates less than another."""
    return LEVELS.index(level) > LEVELS.index(other)


def unreachable_parent(home: Path) -> str:
    """Return a folder that keeps other users from the replicas' folders or from the interpreter, or ""."""
    return min(_impassable_parents((str(home), *_interpreter_folders())), default="")


@dataclass(frozen=True)
class SandboxPolicy:
    """The sandbox of all replicas of one engine."""

    level: Level
    hidden: tuple[str, ...]  # folders no replica may see: the homes of server and user, sockets of the user's sessions
    visible: tuple[str, ...]  # folders that Python programs need, also inside hidden ones

    def build_spec(
        self, owner: Owner, memory_bytes: int, network: bool, visible: Sequence[str], hidden: Sequence[str]
    ) -> dict[str, Any]:
        """Return the sandbox spec of one replica, without its own folders and names.

        The replica also sees the folders `visible`, and does not see the files `hidden`.
        """
        covers = {*self.hidden, *hidden, *(_impassable_parents(visible) if self.level.has_own_uids else ())}
        return {
            "uid": owner.uid if self.level.has_own_uids else None,
            "gid": owner.gid if self.level.has_own_uids else None,
            "namespaces": self.level.has_namespaces,
            "landlock": self.level.has_landlock,
            "network": network,
            "memory_bytes": memory_bytes,
            "hidden": sorted(covers),
            "visible": (*self.visible, *visible),
        }


def sandbox_policy(level: Level, home: Path, readable_folders: Iterable[Path] = ()) -> SandboxPolicy:
    """Return the policy of a level that hides the server's home, except for the folders programs may read."""
    visible = (*_interpreter_folders(), *(str(folder) for folder in readable_folders if folder.is_dir()))
    hidden = {str(home), "/run/user", *_personal_folder()}
    if level.has_own_uids:  # otherwise the interpreter would be inaccessible, e.g. below /root
        hidden |= _impassable_parents(visible)
    return SandboxPolicy(level, tuple(sorted(hidden)), visible)


def owner(level: Level, first_id: int, number: int) -> Owner:
    """Return the owner of a replica's files; `first_id` ids were allocated before those of its work."""
    uids = _spare_uids() if level.has_own_uids else None
    if uids is None:
        return Owner(os.geteuid(), os.getegid())
    return Owner(uids[(first_id + number) % len(uids)], uids[first_id % len(uids)])


def _spare_uids() -> range | None:
    """Return user ids that no account uses; None if this machine or container has none."""
    mapped = [tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    for uids in UID_RANGES:
        if any(inside <= uids.start and uids.stop <= inside + size for inside, _, size in mapped):
            return uids
    return None


def _impassable_parents(folders: Iterable[str]) -> set[str]:
    """Return the parents that other users cannot traverse. If they are hidden, only what is visible appears in them."""
    return {str(parent) for folder in folders for parent in Path(folder).parents if not parent.stat().st_mode & 0o001}


def _personal_folder() -> list[str]:
    """Return the home of the server's user, unless it is a system folder, as service accounts have."""
    folder = Path.home()
    is_system = len(folder.parts) < 3 or folder.parts[1] in ("usr", "tmp", "var", "proc", "dev")
    return [str(folder)] if folder == Path("/root") or not is_system else []


def _interpreter_folders() -> tuple[str, ...]:
    """Return the folders of the interpreter, its environment and its packages."""
    executable = Path(sys.executable).resolve().parent.parent
    candidates = {sys.prefix, sys.base_prefix, str(executable), *sys.path}
    return tuple(sorted(folder for folder in candidates if folder.startswith("/") and Path(folder).is_dir()))
