"""An optional memory limit for one replica, with either version of control groups."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
PARENT = "lowcloud"
STALE_SECONDS = 60.0


@dataclass(frozen=True)
class Cgroup:
    """The control group of one replica."""

    folder: Path
    kills_file: str  # contains a line "oom_kill N"

    def join(self) -> None:
        """Move this process, and the processes it will start, into the group."""
        (self.folder / "cgroup.procs").write_text("0")

    def killed_for_memory(self) -> bool:
        """Return whether the kernel has killed a process of the group because of its limit."""
        lines = (self.folder / self.kills_file).read_text().splitlines()
        return any(line.startswith("oom_kill ") and line != "oom_kill 0" for line in lines)

    def remove(self) -> None:
        """Delete the group, and empty groups that killed supervisors have left behind."""
        for _ in range(50):  # the last process may still be exiting
            with suppress(OSError):
                self.folder.rmdir()
                break
            time.sleep(0.002)
        for other in self.folder.parent.iterdir():
            with suppress(OSError):  # it is in use, or another supervisor has removed it
                if other.is_dir() and time.time() - other.stat().st_mtime > STALE_SECONDS:
                    other.rmdir()


def create(name: str, memory_bytes: int) -> Cgroup | None:
    """Create a group with a memory limit; None if this machine does not allow it."""
    functions: tuple[Callable[[str, int], Cgroup], ...] = (_create_v2, _create_v1)
    for create_version in functions:
        with suppress(OSError):
            return create_version(name, memory_bytes)
    return None


def _create_v2(name: str, memory_bytes: int) -> Cgroup:
    parent = MOUNT / PARENT
    if "memory" not in (MOUNT / "cgroup.controllers").read_text().split():
        raise FileNotFoundError("the memory controller is not available")
    parent.mkdir(exist_ok=True)
    for folder in (MOUNT, parent):
        (folder / "cgroup.subtree_control").write_text("+memory")
    group = Cgroup(parent / name, "memory.events")
    group.folder.mkdir()
    (group.folder / "memory.max").write_text(str(memory_bytes))
    with suppress(OSError):  # if the kernel does not count swap
        (group.folder / "memory.swap.max").write_text("0")
    return group


def _create_v1(name: str, memory_bytes: int) -> Cgroup:
    controller = MOUNT / "memory"
    (controller / "memory.limit_in_bytes").stat()
    group = Cgroup(controller / PARENT / name, "memory.oom_control")
    group.folder.mkdir(parents=True)
    (group.folder / "memory.limit_in_bytes").write_text(str(memory_bytes))
    return group
