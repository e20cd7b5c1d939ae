"""How strongly this machine can separate replicas: the levels, and the plan that runtime/sandbox.py carries out."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# First uid and count: above all that systems and their tools give out; in a container that maps 65,536 ids, below that.
UID_RANGES = ((1_900_000_000, 200_000_000), (30_000, 30_000))


@dataclass(frozen=True)
class Level:
    """One strength of separation, in the words a user reads."""

    sentence: str
    has_namespaces: bool
    has_own_uids: bool


OWN_USER = Level(
    "Each replica runs as a user of its own in mount, process, IPC and network namespaces of its own: "
    "it sees its folder at /opt/ml, and neither this cloud's home nor other replicas.",
    has_namespaces=True,
    has_own_uids=True,
)
NAMESPACES = Level(
    "Each replica runs under the server's uid without privileges in mount, process, IPC and network namespaces of its "
    "own: it sees its folder at /opt/ml, and neither this cloud's home nor other replicas.",
    has_namespaces=True,
    has_own_uids=False,
)
PROCESS = Level(
    "Replicas are ordinary processes of the server's user and can read all that the server can, since this machine "
    "allows no namespaces. Run only programs you trust.",
    has_namespaces=False,
    has_own_uids=False,
)


def levels() -> tuple[Level, ...]:
    """What is worth trying here, the strongest first; the last works everywhere."""
    if sys.platform != "linux":
        return (PROCESS,)
    return (OWN_USER, NAMESPACES, PROCESS) if os.geteuid() == 0 else (NAMESPACES, PROCESS)


@dataclass(frozen=True)
class Walls:
    """What surrounds every replica of one engine."""

    level: Level
    hide: tuple[str, ...]  # folders no replica may see: the cloud's home, the user's, sockets of the user's sessions
    keep: tuple[str, ...]  # folders a Python program needs, wherever they lie

    def plan(self, uid: int, gid: int, memory_bytes: int, name: str, network: bool) -> dict[str, Any]:
        """The plan of one replica, without its binds."""
        return {
            "uid": uid if self.level.has_own_uids else None,
            "gid": gid if self.level.has_own_uids else None,
            "namespaces": self.level.has_namespaces,
            "network": network,
            "memory_bytes": memory_bytes,
            "hide": self.hide,
            "keep": self.keep,
            "cgroup": name,
        }


def walls(level: Level, home: Path) -> Walls:
    """The walls of a level around a cloud whose home is `home`."""
    keep = _interpreter_folders()
    hide = {str(home), str(Path.home()), "/run/user"}
    if level.has_own_uids:  # else the interpreter would be out of reach, e.g. below /root
        hide |= {str(parent) for folder in keep for parent in Path(folder).parents if not parent.stat().st_mode & 0o001}
    return Walls(level, tuple(sorted(hide)), keep)


def first_uid(taken: int) -> int:
    """A uid that is nobody else's: the first free one of the range, of which `taken` were given out."""
    mapped = [tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    for first, count in UID_RANGES:
        if any(inside <= first and first + count <= inside + size for inside, _, size in mapped):
            return first + taken % count
    raise OSError("This user namespace has no spare user ids.")


def _interpreter_folders() -> tuple[str, ...]:
    """The interpreter, its environment and its packages."""
    executable = Path(sys.executable).resolve().parent.parent
    candidates = {sys.prefix, sys.base_prefix, str(executable), *sys.path}
    return tuple(sorted(folder for folder in candidates if folder.startswith("/") and Path(folder).is_dir()))
