"""Access control lists of buckets and objects. Only lists that differ from the default are stored.

A list is {"grants": [{"to": "owner" | "everyone" | "users" | "logs", "may": one of PERMISSIONS}]}.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.storage.buckets import buckets, configurations
from lowcloud.core.storage.buckets.buckets import OWNERSHIP
from lowcloud.core.storage.objects import notifications
from lowcloud.core.storage.objects.versions import Version
from lowcloud.store.db import upsert
from lowcloud.store.db.tables.storage import access_lists, objects, uploads

KIND = "access-list"
PERMISSIONS = ("full-control", "read", "write", "read-list", "write-list")
AccessList = Mapping[str, Any]
OWNER_ONLY: AccessList = {"grants": [{"to": "owner", "may": "full-control"}]}

_SAME_KEY = (objects.c.bucket == access_lists.c.bucket, objects.c.key == access_lists.c.key)
_HAS_OBJECT = sa.or_(
    sa.exists().where(*_SAME_KEY, objects.c.id == access_lists.c.object),
    sa.exists().where(uploads.c.id == access_lists.c.object),
)


def are_enabled(connection: sa.Connection, bucket: str) -> bool:
    """Return whether the lists of a bucket and its objects have effect: not if its owner owns every object."""
    rule = configurations.read(connection, bucket, OWNERSHIP)
    return rule is None or rule["rule"] != "enforced"


def of_bucket(connection: sa.Connection, bucket: str) -> AccessList:
    """Return the list of a bucket."""
    return configurations.read(connection, bucket, KIND) or OWNER_ONLY


def of_object(connection: sa.Connection, bucket: str, key: str, object_id: str) -> AccessList:
    """Return the list of an object; overwriting the object does not inherit it."""
    found = sa.select(access_lists.c.document).where(
        access_lists.c.bucket == bucket, access_lists.c.key == key, access_lists.c.object == object_id
    )
    return connection.execute(found).scalar() or OWNER_ONLY


def put_object_list(context: Context, bucket: str, key: str, object_id: str, document: AccessList) -> None:
    """Set the list of a new object or upload, and delete those of overwritten objects of the key."""
    context.database.apply(lambda connection: _put(connection, bucket, key, object_id, document))


def replace_object_list(context: Context, found: Version, document: AccessList) -> None:
    """Change the list of an object and record the event. Raises NotFoundError (bucket)."""
    now = context.now()

    def change(connection: sa.Connection) -> None:
        bucket = buckets.require(connection, found.bucket)
        _put(connection, found.bucket, found.key, found.id, document)
        notifications.record(connection, bucket, notifications.ACCESS_LIST_CHANGED, found, now)

    context.database.apply(change)


def delete_orphans(context: Context) -> None:
    """Delete the lists of deleted objects. Safe next to running writers: an object is written before its list."""

    def change(connection: sa.Connection) -> None:
        connection.execute(sa.delete(access_lists).where(~_HAS_OBJECT))

    context.database.apply(change)


def grants(document: AccessList, to: str, may: str) -> bool:
    """Return whether the list grants the permission `may` to `to`."""
    return any(grant["to"] == to and grant["may"] in (may, "full-control") for grant in document["grants"])


def is_public(document: AccessList) -> bool:
    """Return whether the list grants anything to everyone, or to every AWS account."""
    return any(grant["to"] in ("everyone", "users") for grant in document["grants"])


def _put(connection: sa.Connection, bucket: str, key: str, object_id: str, document: AccessList) -> None:
    same_key = (access_lists.c.bucket == bucket, access_lists.c.key == key)
    connection.execute(sa.delete(access_lists).where(*same_key, ~_HAS_OBJECT))
    row = {"bucket": bucket, "key": key, "object": object_id, "document": document}
    upsert.put(connection, access_lists, row, ["bucket", "key", "object"])
