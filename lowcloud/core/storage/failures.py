"""A disk or a database that fails, told as what it is by whoever meets it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from lowcloud.core.context import Context
from lowcloud.core.errors import StorageFullError, StorageUnavailableError
from lowcloud.store.blobs.disk import StorageFault, fault_of

log = logging.getLogger("lowcloud.disk")

T = TypeVar("T")
FreedBlobs = Sequence[Sequence[str]]  # blobs, together those that one object had

_SENTENCES = {
    StorageFault.FULL: "The disk is full: nothing was stored. Free some space and try again.",
    StorageFault.READ_ONLY: "The disk is read-only. Make it writable and try again; reading goes on.",
    StorageFault.FAILING: "The disk refuses to read or to write. The server's log says which file and why.",
    StorageFault.BUSY: "The store is too busy. Try again.",
    StorageFault.UNREACHABLE: (
        "The database does not answer for now. Try again: whether this request was carried out is not known."
    ),
    StorageFault.DAMAGED: "The database or its disk is damaged: it cannot be read. Run `lowcloud check`.",
}


@contextmanager
def disk_full_errors() -> Iterator[None]:
    """Tell a full disk, met by a file or by the database, as StorageFullError: nothing was written."""
    try:
        yield
    except (OSError, DBAPIError) as error:
        if fault_of(error) is not StorageFault.FULL:
            raise
        raise StorageFullError(_SENTENCES[StorageFault.FULL]) from error


def apply_deletion(context: Context, change: Callable[[Connection], tuple[T, FreedBlobs]]) -> T:
    """Make a change that frees room, even on a full disk, and delete the blobs that it names.

    `change` is as Database.apply wants it, and may be run twice. Raises StorageFullError.
    """
    with disk_full_errors():
        try:
            result = _free(context, change)
        except DBAPIError as error:
            if fault_of(error) is not StorageFault.FULL:
                raise
            with context.reserve.released():
                context.database.shrink_log()
                result = _free(context, change)
        if context.reserve.is_short:
            context.reserve.fill()
    return result


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raise what a disk or a database has met as StorageFullError or StorageUnavailableError, at the edge of a request.

    Not below: a commit whose sync to disk fails may yet turn out to have happened, so who writes must not take it for a
    refusal, which is what a CloudError means.
    """
    try:
        yield
    except (OSError, DBAPIError, PoolTimeout) as error:
        fault = fault_of(error)
        if fault is None:
            raise
        log.error("%s: %s", fault.value, error)
        raise (StorageFullError if fault is StorageFault.FULL else StorageUnavailableError)(
            _SENTENCES[fault]
        ) from error


def _free(context: Context, change: Callable[[Connection], tuple[T, FreedBlobs]]) -> T:
    result, freed = context.database.apply(change)
    for blobs in freed:
        context.files.delete(blobs)
    return result
