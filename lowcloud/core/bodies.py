"""Bodies on their way into the store: counted, digested, checked against the sender's claims, written, made durable."""

import errno
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from lowcloud.core.checksums import Digester
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import CloudError, StorageFull
from lowcloud.store.files import Blob

LARGEST_BODY_BYTES = 5 * 1024**3

# What the sender says the digests are (base64 by algorithm), asked for when the body has ended: they may trail it.
Claims = Callable[[], Mapping[str, str]]


class TooLarge(CloudError):
    """The body is larger than one request may carry."""


@dataclass(frozen=True)
class Body:
    """A body that is on disk but not yet an object's: its MD5 (hexadecimal) and its checksums (base64)."""

    blob: Blob
    md5: str
    checksums: Mapping[str, str]


def no_claims() -> Mapping[str, str]:
    """The sender says nothing about digests."""
    return {}


@contextmanager
def receive(
    cloud: Cloud, chunks: Iterable[bytes], algorithms: Sequence[str], claims: Claims = no_claims
) -> Iterator[Body]:
    """Take a body in; the `with` block commits the row that names it.

    Nothing stays on disk where the body is refused or the block raises a CloudError. Any other error of a commit leaves
    its outcome open, so the blob then stays until a sweep finds no row for it.
    Raises DigestMismatch, InvalidDigest, TooLarge and StorageFull.
    """
    with cloud.files.create() as writer:
        with full_disk_told():
            digester = Digester(*algorithms)
            size = 0
            for chunk in chunks:
                size += len(chunk)
                if size > LARGEST_BODY_BYTES:
                    raise TooLarge(f"One request may carry {LARGEST_BODY_BYTES} bytes at most.")
                digester.update(chunk)
                writer.write(chunk)
            digester.verify(claims())
            blob = writer.finish()
        try:
            with full_disk_told():
                yield Body(blob, digester.md5(), {name: digester.checksum(name) for name in algorithms})
        except CloudError:
            writer.abandon()
            raise


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
