"""Buckets: created, found, listed, configured and deleted."""

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
from lowcloud.store.db.tables.storage import access_lists, bucket_configurations, buckets, objects, parts, uploads

ENABLED, SUSPENDED = "enabled", "suspended"  # states of versioning; None: never enabled
PUBLIC_ACCESS_BLOCK, OWNERSHIP = "public-access-block", "ownership"  # configurations that every new bucket has

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_FIND = PreparedStatement(sa.select(buckets).where(buckets.c.name == sa.bindparam("with_name")))
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_RESERVED = re.compile(r"xn--.*|sthree-.*|amzn-s3-demo-.*|.*-s3alias|.*--ol-s3|.*\.mrap|.*--x-s3|.*--table-s3")

# New buckets block all public access and disable access control lists.
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
    versioning: str | None = None  # ENABLED: overwriting keeps the previous version; SUSPENDED: it did once
    encryption: Mapping[str, Any] | None = None  # {"algorithm": "kms", "key_id"?, "bucket_key": bool}; None: AES256
    object_lock: Mapping[str, Any] | None = None  # {} or {"mode", "days" or "years"}; None: not enabled
    notifications: str | None = None  # rules, in the form of objects/notifications.py; None: none


class ObjectLockRequiredError(CloudError):
    """Versioning of a bucket with object lock cannot be suspended."""


class NotVersionedError(CloudError):
    """Object lock requires versioning."""


class InvalidBucketNameError(CloudError):
    """The name is not a valid bucket name."""


def create(
    context: Context,
    name: str,
    region: str | None = None,
    *,
    object_lock_enabled: bool = False,
    configurations: Mapping[str, Mapping[str, Any]] | None = None,
) -> Bucket:
    """Create a bucket, with configurations by kind. Raises InvalidBucketNameError and AlreadyExistsError."""
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
        connection.execute(sa.insert(buckets).values(**_to_columns(asdict(bucket))))
        connection.execute(sa.insert(bucket_configurations), rows)
    context.access.invalidate()  # the name may have been asked about
    return bucket


def find(context: Context, name: str) -> Bucket:
    """Return the bucket with this name. Raises NotFoundError."""
    with context.database.read() as connection:
        return require(connection, name)


def list_page(
    context: Context, limit: int, *, after: str | None = None, prefix: str = "", region: str | None = None
) -> tuple[list[Bucket], str | None]:
    """Return at most `limit` buckets by name, and the name after which the next page begins."""
    query = sa.select(buckets).where(buckets.c.name > (after or ""), buckets.c.name.startswith(prefix, autoescape=True))
    if region is not None:
        query = query.where(buckets.c.region == region)
    with context.database.read() as connection:
        rows = connection.execute(query.order_by(buckets.c.name).limit(limit + 1)).all()
    found = [_bucket(row) for row in rows[:limit]]
    return found, found[-1].name if found and len(rows) > limit else None


def delete(context: Context, name: str) -> None:
    """Delete an empty bucket and its uploads in progress. Raises NotFoundError and InUseError."""

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
    context.access.invalidate()


def set_versioning(context: Context, name: str, versioning: str) -> None:
    """Set versioning to ENABLED or SUSPENDED. Raises NotFoundError and ObjectLockRequiredError."""

    def change(connection: sa.Connection) -> None:
        if require(connection, name).object_lock is not None and versioning != ENABLED:
            raise ObjectLockRequiredError(f"Bucket {name} has object lock enabled: its versioning cannot be suspended.")
        _update(connection, name, versioning=versioning)

    context.database.apply(change)


def set_encryption(context: Context, name: str, encryption: Mapping[str, Any] | None) -> None:
    """Set the default encryption of new objects. Raises NotFoundError."""

    def change(connection: sa.Connection) -> None:
        require(connection, name)
        _update(connection, name, encryption=encryption)

    context.database.apply(change)


def set_object_lock(context: Context, name: str, retention: Mapping[str, Any]) -> None:
    """Enable object lock, with a default retention ({}: none). Raises NotFoundError and NotVersionedError."""
    if retention and retention.keys() not in ({"mode", "days"}, {"mode", "years"}):
        raise InvalidError("A default retention needs a mode and either days or years.")

    def change(connection: sa.Connection) -> None:
        if require(connection, name).versioning != ENABLED:
            raise NotVersionedError(f"Versioning is not enabled for bucket {name}.")
        _update(connection, name, object_lock=retention)

    context.database.apply(change)


def require(connection: sa.Connection, name: str) -> Bucket:
    """Return the bucket with this name, within a transaction. Raises NotFoundError."""
    row = _FIND.first(connection, with_name=name)
    if row is None:
        raise NotFoundError("bucket", name)
    return _bucket(row)


def check_name(name: str) -> None:
    """Raise InvalidBucketNameError."""
    if not _NAME.fullmatch(name) or ".." in name or _ADDRESS.fullmatch(name) or _RESERVED.fullmatch(name):
        raise InvalidBucketNameError(
            f"{name!r} is not a valid bucket name: use 3 to 63 lower-case letters, digits, hyphens and dots, "
            "starting and ending with a letter or digit, and not the form of an IP address."
        )


def _update(connection: sa.Connection, name: str, **values: Any) -> None:
    connection.execute(sa.update(buckets).where(buckets.c.name == name).values(**_to_columns(values)))


def _to_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Encode documents as JSON text, since prepared statements read the columns."""
    return {name: json.dumps(value) if isinstance(value, Mapping) else value for name, value in values.items()}


def _bucket(row: Sequence[Any]) -> Bucket:
    name, region, created_at, versioning, encryption, object_lock, notifications = row
    default_encryption = None if encryption is None else json.loads(encryption)
    lock = None if object_lock is None else json.loads(object_lock)
    return Bucket(name, region, created_at, versioning, default_encryption, lock, notifications)
