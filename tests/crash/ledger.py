"""The expected content of a store whose writer was killed, from the changes that the writer announced and completed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.storage.multipart import uploads
from lowcloud.core.storage.objects import listings, objects
from lowcloud.store.db.tables.storage import contents, parts
from lowcloud.store.db.tables.storage import objects as versions
from lowcloud.store.db.tables.storage import uploads as pending
from tests.crash.drivers.writer import BRIEF, PLAIN, VERSIONED

Key = tuple[str, str]  # bucket, key


@dataclass
class Ledger:
    """Expected digests of contents. None: the key has no object."""

    newest: dict[Key, set[str | None]] = field(default_factory=dict)  # the possible contents of each key
    begun: dict[Key, set[str | None]] = field(default_factory=dict)  # contents whose write was begun
    versions: dict[tuple[str, str], str] = field(default_factory=dict)  # key and version -> digest
    removing: set[tuple[str, str]] = field(default_factory=set)
    parts: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # upload -> bucket, key, etag
    aborting: set[str] = field(default_factory=set)
    brief: dict[Key, set[str]] = field(default_factory=dict)  # the possible contents of each key, if it still exists
    acknowledged: int = 0

    def follow(self, event: list[Any]) -> None:
        """Record the next line of the writer."""
        match event:
            case ["begin", bucket, key, digest]:
                self.newest.setdefault((bucket, key), {None}).add(digest)
                self.begun.setdefault((bucket, key), set()).add(digest)
            case ["done", bucket, key, digest, version]:
                self.newest[bucket, key] = {digest}
                self.acknowledged += 1
                if bucket == VERSIONED and digest is not None:
                    self.versions[key, version] = digest
            case ["brief", bucket, key, digest]:
                self.brief.setdefault((bucket, key), set()).add(digest)
            case ["remove", key, version]:
                self.removing.add((key, version))
            case ["removed", key, version]:
                self.removing.discard((key, version))
                del self.versions[key, version]
            case ["part", bucket, key, upload, etag]:
                self.parts[upload] = bucket, key, etag
            case ["abort", upload]:
                self.aborting.add(upload)
            case ["aborted", upload]:
                self.aborting.discard(upload)
                del self.parts[upload]

    def check(self, context: Context) -> None:
        """Check that everything acknowledged is there unchanged, and that nothing is incomplete or orphaned."""
        self._check_newest(context)
        self._check_versions(context)
        self._check_parts(context)
        assert list(leftovers(context)) == []

    def _check_newest(self, context: Context) -> None:
        for bucket in (PLAIN, VERSIONED):
            held = {found.key for found in listings.walk(context, bucket)}
            assert held <= {key for of, key in (*self.newest, *self.brief) if of == bucket}
            for key in held:
                assert not key.startswith(BRIEF) or digest_of(context, bucket, key) in self.brief[bucket, key]
        for (bucket, key), allowed in self.newest.items():
            try:
                found: str | None = digest_of(context, bucket, key)
            except NotFoundError:
                found = None
            assert found in allowed, (bucket, key)
            allowed &= {found}

    def _check_versions(self, context: Context) -> None:
        there = set()
        for entry in listings.list_versions(context, VERSIONED, limit=10**9).entries:
            assert isinstance(entry, listings.Version)
            if not entry.is_marker:
                there.add((entry.key, entry.version))
                found = digest_of(context, VERSIONED, entry.key, entry.version)
                known = self.versions.get((entry.key, entry.version))
                begun = self.brief if entry.key.startswith(BRIEF) else self.begun
                assert found == known if known else found in begun[VERSIONED, entry.key]
        assert self.versions.keys() - there <= self.removing
        for gone in self.removing - there:
            self.versions.pop(gone, None)
        self.removing.clear()

    def _check_parts(self, context: Context) -> None:
        """Check the parts of open uploads, then abort the uploads."""
        for upload, (bucket, key, etag) in self.parts.items():
            try:
                found = uploads.find(context, bucket, key, upload)
            except NotFoundError:
                assert upload in self.aborting
                continue
            (part,), _ = uploads.list_parts(context, found.id)
            assert part.etag == etag
            uploads.abort(context, bucket, key, upload)
        self.parts.clear()
        self.aborting.clear()


def digest_of(context: Context, bucket: str, key: str, version: str | None = None) -> str:
    """Return the digest of the content."""
    return sha256(b"".join(objects.get(context, bucket, key, version=version)[1])).hexdigest()


def leftovers(context: Context) -> Iterator[str]:
    """Return rows whose blobs are missing, and blobs without rows."""
    with context.database.read() as connection:
        named = set(connection.scalars(sa.select(parts.c.blob)))
        small = set(connection.scalars(sa.select(versions.c.id).where(versions.c.wrapped_key.is_not(None))))
        large = set(
            connection.scalars(sa.select(versions.c.id).where(versions.c.wrapped_key.is_(None), ~versions.c.is_marker))
        )
        open_uploads = set(connection.scalars(sa.select(pending.c.id)))
        owners = set(connection.scalars(sa.select(parts.c.owner)))
        kept = set(connection.scalars(sa.select(contents.c.id)))
        if connection.dialect.name == "sqlite":
            assert connection.scalar(sa.text("PRAGMA integrity_check")) == "ok"
    files = {path.name for path in (context.settings.data / "objects").glob("*/*")}
    yield from (f"file {one} without a row" for one in files - named)
    yield from (f"row of {one} without a file" for one in named - files)
    yield from (f"content {one} without an object" for one in kept - small)
    yield from (f"object {one} without its content" for one in small - kept)
    yield from (f"parts of {one}, which is nothing" for one in owners - large - open_uploads)
    yield from (f"object {one} without parts" for one in large - owners)
