"""Buckets: the named rooms that objects lie in."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, CloudError, InUseError, InvalidError, NotFoundError
from lowcloud.core.storage.failures import FreedBlobs, apply_deletion
from lowcloud.store.db.prepared import PreparedStatement
from lowcloud.store.db.tables import access_lists, bucket_configurations, buckets, objects, parts, uploads

ENABLED, SUSPENDED = "enabled", "suspended"  # whether a bucket keeps versions; None where it never did
PUBLIC_ACCESS_BLOCK, OWNERSHIP = "public-access-block", "ownership"  # configurations that every bucket begins with

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_FIND = PreparedStatement(sa.select(buckets).where(buckets.c.name == sa.bindparam("with_name")))
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_RESERVED = re.compile(r"xn--.*|sthree-.*|amzn-s3-demo-.*|.*-s3alias|.*--ol-s3|.*\.mrap|.*--x-s3|.*--table-s3")

# What a bucket begins with: nothing in it can be made public, and everything in it is its owner's.
DEFAULT_CONFIGURATIONS: Mapping[str, Mapping[str, Any]] = {
    PUBLIC_ACCESS_BLOCK: {"block_lists": True, "ignore_lists": True, "block_policy": True, "restrict": True},
    OWNERSHIP: {"rule": "enforced"},
}


@dataclass(frozen=True)
class Bucket:
    """A bucket of this account. Times are seconds since the epoch."""

    name: str
    region: str
    created_at: float
    versioning: str | None = None  # ENABLED: writes keep what was there; SUSPENDED: they did once
    encryption: Mapping[str, Any] | None = None  # {"algorithm": "kms", "key_id"?, "bucket_key": bool}; None: AES256
    object_lock: Mapping[str, Any] | None = None  # {} or {"mode", "days" or "years"}; None: there is no lock
    notifications: str | None = None  # rules, as objects/notifications.py writes them; None: nobody is told


class ObjectLockRequiredError(CloudError):
    """A bucket whose objects can be locked keeps its versions for ever."""


class NotVersionedError(CloudError):
    """Objects can be locked only in a bucket that keeps versions."""


class InvalidBucketNameError(CloudError):
    """The name breaks the rules that every bucket name follows."""


def create(
    context: Context,
    name: str,
    region: str | None = None,
    *,
    object_lock_enabled: bool = False,
    configurations: Mapping[str, Mapping[str, Any]] | None = None,
) -> Bucket:
    """Make a bucket, with these configurations by kind. Raises InvalidBucketNameError and AlreadyExistsError."""
    check_name(name)
    region, now = region or context.settings.region, context.now()
    bucket = Bucket(name, region, now, ENABLED, None, {}) if object_lock_enabled else Bucket(name, region, now)
    rows = [
        {"bucket": name, "kind": kind, "document": document, "modified_at": now}
        for kind, document in {**DEFAULT_CONFIGURATIONS, **(configurations or {})}.items()
    ]
    with context.database.transaction() as connection:
        if connection.execute(sa.select(buckets.c.name).where(buckets.c.name == name)).first():
            raise AlreadyExistsError("bucket", name)
        connection.execute(sa.insert(buckets).values(**_stored(asdict(bucket))))
        connection.execute(sa.insert(bucket_configurations), rows)
    return bucket


def find(context: Context, name: str) -> Bucket:
    """The bucket of this name. Raises NotFoundError."""
    with context.database.read() as connection:
        return require(connection, name)


def list_page(
    context: Context, limit: int, *, after: str | None = None, prefix: str = "", region: str | None = None
) -> tuple[list[Bucket], str | None]:
    """At most `limit` buckets by name, and the name to go on after."""
    query = sa.select(buckets).where(buckets.c.name > (after or ""), buckets.c.name.startswith(prefix, autoescape=True))
    if region is not None:
        query = query.where(buckets.c.region == region)
    with context.database.read() as connection:
        rows = connection.execute(query.order_by(buckets.c.name).limit(limit + 1)).all()
    found = [_bucket(row) for row in rows[:limit]]
    return found, found[-1].name if found and len(rows) > limit else None


def delete(context: Context, name: str) -> None:
    """Remove an empty bucket and what was being uploaded into it. Raises NotFoundError and InUseError."""

    def change(connection: sa.Connection) -> tuple[None, FreedBlobs]:
        require(connection, name)
        if connection.execute(sa.select(sa.exists().where(objects.c.bucket == name))).scalar():
            raise InUseError(f"Bucket {name} is not empty.")
        pending = sa.select(uploads.c.id).where(uploads.c.bucket == name)
        blobs = connection.execute(sa.select(parts.c.blob).where(parts.c.owner.in_(pending))).scalars().all()
        connection.execute(sa.delete(parts).where(parts.c.owner.in_(pending)))
        connection.execute(sa.delete(uploads).where(uploads.c.bucket == name))
        for table in (bucket_configurations, access_lists):
            connection.execute(sa.delete(table).where(table.c.bucket == name))
        connection.execute(sa.delete(buckets).where(buckets.c.name == name))
        return None, [[blob] for blob in blobs]

    apply_deletion(context, change)


def set_versioning(context: Context, name: str, versioning: str) -> None:
    """ENABLED or SUSPENDED. Raises NotFoundError and ObjectLockRequiredError."""

    def change(connection: sa.Connection) -> None:
        if require(connection, name).object_lock is not None and versioning != ENABLED:
            raise ObjectLockRequiredError(f"Bucket {name} has an object lock: its versioning cannot be suspended.")
        _update(connection, name, versioning=versioning)

    context.database.apply(change)


def set_encryption(context: Context, name: str, encryption: Mapping[str, Any] | None) -> None:
    """How to encrypt objects that do not say. Raises NotFoundError."""

    def change(connection: sa.Connection) -> None:
        require(connection, name)
        _update(connection, name, encryption=encryption)

    context.database.apply(change)


def set_object_lock(context: Context, name: str, retention: Mapping[str, Any]) -> None:
    """Let objects be locked, new ones by this retention ({}: none). Raises NotFoundError and NotVersionedError."""
    if retention and retention.keys() not in ({"mode", "days"}, {"mode", "years"}):
        raise InvalidError("A retention has a mode and either days or years.")

    def change(connection: sa.Connection) -> None:
        if require(connection, name).versioning != ENABLED:
            raise NotVersionedError(f"Bucket {name} does not keep versions.")
        _update(connection, name, object_lock=retention)

    context.database.apply(change)


def require(connection: sa.Connection, name: str) -> Bucket:
    """The bucket of this name, within a transaction. Raises NotFoundError."""
    row = _FIND.first(connection, with_name=name)
    if row is None:
        raise NotFoundError("bucket", name)
    return _bucket(row)


def check_name(name: str) -> None:
    """Raises InvalidBucketNameError."""
    if not _NAME.fullmatch(name) or ".." in name or _ADDRESS.fullmatch(name) or _RESERVED.fullmatch(name):
        raise InvalidBucketNameError(
            f"{name!r} is no bucket name: use 3 to 63 lower-case letters, digits, hyphens and dots, "
            "starting and ending with a letter or digit, and not the form of an IP address."
        )


def _update(connection: sa.Connection, name: str, **values: Any) -> None:
    connection.execute(sa.update(buckets).where(buckets.c.name == name).values(**_stored(values)))


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of columns; documents as text, since prepared statements read them."""
    return {name: json.dumps(value) if isinstance(value, Mapping) else value for name, value in values.items()}


def _bucket(row: Sequence[Any]) -> Bucket:
    name, region, created_at, versioning, encryption, object_lock, notifications = row
    default = None if encryption is None else json.loads(encryption)
    lock = None if object_lock is None else json.loads(object_lock)
    return Bucket(name, region, created_at, versioning, default, lock, notifications)
