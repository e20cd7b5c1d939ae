"""A disk that is full, told as what it is by whoever meets it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from lowcloud.core.errors import StorageFull
from lowcloud.store.disk import is_full


@contextmanager
def full_disk_told() -> Iterator[None]:
    """Tell a full disk, met by a file or by the database, as StorageFull."""
    try:
        yield
    except (OSError, DBAPIError) as error:
        if not is_full(error):
            raise
        raise StorageFull("The disk is full: nothing was stored. Free some space and try again.") from error
