"""Copies of objects: other bytes on disk, under keys of their own."""

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
    """An object to copy; without a version, the newest."""

    bucket: str
    key: str
    version: str | None = None


class SourceTooLargeError(CloudError):
    """The source has more bytes than one request may carry."""


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
    """Copy an object: (source, copy). Headers, metadata and tags that are given replace the source's.

    `own_headers` are the copy's beside those, whatever the source has (None: it has none of that name).
    Raises what get and put raise, and SourceTooLargeError.
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
        raise SourceTooLargeError(f"An object of more than {MAX_BODY_BYTES} bytes is copied in parts.")
    said = found.metadata
    kept = {**(said.headers if headers is None else headers), **(extra_headers or {})}
    new = ObjectMetadata(
        {name: value for name, value in kept.items() if value is not None},
        said.user_metadata if user_metadata is None else user_metadata,
        said.tags if tags is None else tags,
        encryption,
    )
    source_algorithm = found.checksum.algorithm if found.checksum else DEFAULT_ALGORITHM
    made = objects.put(
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
    return found, made
