"""System calls of Linux that Python lacks; those that other systems can do without do nothing there."""

import array
import ctypes
import errno
import fcntl
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

IS_LINUX = sys.platform == "linux"

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

MOUNT_SETATTR = 442
MOUNT_ATTR_RDONLY = 1
AT_FDCWD = -100
AT_RECURSIVE = 0x8000

CAPABILITY_VERSION_3 = 0x20080522

SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 1

# Errors by which these calls report that the kernel or a security policy of the machine does not offer them. A lack of
# memory, processes or space is not among them: that may pass.
NOT_OFFERED = (errno.EACCES, errno.EINVAL, errno.ENODEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)
LIMIT_REACHED = (errno.ENOSPC, errno.EUSERS)  # of unshare: as many namespaces exist as are allowed, perhaps none
NAMESPACE_LIMITS = {
    CLONE_NEWNS: "max_mnt_namespaces",
    CLONE_NEWUTS: "max_uts_namespaces",
    CLONE_NEWIPC: "max_ipc_namespaces",
    CLONE_NEWUSER: "max_user_namespaces",
    CLONE_NEWPID: "max_pid_namespaces",
    CLONE_NEWNET: "max_net_namespaces",
}

_libc = ctypes.CDLL(None, use_errno=True)


class UnsupportedError(OSError):
    """This machine does not offer an isolation mechanism. The engine looks for the name of this class in logs."""


@contextmanager
def required(call: str) -> Iterator[None]:
    """Raise UnsupportedError if the call within the block fails because this machine does not offer it."""
    try:
        yield
    except OSError as error:
        if error.errno not in NOT_OFFERED:
            raise
        raise UnsupportedError(error.errno, f"{call}: {error.strerror}") from error


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose parent ends."""
    if IS_LINUX:
        _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Have this process killed when its parent, which forked it, ends. A change of uid undoes this."""
    if IS_LINUX:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() not in (parent, 0):  # 0: the parent is outside of this pid namespace
            os.kill(os.getpid(), signal.SIGKILL)


def children(pid: int) -> list[int]:
    """Return the direct children of a single-threaded process; empty if the system does not provide them."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def unshare(flags: int) -> None:
    """Move this process (for pids: its children) into new namespaces."""
    try:
        with required("unshare"):
            _check(_libc.unshare(flags))
    except OSError as error:
        if error.errno in LIMIT_REACHED and _is_forbidden(flags):
            raise UnsupportedError(error.errno, f"unshare: no namespaces are allowed ({error.strerror})") from error
        raise


def enter_namespace(descriptor: int) -> None:
    """Move this process into the namespace of an open file in /proc/PID/ns."""
    _check(_libc.setns(descriptor, 0))


def map_ids_to_self(uid: int, gid: int) -> None:
    """Map the user and group of a new user namespace to the same ids outside."""
    with required("uid_map"):
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def become(uid: int, gid: int) -> None:
    """Change to another user and group, for good."""
    with required("setresuid"):
        os.setgroups([gid])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)


def set_hostname(name: str) -> None:
    """Set the host name of a new UTS namespace."""
    with required("sethostname"):
        socket.sethostname(name)


def make_mounts_private() -> None:
    """Do not propagate this namespace's mounts to others."""
    _mount(None, "/", None, MS_REC | MS_PRIVATE, None)


def mount_tmpfs(target: str, options: str) -> None:
    """Mount an empty file system in memory at `target`."""
    _mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, options)


def mount_fuse(device: int, target: str, largest_read_bytes: int) -> None:
    """Mount the read-only file system that is served on an open /dev/fuse."""
    owner = f"user_id={os.geteuid()},group_id={os.getegid()}"
    options = f"fd={device},rootmode=40755,{owner},allow_other,default_permissions,max_read={largest_read_bytes}"
    _mount("lowcloud", target, "fuse.lowcloud", MS_NOSUID | MS_NODEV | MS_RDONLY, options)


def set_read_ahead(target: str, kilobytes: int) -> None:
    """Set the read-ahead of the file system at `target`, if this process has the right to."""
    device = Path(target).stat().st_dev
    with suppress(OSError):  # reads are only slower without
        Path(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb").write_text(str(kilobytes))


def close_descriptors_except(kept: Iterable[int]) -> None:
    """Close all descriptors of this process except these."""
    for descriptor in {int(path.name) for path in Path("/dev/fd").iterdir()} - set(kept):
        with suppress(OSError):  # the descriptor of the listing itself
            os.close(descriptor)


def mount_proc() -> None:
    """Mount the /proc of this pid namespace."""
    _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV, None)


def bind_mount(source: int, target: str) -> None:
    """Bind-mount the open file or folder `source` at `target`, with the mounts below it."""
    _mount(f"/proc/self/fd/{source}", target, None, MS_BIND | MS_REC, None)


def make_mounts_read_only(writable: Iterable[str]) -> None:
    """Make all mounts of this namespace read-only except for those at `writable` (kernel 5.12 or later)."""
    _set_mount("/", AT_RECURSIVE, struct.pack("4Q", MOUNT_ATTR_RDONLY, 0, 0, 0))
    for target in writable:
        _set_mount(target, 0, struct.pack("4Q", 0, MOUNT_ATTR_RDONLY, 0, 0))


def enable_loopback() -> None:
    """Enable the loopback interface of a new network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket, required("loopback interface"):
        request = array.array("B", struct.pack("16sH22x", b"lo", 0))
        fcntl.ioctl(any_socket, SIOCGIFFLAGS, request)
        (flags,) = struct.unpack_from("H", request, 16)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))


def drop_capabilities() -> None:
    """Drop all capabilities, and gain none by executing a program."""
    set_no_new_privileges()
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    no_capabilities = (ctypes.c_uint32 * 6)()
    with required("capset"):
        _check(_libc.capset(header, no_capabilities))


def set_no_new_privileges() -> None:
    """Gain no privileges by executing a program, even if it has the set-uid bit."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1)


def system_call(number: int, *arguments: Any) -> int:
    """Make a system call for which libc has no function. Raises OSError."""
    return _check(_libc.syscall(ctypes.c_long(number), *arguments))


def make_dumpable() -> None:
    """Restore the ownership of /proc/self after a change of uid, so that /dev/stdout can be opened."""
    _prctl(PR_SET_DUMPABLE, 1)


def _prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def _set_mount(target: str, flags: int, attributes: bytes) -> None:
    with required("mount_setattr"):
        system_call(MOUNT_SETATTR, AT_FDCWD, os.fsencode(target), flags, attributes, len(attributes))


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None) -> None:
    arguments = [None if argument is None else os.fsencode(argument) for argument in (source, target, kind, options)]
    with required(f"mount of {target}"):
        _check(_libc.mount(arguments[0], arguments[1], arguments[2], ctypes.c_ulong(flags), arguments[3]), target)


def _is_forbidden(flags: int) -> bool:
    """Return whether the machine allows no namespace at all of one of these types."""
    limits = [Path("/proc/sys/user", name) for flag, name in NAMESPACE_LIMITS.items() if flags & flag]
    return any(limit.exists() and limit.read_text().strip() == "0" for limit in limits)


def _check(result: int, subject: str = "") -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), subject)
    return result
