"""What a file or the database has met where the disk, or the server behind it, did not do what it was asked."""

import errno
import sqlite3
from enum import Enum

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout


class StorageFault(Enum):
    """Why bytes could not be written or read."""

    FULL = "full"
    READ_ONLY = "read-only"
    FAILING = "failing"  # an error of the device, or no right to a file
    BUSY = "busy"  # somebody else holds what is needed, or too much is open
    AWAY = "away"  # the database is not reached, or is starting or ending
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
# What SQLite says of a device that refuses to write is IOERR, even where that is because it is read-only.
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
# https://www.postgresql.org/docs/current/errcodes-appendix.html: the longest prefix counts
_OF_POSTGRESQL = {
    "53100": StorageFault.FULL,
    "25006": StorageFault.READ_ONLY,
    "53": StorageFault.BUSY,
    "55P03": StorageFault.BUSY,
    "57P": StorageFault.AWAY,
    "58": StorageFault.FAILING,
    "08": StorageFault.AWAY,
    "XX001": StorageFault.DAMAGED,
    "XX002": StorageFault.DAMAGED,
}
_SQLITE_PRIMARY = 0xFF  # the low byte of an extended result code


def fault_of(error: OSError | DBAPIError | PoolTimeout) -> StorageFault | None:
    """Which fault an error of a file or of the database tells of; None where it tells of something else."""
    if isinstance(error, OSError):
        return None if error.errno is None else _OF_ERRNO.get(error.errno)
    if isinstance(error, PoolTimeout):  # every connection was busy for too long
        return StorageFault.BUSY
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return _OF_SQLITE.get(code & _SQLITE_PRIMARY)
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return next((_OF_POSTGRESQL[state[:n]] for n in (5, 3, 2) if state[:n] in _OF_POSTGRESQL), None)
    # The driver has no state to tell where it has no connection at all.
    return StorageFault.AWAY if error.connection_invalidated or isinstance(error, OperationalError) else None
