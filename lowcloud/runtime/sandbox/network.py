"""The network namespace of one work: a loopback interface on which its replicas reach each other and nothing else."""

import fcntl
import os
from pathlib import Path

from lowcloud import contract
from lowcloud.runtime import syscalls

NETWORK_LOCK_FILE = "network"  # locked while a supervisor looks for the work's network namespace, or creates it


def enter(replica: Path) -> None:
    """Move this supervisor into the network namespace of the work's other replicas, or into a new one."""
    with (replica.parent / NETWORK_LOCK_FILE).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not any(_join(other) for other in replica.parent.glob("[0-9]*") if other != replica):
            enter_user_namespace()
            syscalls.unshare(syscalls.CLONE_NEWNET)
            syscalls.enable_loopback()


def enter_user_namespace() -> None:
    """Enter a new user namespace, in which a supervisor without root's rights may create other namespaces."""
    uid, gid = os.geteuid(), os.getegid()
    if uid:
        syscalls.unshare(syscalls.CLONE_NEWUSER)
        syscalls.map_ids_to_self(uid, gid)


def _join(other: Path) -> bool:
    """Enter the network namespace of another replica's supervisor; return False if it has none or is not alive."""
    try:
        pid = int((other / contract.LOCK_FILE).read_text() or 0)
        namespaces = ("net", "user") if os.geteuid() else ("net",)
        descriptors = [os.open(f"/proc/{pid}/ns/{namespace}", os.O_RDONLY) for namespace in namespaces]
    except OSError:  # it has ended, or not started
        return False
    try:
        # Checked after opening the files, so that they cannot belong to another process with a reused pid.
        if not _is_supervised(other) or os.path.samestat(os.fstat(descriptors[0]), Path("/proc/self/ns/net").stat()):
            return False
        for descriptor in reversed(descriptors):
            syscalls.enter_namespace(descriptor)
        return True
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _is_supervised(replica: Path) -> bool:
    """Return whether the replica's supervisor is alive: it holds the lock."""
    with (replica / contract.LOCK_FILE).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
