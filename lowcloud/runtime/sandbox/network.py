"""A network of their own for the replicas of one work: a loopback, at which they reach each other and nothing else."""

import fcntl
import os
from pathlib import Path

from lowcloud import contract
from lowcloud.runtime import syscalls

GUARD = "network"  # locked while a supervisor looks for the network of its fellows, or makes it


def enter(replica: Path) -> None:
    """Move this supervisor into the network namespace of its fellows, who share the folder above, or into a new one."""
    with (replica.parent / GUARD).open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not any(_join(fellow) for fellow in replica.parent.glob("[0-9]*") if fellow != replica):
            enter_user_namespace()
            syscalls.unshare(syscalls.CLONE_NEWNET)
            syscalls.raise_loopback()


def enter_user_namespace() -> None:
    """Let a supervisor that is not root's make namespaces, in a new user namespace."""
    uid, gid = os.geteuid(), os.getegid()
    if uid:
        syscalls.unshare(syscalls.CLONE_NEWUSER)
        syscalls.map_own_ids(uid, gid)


def _join(fellow: Path) -> bool:
    """Whether this process is now in the network of a fellow: its supervisor lives, and has one of its own."""
    try:
        pid = int((fellow / contract.LOCK_FILE).read_text() or 0)
        kinds = ("net", "user") if os.geteuid() else ("net",)
        opened = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in kinds]
    except OSError:  # it has ended, or not begun
        return False
    try:
        # Asked after the files were opened: they are its own, then, and not of another process with its number.
        if not _is_supervised(fellow) or os.path.samestat(os.fstat(opened[0]), Path("/proc/self/ns/net").stat()):
            return False
        for descriptor in reversed(opened):
            syscalls.enter_namespace(descriptor)
        return True
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _is_supervised(replica: Path) -> bool:
    """Whether a supervisor lives: it holds the lock."""
    with (replica / contract.LOCK_FILE).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
