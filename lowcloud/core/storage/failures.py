"""Errors of the disk and of the database, converted into errors of core."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from lowcloud.core.context import Context
from lowcloud.core.errors import DamagedObjectError, ForbiddenError, StorageFullError, StorageUnavailableError
from lowcloud.store.blobs.disk import StorageFault, fault_of
from lowcloud.store.blobs.encryption import TamperedError, WrongKeyError
from lowcloud.store.blobs.files import BlobMissingError

log = logging.getLogger("lowcloud.disk")

T = TypeVar("T")
FreedBlobs = Sequence[Sequence[str]]  # ids of blobs, grouped by the object that they belonged to

_MESSAGES = {
    StorageFault.FULL: "The disk is full: nothing was stored. Free some space and try again.",
    StorageFault.READ_ONLY: "The disk is read-only. Make it writable and try again; reads still work.",
    StorageFault.FAILING: "The disk fails to read or write. The server's log names the file and the error.",
    StorageFault.BUSY: "The store is too busy. Try again.",
    StorageFault.UNREACHABLE: (
        "The database is unreachable. Try again: it is unknown whether this request took effect."
    ),
    StorageFault.DAMAGED: "The database or its disk is damaged and cannot be read. Run `lowcloud check`.",
}


@contextmanager
def disk_full_errors() -> Iterator[None]:
    """Raise StorageFullError for a full disk, whether a file or the database reports it: nothing was written."""
    try:
        yield
    except (OSError, DBAPIError) as error:
        if fault_of(error) is not StorageFault.FULL:
            raise
        raise StorageFullError(_MESSAGES[StorageFault.FULL]) from error


def apply_deletion(context: Context, change: Callable[[Connection], tuple[T, FreedBlobs]]) -> T:
    """Run a change that deletes rows, even on a full disk, and then delete the blobs that it returns.

    `change` is passed to Database.apply, and may run twice. Raises StorageFullError.
    """
    with disk_full_errors():
        try:
            result = _delete(context, change)
        except DBAPIError as error:
            if fault_of(error) is not StorageFault.FULL:
                raise
            with context.reserve.released():
                context.database.shrink_log()
                result = _delete(context, change)
        if context.reserve.is_short:
            context.reserve.fill()
    return result


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raise StorageFullError or StorageUnavailableError for errors of the disk or the database.

    Only at the edge of a request: a commit whose fsync fails may still have happened, so code that writes must not
    mistake such an error for a CloudError, which means that nothing was changed.
    """
    try:
        yield
    except (OSError, DBAPIError, PoolTimeout) as error:
        fault = fault_of(error)
        if fault is None:
            raise
        log.error("%s: %s", fault.value, error)
        raise (StorageFullError if fault is StorageFault.FULL else StorageUnavailableError)(_MESSAGES[fault]) from error


@contextmanager
def object_errors() -> Iterator[None]:
    """Raise what the store finds wrong with an object's bytes or key as DamagedObjectError or ForbiddenError."""
    try:
        yield
    except WrongKeyError as error:
        raise ForbiddenError(str(error)) from error
    except (TamperedError, BlobMissingError) as error:
        raise DamagedObjectError(str(error)) from error


def _delete(context: Context, change: Callable[[Connection], tuple[T, FreedBlobs]]) -> T:
    result, freed = context.database.apply(change)
    for blobs in freed:
        context.files.delete(blobs)
    return result
