"""Revisions: what may be changed of a version after it was written, which is its tags and its lock."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from lowcloud.core import buckets, notifications, versions
from lowcloud.core.cloud import Cloud
from lowcloud.core.disk import full_disk_told
from lowcloud.core.locks import Lock, NotLockable, check_retaining
from lowcloud.core.versions import Object
from lowcloud.store.tables import objects

Change = Callable[[Object], Mapping[str, Any]]  # the columns to set


def set_tags(cloud: Cloud, bucket: str, key: str, version: str | None, tags: Mapping[str, str]) -> Object:
    """Replace the tags of a version (None: the newest). Raises NotFound, Deleted and IsMarker."""
    return _tag(cloud, bucket, key, version, tags, notifications.TAGGED)


def remove_tags(cloud: Cloud, bucket: str, key: str, version: str | None) -> Object:
    """Leave a version (None: the newest) without tags. Raises NotFound, Deleted and IsMarker."""
    return _tag(cloud, bucket, key, version, {}, notifications.UNTAGGED)


def set_retention(
    cloud: Cloud, bucket: str, key: str, version: str | None, wanted: Lock, *, may_bypass_governance: bool = False
) -> Object:
    """Retain a version as `wanted` says, or no longer where it does not; a legal hold stays.

    Raises NotFound, Deleted, IsMarker, NotLockable, and Locked for a retention that would become weaker.
    """
    now = cloud.now()

    def change(found: Object) -> Mapping[str, Any]:
        check_retaining(found.lock, wanted, now, may_bypass_governance=may_bypass_governance)
        return {"retention": wanted.retention, "retain_until": wanted.retain_until}

    return _revise(cloud, bucket, key, version, change, must_be_lockable=True)


def set_legal_hold(cloud: Cloud, bucket: str, key: str, version: str | None, is_held: bool) -> Object:
    """Hold a version, or hold it no longer. Raises NotFound, Deleted, IsMarker and NotLockable."""
    return _revise(cloud, bucket, key, version, lambda _: {"legal_hold": is_held}, must_be_lockable=True)


def _tag(cloud: Cloud, bucket: str, key: str, version: str | None, tags: Mapping[str, str], event: str) -> Object:
    def change(found: Object) -> Mapping[str, Any]:
        tagged = replace(found, description=replace(found.description, tags=tags))
        return {"document": versions.seal(cloud, tagged)}

    return _revise(cloud, bucket, key, version, change, event=event)


def _revise(
    cloud: Cloud,
    bucket: str,
    key: str,
    version: str | None,
    change: Change,
    *,
    must_be_lockable: bool = False,
    event: str | None = None,
) -> Object:
    now = cloud.now()

    def write(connection: sa.Connection) -> Object:
        room = buckets.require(connection, bucket)
        if must_be_lockable and room.object_lock is None:
            raise NotLockable(f"Bucket {bucket} has no lock for its objects.")
        found = versions.find(cloud, connection, bucket, key, version)
        here = (objects.c.bucket == bucket, objects.c.key == key, objects.c.position == found.position)
        connection.execute(sa.update(objects).where(*here).values(**change(found)))
        if event is not None:
            notifications.record(connection, room, event, found, now)
        return found

    with full_disk_told():
        return cloud.database.apply(write)
