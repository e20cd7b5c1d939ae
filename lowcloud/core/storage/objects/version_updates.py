"""Changes to an existing version: its tags and its lock, the only parts that may change."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.failures import disk_full_errors
from lowcloud.core.storage.objects import notifications, versions
from lowcloud.core.storage.objects.locks import Lock, NotLockableError, check_retention_change
from lowcloud.core.storage.objects.versions import Object
from lowcloud.store.db.tables.storage import objects

Change = Callable[[Object], Mapping[str, Any]]  # the columns to set


def set_tags(context: Context, bucket: str, key: str, version: str | None, tags: Mapping[str, str]) -> Object:
    """Replace the tags of a version (None: the newest). Raises NotFoundError, DeletedError and DeleteMarkerError."""
    return _tag(context, bucket, key, version, tags, notifications.TAGGED)


def delete_tags(context: Context, bucket: str, key: str, version: str | None) -> Object:
    """Delete the tags of a version (None: the newest). Raises NotFoundError, DeletedError and DeleteMarkerError."""
    return _tag(context, bucket, key, version, {}, notifications.UNTAGGED)


def set_retention(
    context: Context,
    bucket: str,
    key: str,
    version: str | None,
    retention: Lock,
    *,
    may_bypass_governance: bool = False,
) -> Object:
    """Set or remove the retention of a version; a legal hold stays.

    Raises NotFoundError, DeletedError, DeleteMarkerError, NotLockableError, and LockedError for a weaker retention.
    """
    now = context.now()

    def change(found: Object) -> Mapping[str, Any]:
        check_retention_change(found.lock, retention, now, may_bypass_governance=may_bypass_governance)
        return {"retention": retention.retention, "retain_until": retention.retain_until}

    return _update(context, bucket, key, version, change, must_be_lockable=True)


def set_legal_hold(context: Context, bucket: str, key: str, version: str | None, is_held: bool) -> Object:
    """Set or remove the legal hold of a version.

    Raises NotFoundError, DeletedError, DeleteMarkerError and NotLockableError.
    """
    return _update(context, bucket, key, version, lambda _: {"legal_hold": is_held}, must_be_lockable=True)


def _tag(context: Context, bucket: str, key: str, version: str | None, tags: Mapping[str, str], event: str) -> Object:
    def change(found: Object) -> Mapping[str, Any]:
        tagged = replace(found, metadata=replace(found.metadata, tags=tags))
        return {"document": versions.seal(context, tagged)}

    return _update(context, bucket, key, version, change, event=event)


def _update(
    context: Context,
    bucket: str,
    key: str,
    version: str | None,
    change: Change,
    *,
    must_be_lockable: bool = False,
    event: str | None = None,
) -> Object:
    now = context.now()

    def write(connection: sa.Connection) -> Object:
        found_bucket = buckets.require(connection, bucket)
        if must_be_lockable and found_bucket.object_lock is None:
            raise NotLockableError(f"Object lock is not enabled for bucket {bucket}.")
        found = versions.find(context, connection, bucket, key, version)
        here = (objects.c.bucket == bucket, objects.c.key == key, objects.c.position == found.position)
        connection.execute(sa.update(objects).where(*here).values(**change(found)))
        if event is not None:
            notifications.record(connection, found_bucket, event, found, now)
        return found

    with disk_full_errors():
        return context.database.apply(write)
