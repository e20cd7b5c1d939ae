"""Whether an error means that the disk is full."""

import errno
import sqlite3

from sqlalchemy.exc import DBAPIError

POSTGRESQL_DISK_FULL = "53100"


def is_full(error: OSError | DBAPIError) -> bool:
    """Whether a file or the database met a full disk, or a full quota."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    codes = (getattr(error.orig, "sqlite_errorcode", None), getattr(error.orig, "sqlstate", None))
    return sqlite3.SQLITE_FULL in codes or POSTGRESQL_DISK_FULL in codes
