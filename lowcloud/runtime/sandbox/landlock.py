"""Landlock: a process gives up the files it must not reach, with no privilege and no namespace (kernel 5.13 on).

https://docs.kernel.org/userspace-api/landlock.html. Rules only ever allow, so what is hidden is what no rule names.
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
SCOPED = 3  # abstract unix sockets and signals stay among confined processes; version 6 on

WRITABLE = ("/dev", "/proc", "/tmp", "/var/tmp")  # beside its own folders

EXECUTE, WRITE_FILE, READ_FILE, TRUNCATE, IOCTL_DEVICE = 1 << 0, 1 << 1, 1 << 2, 1 << 14, 1 << 15
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
READ_FOLDER = 1 << 3
READ_RIGHTS = EXECUTE | READ_FILE | READ_FOLDER
RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}  # by version


def confine(hide: Iterable[str], read: Iterable[str], write: Iterable[str]) -> None:
    """Take from this process, for good, all files below `hide` and all writing outside of `write` and WRITABLE.

    Below `hide`, what lies below `read` and `write` stays. Raises OSError.
    """
    version = syscalls.system_call(CREATE_RULESET, None, 0, VERSION_FLAG)
    rights = RIGHTS[min(version, 5)]
    ruleset = _ruleset(version, rights)
    for path in _visible(Path("/"), [Path(folder) for folder in (*hide, *WRITABLE)]):
        _allow(ruleset, path, READ_RIGHTS)
    for top in WRITABLE:
        for path in _visible(Path(top), [Path(folder) for folder in hide]):
            _allow(ruleset, path, rights)
    _allow(ruleset, Path("/dev"), READ_FOLDER)  # some programs list it, and it may hold hidden nodes
    for folder in read:
        _allow(ruleset, Path(folder), READ_RIGHTS)
    for folder in write:
        _allow(ruleset, Path(folder), rights)
    syscalls.gain_no_privileges()
    syscalls.system_call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _ruleset(version: int, rights: int) -> int:
    words = (rights, 0, SCOPED)[: 1 if version < 4 else 2 if version < 6 else 3]
    attributes = struct.pack(f"{len(words)}Q", *words)
    return syscalls.system_call(CREATE_RULESET, attributes, len(attributes), 0)


def _visible(folder: Path, hidden: list[Path]) -> Iterator[Path]:
    """The highest files and folders, `folder` itself or below it, that hold nothing hidden."""
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
    except (FileNotFoundError, PermissionError):  # it has gone, or could not be reached anyway
        return
    try:
        granted = rights if stat.S_ISDIR(os.fstat(descriptor).st_mode) else rights & FILE_RIGHTS
        rule = struct.pack("=Qi", granted, descriptor)
        syscalls.system_call(ADD_RULE, ruleset, PATH_BENEATH, ctypes.create_string_buffer(rule, len(rule)), 0)
    finally:
        os.close(descriptor)
