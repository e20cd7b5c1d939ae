"""The levels of isolation between replicas, and the sandbox spec that runtime/sandbox applies."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from errno import EACCES, EINVAL, ENOSPC, ENOSYS, EOPNOTSUPP, EPERM, EUSERS
from pathlib import Path
from typing import Any

from lowcloud.engine.local.replica import Owner

UNSUPPORTED = re.compile(  # the errors by which a kernel reports that it lacks or forbids an isolation mechanism
    rf"\[Errno ({'|'.join(str(number) for number in (EACCES, EINVAL, ENOSPC, ENOSYS, EOPNOTSUPP, EPERM, EUSERS))})\]"
)

# Above all ids that systems and their tools allocate; in a container that maps 65,536 of them, below that.
UID_RANGES = (range(1_900_000_000, 2_100_000_000), range(30_000, 60_000))


@dataclass(frozen=True)
class Level:
    """A level of isolation, described for users in one sentence."""

    sentence: str
    has_namespaces: bool
    has_own_uids: bool
    has_landlock: bool = False


OWN_USER = Level(
    "Each replica runs as its own user in its own mount, process and IPC namespaces and in a network of its work: it "
    "sees its folder at /opt/ml, and neither the server's home directory nor other replicas.",
    has_namespaces=True,
    has_own_uids=True,
)
NAMESPACES = Level(
    "Each replica runs under the server's uid without privileges in its own mount, process and IPC namespaces and in a "
    "network of its work: it sees its folder at /opt/ml, and neither the server's home directory nor other replicas.",
    has_namespaces=True,
    has_own_uids=False,
)
LANDLOCK = Level(
    "Replicas are processes of the server's user that Landlock permanently "
    "denies access to the home directories of the "
    "server and the user, except for their own folders, and writing anywhere except to their own folders, /tmp, "
    "/var/tmp, /dev and /proc; they share the machine's network.",
    has_namespaces=False,
    has_own_uids=False,
    has_landlock=True,
)
UNSUPPORTED_CLAUSE = ", since this machine allows neither namespaces nor Landlock"
PROCESS = Level(
    "Replicas are ordinary processes of the server's user and can read everything that the server can"
    f"{UNSUPPORTED_CLAUSE}. Run only programs you trust.",
    has_namespaces=False,
    has_own_uids=False,
)


def levels() -> tuple[Level, ...]:
    """Return the levels to probe on this machine, the strongest first; the last works everywhere."""
    if sys.platform != "linux":
        return (PROCESS,)
    unprivileged = (NAMESPACES, LANDLOCK, PROCESS)
    return (OWN_USER, *unprivileged) if os.geteuid() == 0 and _spare_uids() else unprivileged


def with_probe_failures(level: Level, reasons: Sequence[str]) -> Level:
    """Return the level, whose sentence includes the first probe failure that is not a lack of support."""
    unexplained = [reason for reason in reasons if not UNSUPPORTED.search(reason)]
    if not unexplained:
        return level
    sentence = level.sentence.replace(UNSUPPORTED_CLAUSE, "")
    return replace(level, sentence=f"{sentence} The probe of a stronger isolation level failed: {unexplained[0]}")


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
