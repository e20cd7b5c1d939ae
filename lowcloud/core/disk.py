"""A disk or a database that fails, told as what it is by whoever meets it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import StorageFull, StorageUnavailable
from lowcloud.store.disk import Fault, fault_of

log = logging.getLogger("lowcloud.disk")

T = TypeVar("T")
Freed = Sequence[Sequence[str]]  # blobs, together those that one object had

_SENTENCES = {
    Fault.FULL: "The disk is full: nothing was stored. Free some space and try again.",
    Fault.READ_ONLY: "The disk is read-only. Make it writable and try again; reading goes on.",
    Fault.FAILING: "The disk refuses to read or to write. The server's log says which file and why.",
    Fault.BUSY: "The store is too busy. Try again.",
    Fault.AWAY: "The database does not answer for now. Try again: whether this request was carried out is not known.",
    Fault.DAMAGED: "The database or its disk is damaged: it cannot be read. Run `lowcloud check`.",
}


@contextmanager
def full_disk_told() -> Iterator[None]:
    """Tell a full disk, met by a file or by the database, as StorageFull: nothing was written."""
    try:
        yield
    except (OSError, DBAPIError) as error:
        if fault_of(error) is not Fault.FULL:
            raise
        raise StorageFull(_SENTENCES[Fault.FULL]) from error


def free(cloud: Cloud, change: Callable[[Connection], tuple[T, Freed]]) -> T:
    """Make a change that frees room, even on a full disk, and delete the blobs that it names.

    `change` is as Database.apply wants it, and may be run twice. Raises StorageFull.
    """
    with full_disk_told():
        try:
            result = _free(cloud, change)
        except DBAPIError as error:
            if fault_of(error) is not Fault.FULL:
                raise
            with cloud.reserve.given_up():
                cloud.database.shorten_log()
                result = _free(cloud, change)
        if cloud.reserve.is_short:
            cloud.reserve.fill()
    return result


@contextmanager
def faults_told() -> Iterator[None]:
    """Tell whatever a disk or a database has met as StorageFull or StorageUnavailable, at the edge of a request.

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
        raise (StorageFull if fault is Fault.FULL else StorageUnavailable)(_SENTENCES[fault]) from error


def _free(cloud: Cloud, change: Callable[[Connection], tuple[T, Freed]]) -> T:
    result, freed = cloud.database.apply(change)
    for blobs in freed:
        cloud.files.delete(blobs)
    return result
