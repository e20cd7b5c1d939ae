"""Listings of a bucket: pages in key order, with folders if a delimiter is given."""

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import versions
from lowcloud.core.storage.objects.versions import Version
from lowcloud.store.db import listing as folded_listing
from lowcloud.store.db.listing import list_with_folders
from lowcloud.store.db.tables.storage import objects

Folder = folded_listing.Folder  # for interfaces, which do not import the store
Entry = Version | Folder


@dataclass(frozen=True)
class Listing:
    """One page of a bucket in key order, and the key that the next page starts with (None: this is the last)."""

    entries: tuple[Entry, ...]
    next_start: str | None


@dataclass(frozen=True)
class VersionListing:
    """One page of versions, newest first under each key, and which of them (by id) are the newest."""

    entries: tuple[Entry, ...]
    newest: frozenset[str]
    is_truncated: bool


def list_page(
    context: Context,
    bucket: str,
    *,
    prefix: str = "",
    delimiter: str = "",
    start: str = "",
    after: str | None = None,
    limit: int = 1000,
) -> Listing:
    """List at most `limit` objects and folders from the key `start` on, or after a key or folder.

    Raises NotFoundError (bucket).
    """
    query = sa.select(*versions.VERSION_COLUMNS).where(objects.c.bucket == bucket)
    entries: list[Entry] = []
    with context.database.read() as connection:
        buckets.require(connection, bucket)
        found = list_with_folders(
            connection,
            query,
            [objects.c.key, objects.c.position],
            start=start,
            after=None if after is None else [after],
            prefix=prefix,
            delimiter=delimiter,
            hidden=objects.c.is_marker,
        )
        for entry in found:
            if len(entries) >= limit:
                return Listing(tuple(entries), _key(entry) if limit else None)
            entries.append(entry if isinstance(entry, Folder) else versions.to_version(tuple(entry)))
    return Listing(tuple(entries), None)


def list_versions(
    context: Context,
    bucket: str,
    *,
    prefix: str = "",
    delimiter: str = "",
    after_key: str | None = None,
    after_version: str | None = None,
    limit: int = 1000,
) -> VersionListing:
    """List at most `limit` versions and folders after all versions of a key, or after one of them.

    Raises NotFoundError (bucket).
    """
    query = sa.select(*versions.VERSION_COLUMNS).where(objects.c.bucket == bucket)
    entries: list[Entry] = []
    newest: set[str] = set()
    with context.database.read() as connection:
        buckets.require(connection, bucket)
        after = _position(connection, bucket, after_key, after_version)
        found = list_with_folders(
            connection,
            query,
            [objects.c.key, objects.c.position],
            after=after,
            prefix=prefix,
            delimiter=delimiter,
        )
        previous_key = after_key if after is not None and len(after) == 2 else None
        for entry in found:
            if len(entries) >= limit:
                return VersionListing(tuple(entries), frozenset(newest), limit > 0)
            if isinstance(entry, Folder):
                entries.append(entry)
                continue
            version = versions.to_version(tuple(entry))
            if version.key != previous_key:
                newest.add(version.id)
            previous_key = version.key
            entries.append(version)
    return VersionListing(tuple(entries), frozenset(newest), False)


def walk(context: Context, bucket: str, prefix: str = "") -> Iterator[Version]:
    """Yield every object whose key begins with `prefix`, in key order. Raises NotFoundError (bucket)."""
    start: str | None = ""
    while start is not None:
        listing = list_page(context, bucket, prefix=prefix, start=start)
        yield from (entry for entry in listing.entries if isinstance(entry, Version))
        start = listing.next_start


def _key(entry: Folder | sa.Row[tuple[object, ...]]) -> str:
    return entry.prefix if isinstance(entry, Folder) else str(entry._mapping[objects.c.key])


def _position(connection: sa.Connection, bucket: str, key: str | None, version: str | None) -> list[str | int] | None:
    """Return where a page of versions begins: after a key, or after one version of it.

    A client that empties a bucket page by page names versions that are deleted. Such a page begins at the time in the
    version's id, and may repeat a version rather than skip one.
    """
    if key is None or version is None:
        return None if key is None else [key]
    found = versions.named(connection, bucket, key, version)
    if found is not None:
        return [key, found.position]
    return [key, versions.earliest_position(version)]
