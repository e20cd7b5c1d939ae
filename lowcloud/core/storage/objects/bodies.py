"""Reception of bodies: digested, verified against the sender's digests, written, made durable."""

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
# Bodies up to this size are stored in the database with their row, so that their fsync is shared with other writes.
MAX_INLINE_BYTES = 64 * 1024

# Returns the sender's digests (base64 by algorithm); called when the body has ended, since they may be in its trailers.
ExpectedDigests = Callable[[], Mapping[str, str]]


class TooLargeError(CloudError):
    """The body is larger than one request allows."""


@dataclass(frozen=True)
class Body:
    """Size, MD5 (hexadecimal) and checksums (base64) of a complete body."""

    size: int
    md5: str
    checksums: Mapping[str, str]


@dataclass(frozen=True)
class StoredBody(Body):
    """A body that is on disk but does not belong to an object yet."""

    blob: Blob


def no_expected_digests() -> Mapping[str, str]:
    """Return the digests of a sender that sends none."""
    return {}


def read_small(chunks: Iterator[bytes]) -> tuple[bytes | None, Iterable[bytes]]:
    """Return a small body, or None and all chunks of a larger one."""
    read: list[bytes] = []
    size = 0
    for chunk in chunks:
        read.append(chunk)
        size += len(chunk)
        if size > MAX_INLINE_BYTES:
            return None, chain(read, chunks)
    return read[0] if len(read) == 1 else b"".join(read), ()


def digest_small(
    content: bytes, algorithms: Sequence[str], expected_digests: ExpectedDigests = no_expected_digests
) -> Body:
    """Digest a body in memory. Raises DigestMismatchError and InvalidDigestError."""
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
    """Write a body to disk; the `with` block commits the row of its blob.

    Nothing stays on disk if the body is refused or the block raises a CloudError. After any other error of a commit its
    outcome is unknown, so the blob stays until a sweep finds no row for it.
    Raises DigestMismatchError, InvalidDigestError, TooLargeError and StorageFullError.
    """
    with context.files.create(wrapping) as writer:
        with disk_full_errors():
            digester = Digester(*algorithms)
            size = 0
            for chunk in chunks:
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    raise TooLargeError(f"The body of one request may have at most {MAX_BODY_BYTES} bytes.")
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
