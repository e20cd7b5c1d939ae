"""Classification of the errors of files and of the database: a full disk, a lost connection, damage ..."""

import errno
import os
import sqlite3
from enum import Enum
from pathlib import Path

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout


class StorageFault(Enum):
    """The reason why bytes could not be written or read."""

    FULL = "full"
    READ_ONLY = "read-only"
    FAILING = "failing"  # an error of the device, or missing permission
    BUSY = "busy"  # locked by another process, or too many open files
    UNREACHABLE = "unreachable"  # no connection to the database, or it is starting or stopping
    DAMAGED = "damaged"


_OF_ERRNO = {
    errno.ENOSPC: StorageFault.FULL,
    errno.EDQUOT: StorageFault.FULL,
    errno.EROFS: StorageFault.READ_ONLY,
    errno.EIO: StorageFault.FAILING,
    errno.EACCES: StorageFault.FAILING,
    errno.EPERM: StorageFault.FAILING,
    errno.ENODEV: StorageFault.FAILING,
    errno.ENXIO: StorageFault.FAILING,
    errno.ESTALE: StorageFault.FAILING,
    errno.EMFILE: StorageFault.BUSY,
    errno.ENFILE: StorageFault.BUSY,
}
# SQLite reports IOERR for a device that refuses to write, even if the reason is that it is read-only.
_OF_SQLITE = {
    sqlite3.SQLITE_FULL: StorageFault.FULL,
    sqlite3.SQLITE_READONLY: StorageFault.READ_ONLY,
    sqlite3.SQLITE_IOERR: StorageFault.FAILING,
    sqlite3.SQLITE_CANTOPEN: StorageFault.FAILING,
    sqlite3.SQLITE_PERM: StorageFault.FAILING,
    sqlite3.SQLITE_BUSY: StorageFault.BUSY,
    sqlite3.SQLITE_LOCKED: StorageFault.BUSY,
    sqlite3.SQLITE_PROTOCOL: StorageFault.BUSY,
    sqlite3.SQLITE_CORRUPT: StorageFault.DAMAGED,
    sqlite3.SQLITE_NOTADB: StorageFault.DAMAGED,
}
# https://www.postgresql.org/docs/current/errcodes-appendix.html; the longest matching prefix decides
_OF_POSTGRESQL = {
    "53100": StorageFault.FULL,
    "25006": StorageFault.READ_ONLY,
    "53": StorageFault.BUSY,
    "55P03": StorageFault.BUSY,
    "57P": StorageFault.UNREACHABLE,
    "58": StorageFault.FAILING,
    "08": StorageFault.UNREACHABLE,
    "XX001": StorageFault.DAMAGED,
    "XX002": StorageFault.DAMAGED,
}
_SQLITE_PRIMARY = 0xFF  # the low byte of an extended result code


FULL_BYTES = 512 * 1024  # with less free space, the database cannot rely on being written to


def is_full(folder: Path) -> bool:
    """Return whether the disk of a folder has too little space for the database. The disk reserve is not free space."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize < FULL_BYTES


def fault_of(error: OSError | DBAPIError | PoolTimeout) -> StorageFault | None:
    """Return the fault behind an error of a file or of the database, None for any other error."""
    if isinstance(error, OSError):
        return None if error.errno is None else _OF_ERRNO.get(error.errno)
    if isinstance(error, PoolTimeout):  # no connection became free in time
        return StorageFault.BUSY
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return _OF_SQLITE.get(code & _SQLITE_PRIMARY)
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return next((_OF_POSTGRESQL[state[:n]] for n in (5, 3, 2) if state[:n] in _OF_POSTGRESQL), None)
    # Without a connection the driver reports no state.
    return StorageFault.UNREACHABLE if error.connection_invalidated or isinstance(error, OperationalError) else None
