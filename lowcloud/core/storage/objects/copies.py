"""Copies of objects. A copy has its own bytes on disk and its own data key."""

from collections.abc import Mapping
from dataclasses import dataclass

from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError
from lowcloud.core.storage.objects import notifications, objects
from lowcloud.core.storage.objects.bodies import MAX_BODY_BYTES
from lowcloud.core.storage.objects.checksums import DEFAULT_ALGORITHM
from lowcloud.core.storage.objects.locks import UNLOCKED, Lock
from lowcloud.core.storage.objects.metadata import Encryption, ObjectMetadata
from lowcloud.core.storage.objects.preconditions import NO_PRECONDITIONS, Preconditions
from lowcloud.core.storage.objects.versions import Object


@dataclass(frozen=True)
class CopySource:
    """The object to copy; without a version, the newest one."""

    bucket: str
    key: str
    version: str | None = None


class SourceTooLargeError(CloudError):
    """The source is larger than one copy request allows."""


def copy(
    context: Context,
    source: CopySource,
    bucket: str,
    key: str,
    *,
    headers: Mapping[str, str] | None = None,
    extra_headers: Mapping[str, str | None] | None = None,
    user_metadata: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    encryption: Encryption | None = None,
    storage_class: str | None = None,
    lock: Lock = UNLOCKED,
    algorithm: str | None = None,
    source_customer_key: bytes | None = None,
    customer_key: bytes | None = None,
    source_preconditions: Preconditions = NO_PRECONDITIONS,
    preconditions: Preconditions = NO_PRECONDITIONS,
) -> tuple[Object, Object]:
    """Copy an object. Returns (source, copy). Headers, metadata and tags that are given replace the source's.

    `extra_headers` override both (None: the copy has no such header). Raises what objects.get and objects.put raise,
    and SourceTooLargeError.
    """
    objects.check_key(key)
    found, chunks = objects.get(
        context,
        source.bucket,
        source.key,
        version=source.version,
        customer_key=source_customer_key,
        preconditions=source_preconditions,
    )
    if found.size > MAX_BODY_BYTES:
        raise SourceTooLargeError(f"An object of more than {MAX_BODY_BYTES} bytes must be copied in parts.")
    old = found.metadata
    merged = {**(old.headers if headers is None else headers), **(extra_headers or {})}
    new = ObjectMetadata(
        {name: value for name, value in merged.items() if value is not None},
        old.user_metadata if user_metadata is None else user_metadata,
        old.tags if tags is None else tags,
        encryption,
    )
    source_algorithm = found.checksum.algorithm if found.checksum else DEFAULT_ALGORITHM
    copied = objects.put(
        context,
        bucket,
        key,
        chunks,
        new,
        storage_class=storage_class,
        lock=lock,
        customer_key=customer_key,
        algorithm=algorithm or source_algorithm,
        preconditions=preconditions,
        event=notifications.COPIED,
    )
    return found, copied
