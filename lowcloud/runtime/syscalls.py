"""System calls of Linux that Python lacks; those that other systems can do without do nothing there."""

import array
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
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

_libc = ctypes.CDLL(None, use_errno=True)


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
    _check(_libc.unshare(flags))


def enter_namespace(descriptor: int) -> None:
    """Move this process into the namespace of an open file in /proc/PID/ns."""
    _check(_libc.setns(descriptor, 0))


def map_ids_to_self(uid: int, gid: int) -> None:
    """Map the user and group of a new user namespace to the same ids outside."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


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
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = array.array("B", struct.pack("16sH22x", b"lo", 0))
        fcntl.ioctl(any_socket, SIOCGIFFLAGS, request)
        (flags,) = struct.unpack_from("H", request, 16)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))


def drop_capabilities() -> None:
    """Drop all capabilities, and gain none by executing a program."""
    set_no_new_privileges()
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    no_capabilities = (ctypes.c_uint32 * 6)()
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
    system_call(MOUNT_SETATTR, AT_FDCWD, os.fsencode(target), flags, attributes, len(attributes))


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None) -> None:
    arguments = [None if argument is None else os.fsencode(argument) for argument in (source, target, kind, options)]
    _check(_libc.mount(arguments[0], arguments[1], arguments[2], ctypes.c_ulong(flags), arguments[3]), target)


def _check(result: int, subject: str = "") -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), subject)
    return result
