"""Landlock: restricts a process's access to files without privileges or namespaces (kernel 5.13 or later).

https://docs.kernel.org/userspace-api/landlock.html. Rules can only allow access; what no rule names is denied.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from lowcloud.runtime import syscalls

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION_FLAG = 1
PATH_BENEATH = 1
SCOPED = 3  # no abstract unix sockets of, or signals to, processes outside of the sandbox; version 6 or later

WRITABLE = ("/dev", "/proc", "/tmp", "/var/tmp")  # in addition to its own folders

EXECUTE, WRITE_FILE, READ_FILE, TRUNCATE, IOCTL_DEVICE = 1 << 0, 1 << 1, 1 << 2, 1 << 14, 1 << 15
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
READ_FOLDER = 1 << 3
READ_RIGHTS = EXECUTE | READ_FILE | READ_FOLDER
ALL_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}  # by version


def restrict(hidden: Iterable[str], readable: Iterable[str], writable: Iterable[str]) -> None:
    """Permanently deny this process all files below `hidden`, and writing outside of `writable` and WRITABLE.

    The folders `readable` and `writable` stay accessible even below `hidden`. Raises OSError.
    """
    with syscalls.required("landlock_create_ruleset"):
        version = syscalls.system_call(CREATE_RULESET, None, 0, VERSION_FLAG)
    rights = ALL_RIGHTS[min(version, 5)]
    ruleset = _ruleset(version, rights)
    for path in _visible(Path("/"), [Path(folder) for folder in (*hidden, *WRITABLE)]):
        _allow(ruleset, path, READ_RIGHTS)
    for top in WRITABLE:
        for path in _visible(Path(top), [Path(folder) for folder in hidden]):
            _allow(ruleset, path, rights)
    _allow(ruleset, Path("/dev"), READ_FOLDER)  # some programs list it, and it may contain hidden nodes
    for folder in readable:
        _allow(ruleset, Path(folder), READ_RIGHTS)
    for folder in writable:
        _allow(ruleset, Path(folder), rights)
    syscalls.set_no_new_privileges()
    with syscalls.required("landlock_restrict_self"):
        syscalls.system_call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _ruleset(version: int, rights: int) -> int:
    fields = (rights, 0, SCOPED)[: 1 if version < 4 else 2 if version < 6 else 3]
    attributes = struct.pack(f"{len(fields)}Q", *fields)
    return syscalls.system_call(CREATE_RULESET, attributes, len(attributes), 0)


def _visible(folder: Path, hidden: list[Path]) -> Iterator[Path]:
    """Return the topmost files and folders at or below `folder` that contain nothing hidden."""
    if folder in hidden or folder.is_symlink() or not folder.exists():
        return
    if not any(folder in path.parents for path in hidden):
        yield folder
        return
    for entry in folder.iterdir():
        yield from _visible(entry, hidden)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH)
    except (FileNotFoundError, PermissionError):  # it was deleted, or is inaccessible anyway
        return
    try:
        allowed = rights if stat.S_ISDIR(os.fstat(descriptor).st_mode) else rights & FILE_RIGHTS
        rule = struct.pack("=Qi", allowed, descriptor)
        syscalls.system_call(ADD_RULE, ruleset, PATH_BENEATH, ctypes.create_string_buffer(rule, len(rule)), 0)
    finally:
        os.close(descriptor)
