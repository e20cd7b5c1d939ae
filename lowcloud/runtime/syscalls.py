"""The few kernel calls that Python lacks. Linux; what has a meaning elsewhere does nothing there."""

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

LINUX = sys.platform == "linux"

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
    """Become the parent of every descendant whose own parent ends."""
    if LINUX:
        _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Be killed when the parent ends. A change of uid undoes it. `parent` is who it was before the fork."""
    if LINUX:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() not in (parent, 0):  # 0: the parent lives outside of this pid namespace
            os.kill(os.getpid(), signal.SIGKILL)


def children(pid: int) -> list[int]:
    """The direct children of a process of one thread; empty where the system does not tell."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def unshare(flags: int) -> None:
    """Move this process (for pids: its children) into new namespaces."""
    _check(_libc.unshare(flags))


def enter_namespace(descriptor: int) -> None:
    """Move this process into the namespace that an open file of /proc/PID/ns is."""
    _check(_libc.setns(descriptor, 0))


def map_own_ids(uid: int, gid: int) -> None:
    """In a new user namespace, be the user one was outside."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def make_mounts_private() -> None:
    """Keep this namespace's mounts to itself."""
    _mount(None, "/", None, MS_REC | MS_PRIVATE, None)


def mount_memory(target: str, options: str) -> None:
    """An empty file system in memory at `target`."""
    _mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, options)


def mount_fuse(device: int, target: str, largest_read_bytes: int) -> None:
    """The read-only file system that is served at an open /dev/fuse."""
    owner = f"user_id={os.geteuid()},group_id={os.getegid()}"
    options = f"fd={device},rootmode=40755,{owner},allow_other,default_permissions,max_read={largest_read_bytes}"
    _mount("lowcloud", target, "fuse.lowcloud", MS_NOSUID | MS_NODEV | MS_RDONLY, options)


def read_ahead(target: str, kilobytes: int) -> None:
    """Have so much of a file read ahead on the file system at `target`, by who may say so."""
    device = Path(target).stat().st_dev
    with suppress(OSError):  # it is only slower without
        Path(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb").write_text(str(kilobytes))


def close_all_but(kept: Iterable[int]) -> None:
    """Close every descriptor of this process but these."""
    for descriptor in {int(path.name) for path in Path("/dev/fd").iterdir()} - set(kept):
        with suppress(OSError):  # the one that listed them
            os.close(descriptor)


def mount_processes() -> None:
    """The /proc of this pid namespace."""
    _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV, None)


def bind(source: int, target: str) -> None:
    """Show the open file or folder `source` at `target`, with what is mounted below it."""
    _mount(f"/proc/self/fd/{source}", target, None, MS_BIND | MS_REC, None)


def make_read_only(writable: Iterable[str]) -> None:
    """Let nothing be written through any mount of this namespace but those at `writable` (kernel 5.12 on)."""
    _set_mount("/", AT_RECURSIVE, struct.pack("4Q", MOUNT_ATTR_RDONLY, 0, 0, 0))
    for target in writable:
        _set_mount(target, 0, struct.pack("4Q", 0, MOUNT_ATTR_RDONLY, 0, 0))


def raise_loopback() -> None:
    """Switch on the loopback interface of a new network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = array.array("B", struct.pack("16sH22x", b"lo", 0))
        fcntl.ioctl(any_socket, SIOCGIFFLAGS, request)
        (flags,) = struct.unpack_from("H", request, 16)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))


def give_up_privileges() -> None:
    """Drop every capability, and gain none by running a program."""
    gain_no_privileges()
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(_libc.capset(header, nothing))


def gain_no_privileges() -> None:
    """Gain none by running a program, whatever its set-uid bit says."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1)


def system_call(number: int, *arguments: Any) -> int:
    """A system call that libc has no function for. Raises OSError."""
    return _check(_libc.syscall(ctypes.c_long(number), *arguments))


def let_own_files_be_seen() -> None:
    """Own /proc/self again after a change of uid, so that /dev/stdout can be opened."""
    _prctl(PR_SET_DUMPABLE, 1)


def _prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def _set_mount(target: str, flags: int, attributes: bytes) -> None:
    system_call(MOUNT_SETATTR, AT_FDCWD, os.fsencode(target), flags, attributes, len(attributes))


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None) -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, options)]
    _check(_libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]), target)


def _check(result: int, subject: str = "") -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), subject)
    return result
