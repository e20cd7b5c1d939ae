"""Bodies on their way into the store: counted, digested, checked against the sender's claims, written, made durable."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError
from lowcloud.core.storage.failures import disk_full_errors
from lowcloud.core.storage.objects.checksums import Digester
from lowcloud.store.blobs.encryption import MASTER_KEY_WRAPPING, KeyWrapping
from lowcloud.store.blobs.files import Blob

MAX_BODY_BYTES = 5 * 1024**3
# A body of this size lies in the database, with its row: its sync to disk is then shared with that of others.
MAX_INLINE_BYTES = 64 * 1024

# What the sender says the digests are (base64 by algorithm), asked for when the body has ended: they may trail it.
ExpectedDigests = Callable[[], Mapping[str, str]]


class TooLargeError(CloudError):
    """The body is larger than one request may carry."""


@dataclass(frozen=True)
class Body:
    """What is known of a body that has come whole: its MD5 (hexadecimal) and its checksums (base64)."""

    size: int
    md5: str
    checksums: Mapping[str, str]


@dataclass(frozen=True)
class StoredBody(Body):
    """A body that is on disk but not yet an object's."""

    blob: Blob


def no_expected_digests() -> Mapping[str, str]:
    """The sender says nothing about digests."""
    return {}


def read_small(chunks: Iterator[bytes]) -> tuple[bytes | None, Iterable[bytes]]:
    """The whole body where it is a small one; else None, and all of its chunks again."""
    taken: list[bytes] = []
    size = 0
    for chunk in chunks:
        taken.append(chunk)
        size += len(chunk)
        if size > MAX_INLINE_BYTES:
            return None, chain(taken, chunks)
    return taken[0] if len(taken) == 1 else b"".join(taken), ()


def digest_small(
    content: bytes, algorithms: Sequence[str], expected_digests: ExpectedDigests = no_expected_digests
) -> Body:
    """Digest a body that is here. Raises DigestMismatch and InvalidDigest."""
    digester = Digester(*algorithms)
    digester.update(content)
    digester.verify(expected_digests())
    return Body(len(content), digester.md5(), {name: digester.checksum(name) for name in algorithms})


@contextmanager
def store_body(
    context: Context,
    chunks: Iterable[bytes],
    algorithms: Sequence[str],
    expected_digests: ExpectedDigests = no_expected_digests,
    wrapping: KeyWrapping = MASTER_KEY_WRAPPING,
) -> Iterator[StoredBody]:
    """Take a body in; the `with` block commits the row that names its blob.

    Nothing stays on disk where the body is refused or the block raises a CloudError. Any other error of a commit leaves
    its outcome open, so the blob then stays until a sweep finds no row for it.
    Raises DigestMismatch, InvalidDigest, TooLargeError and StorageFull.
    """
    with context.files.create(wrapping) as writer:
        with disk_full_errors():
            digester = Digester(*algorithms)
            size = 0
            for chunk in chunks:
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    raise TooLargeError(f"One request may carry {MAX_BODY_BYTES} bytes at most.")
                digester.update(chunk)
                writer.write(chunk)
            digester.verify(expected_digests())
            blob = writer.finish()
        try:
            with disk_full_errors():
                checksums = {name: digester.checksum(name) for name in algorithms}
                yield StoredBody(size, digester.md5(), checksums, blob)
        except CloudError:
            writer.abandon()
            raise
