"""How strongly this machine can separate replicas: the levels, and the plan that runtime/sandbox carries out."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from errno import EACCES, EINVAL, ENOSPC, ENOSYS, EOPNOTSUPP, EPERM, EUSERS
from pathlib import Path
from typing import Any

from lowcloud.engine.local.replica import Owner

NOT_ALLOWED = re.compile(  # how a kernel says that it lacks or forbids a wall
    rf"\[Errno ({'|'.join(str(number) for number in (EACCES, EINVAL, ENOSPC, ENOSYS, EOPNOTSUPP, EPERM, EUSERS))})\]"
)
# Above all ids that systems and their tools give out; in a container that maps 65,536 of them, below that.
UIDS = (range(1_900_000_000, 2_100_000_000), range(30_000, 60_000))


@dataclass(frozen=True)
class Level:
    """One strength of separation, in the words a user reads."""

    sentence: str
    has_namespaces: bool
    has_own_uids: bool
    has_landlock: bool = False


OWN_USER = Level(
    "Each replica runs as a user of its own in mount, process and IPC namespaces of its own and a network of its "
    "work's: it sees its folder at /opt/ml, and neither this cloud's home nor other replicas.",
    has_namespaces=True,
    has_own_uids=True,
)
NAMESPACES = Level(
    "Each replica runs under the server's uid without privileges in mount, process and IPC namespaces of its own and a "
    "network of its work's: it sees its folder at /opt/ml, and neither this cloud's home nor other replicas.",
    has_namespaces=True,
    has_own_uids=False,
)
LANDLOCK = Level(
    "Replicas are processes of the server's user that have given up, for good, this cloud's home but for their own "
    "folders, the user's home, and all writing but to their folders, /tmp, /var/tmp, /dev and /proc (Landlock); they "
    "share the machine's network.",
    has_namespaces=False,
    has_own_uids=False,
    has_landlock=True,
)
NEITHER = ", since this machine allows neither namespaces nor Landlock"
PROCESS = Level(
    f"Replicas are ordinary processes of the server's user and can read all that the server can{NEITHER}. Run only "
    "programs you trust.",
    has_namespaces=False,
    has_own_uids=False,
)


def levels() -> tuple[Level, ...]:
    """What is worth trying here, the strongest first; the last works everywhere."""
    if sys.platform != "linux":
        return (PROCESS,)
    unprivileged = (NAMESPACES, LANDLOCK, PROCESS)
    return (OWN_USER, *unprivileged) if os.geteuid() == 0 and _spare_uids() else unprivileged


def after_failures(level: Level, reasons: Sequence[str]) -> Level:
    """The level that was left when the trials of stronger ones ended so; it tells what no machine's rules explain."""
    unexplained = [reason for reason in reasons if not NOT_ALLOWED.search(reason)]
    if not unexplained:
        return level
    sentence = level.sentence.replace(NEITHER, "")
    return replace(level, sentence=f"{sentence} The trial of stronger walls failed: {unexplained[0]}")


@dataclass(frozen=True)
class Walls:
    """What surrounds every replica of one engine."""

    level: Level
    hide: tuple[str, ...]  # folders no replica may see: the cloud's home, the user's, sockets of the user's sessions
    keep: tuple[str, ...]  # folders a Python program needs, wherever they lie

    def plan(
        self, owner: Owner, memory_bytes: int, network: bool, needs: Sequence[str], hide: Sequence[str]
    ) -> dict[str, Any]:
        """The plan of one replica, without its own folders and names.

        It also sees the folders `needs`, and not the files `hide`.
        """
        covers = {*self.hide, *hide, *(_out_of_reach(needs) if self.level.has_own_uids else ())}
        return {
            "uid": owner.uid if self.level.has_own_uids else None,
            "gid": owner.gid if self.level.has_own_uids else None,
            "namespaces": self.level.has_namespaces,
            "landlock": self.level.has_landlock,
            "network": network,
            "memory_bytes": memory_bytes,
            "hide": sorted(covers),
            "keep": (*self.keep, *needs),
        }


def walls(level: Level, home: Path, shows: Iterable[Path] = ()) -> Walls:
    """The walls of a level around a cloud whose home is `home`, and within it `shows` what programs may read."""
    keep = (*_interpreter_folders(), *(str(folder) for folder in shows if folder.is_dir()))
    hide = {str(home), "/run/user", *_personal_folder()}
    if level.has_own_uids:  # else the interpreter would be out of reach, e.g. below /root
        hide |= _out_of_reach(keep)
    return Walls(level, tuple(sorted(hide)), keep)


def owner(level: Level, first_id: int, number: int) -> Owner:
    """Whose the files of a work's replica are, where `first_id` ids were given out before this work's."""
    uids = _spare_uids() if level.has_own_uids else None
    if uids is None:
        return Owner(os.geteuid(), os.getegid())
    return Owner(uids[(first_id + number) % len(uids)], uids[first_id % len(uids)])


def _spare_uids() -> range | None:
    """User ids that are nobody's, where this machine or container has any."""
    mapped = [tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    for uids in UIDS:
        if any(inside <= uids.start and uids.stop <= inside + size for inside, _, size in mapped):
            return uids
    return None


def _out_of_reach(folders: Iterable[str]) -> set[str]:
    """Those above the folders that another user cannot pass through. Covered, they show what is kept alone."""
    return {str(parent) for folder in folders for parent in Path(folder).parents if not parent.stat().st_mode & 0o001}


def _personal_folder() -> list[str]:
    """The home of the server's user; accounts of services have system folders for it, which programs need."""
    folder = Path.home()
    is_system = len(folder.parts) < 3 or folder.parts[1] in ("usr", "tmp", "var", "proc", "dev")
    return [str(folder)] if folder == Path("/root") or not is_system else []


def _interpreter_folders() -> tuple[str, ...]:
    """The interpreter, its environment and its packages."""
    executable = Path(sys.executable).resolve().parent.parent
    candidates = {sys.prefix, sys.base_prefix, str(executable), *sys.path}
    return tuple(sorted(folder for folder in candidates if folder.startswith("/") and Path(folder).is_dir()))
