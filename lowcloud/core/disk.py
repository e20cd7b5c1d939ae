"""A disk that is full, told as what it is by whoever meets it."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from lowcloud.core.errors import StorageFull


@contextmanager
def full_disk_told() -> Iterator[None]:
    """Tell a full disk, met by a file or by the database, as StorageFull."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StorageFull("The disk is full: nothing was stored. Free some space and try again.") from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_FULL:
            raise
        raise StorageFull("The disk is full: nothing was stored. Free some space and try again.") from error
