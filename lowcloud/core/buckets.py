"""Buckets: the named rooms that objects lie in."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import AlreadyExists, CloudError, InUse, NotFound
from lowcloud.store.prepared import Prepared
from lowcloud.store.tables import buckets, objects, parts, uploads

ENABLED, SUSPENDED = "enabled", "suspended"  # whether a bucket keeps versions; None where it never did

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_FIND = Prepared(sa.select(buckets).where(buckets.c.name == sa.bindparam("with_name")))
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_RESERVED = re.compile(r"xn--.*|sthree-.*|amzn-s3-demo-.*|.*-s3alias|.*--ol-s3|.*\.mrap|.*--x-s3|.*--table-s3")


@dataclass(frozen=True)
class Bucket:
    """A bucket of this account. Times are seconds since the epoch."""

    name: str
    region: str
    created_at: float
    versioning: str | None = None  # ENABLED: writes keep what was there; SUSPENDED: they did once
    encryption: Mapping[str, Any] | None = None  # {"algorithm": "kms", "key_id"?, "bucket_key": bool}; None: AES256
    object_lock: Mapping[str, Any] | None = None  # {} or {"mode", "days" or "years"}; None: there is no lock


class InvalidBucketName(CloudError):
    """The name breaks the rules that every bucket name follows."""


def create(cloud: Cloud, name: str, region: str | None = None) -> Bucket:
    """Make a bucket. Raises InvalidBucketName and AlreadyExists."""
    check_name(name)
    bucket = Bucket(name, region or cloud.settings.region, cloud.now())
    with cloud.database.transaction() as connection:
        if connection.execute(sa.select(buckets.c.name).where(buckets.c.name == name)).first():
            raise AlreadyExists("bucket", name)
        connection.execute(sa.insert(buckets).values(name=name, region=bucket.region, created_at=bucket.created_at))
    return bucket


def find(cloud: Cloud, name: str) -> Bucket:
    """The bucket of this name. Raises NotFound."""
    with cloud.database.read() as connection:
        return require(connection, name)


def list_page(
    cloud: Cloud, limit: int, *, after: str | None = None, prefix: str = "", region: str | None = None
) -> tuple[list[Bucket], str | None]:
    """At most `limit` buckets by name, and the name to go on after."""
    query = sa.select(buckets).where(buckets.c.name > (after or ""), buckets.c.name.startswith(prefix, autoescape=True))
    if region is not None:
        query = query.where(buckets.c.region == region)
    with cloud.database.read() as connection:
        rows = connection.execute(query.order_by(buckets.c.name).limit(limit + 1)).all()
    found = [Bucket(**row._mapping) for row in rows[:limit]]
    return found, found[-1].name if found and len(rows) > limit else None


def delete(cloud: Cloud, name: str) -> None:
    """Remove an empty bucket and what was being uploaded into it. Raises NotFound and InUse."""
    with cloud.database.transaction() as connection:
        require(connection, name)
        if connection.execute(sa.select(sa.exists().where(objects.c.bucket == name))).scalar():
            raise InUse(f"Bucket {name} is not empty.")
        pending = sa.select(uploads.c.id).where(uploads.c.bucket == name)
        blobs = connection.execute(sa.select(parts.c.blob).where(parts.c.owner.in_(pending))).scalars().all()
        connection.execute(sa.delete(parts).where(parts.c.owner.in_(pending)))
        connection.execute(sa.delete(uploads).where(uploads.c.bucket == name))
        connection.execute(sa.delete(buckets).where(buckets.c.name == name))
    cloud.files.discard(blobs)


def require(connection: sa.Connection, name: str) -> Bucket:
    """The bucket of this name, within a transaction. Raises NotFound."""
    row = _FIND.first(connection, with_name=name)
    if row is None:
        raise NotFound("bucket", name)
    return Bucket(*row[:4], *map(_document, row[4:6]))


def check_name(name: str) -> None:
    """Raises InvalidBucketName."""
    if not _NAME.fullmatch(name) or ".." in name or _ADDRESS.fullmatch(name) or _RESERVED.fullmatch(name):
        raise InvalidBucketName(
            f"{name!r} is no bucket name: use 3 to 63 lower-case letters, digits, hyphens and dots, "
            "starting and ending with a letter or digit, and not the form of an IP address."
        )


def _document(value: Any) -> Any:
    """A JSON column as a driver gives it: SQLite's gives text."""
    return json.loads(value) if isinstance(value, str) else value
