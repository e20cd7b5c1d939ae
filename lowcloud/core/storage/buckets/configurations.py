"""Configurations of a bucket: at most one JSON document of each kind.

A document is in the form of the API that stored it. If core acts on it, the API stores a neutral form next to its own.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.storage.buckets import buckets
from lowcloud.store.db import upsert
from lowcloud.store.db.tables.storage import bucket_configurations

Document = Mapping[str, Any]  # any JSON object

_OF_KIND = (
    bucket_configurations.c.bucket == sa.bindparam("of_bucket"),
    bucket_configurations.c.kind == sa.bindparam("kind"),
)
_READ = sa.select(bucket_configurations.c.document).where(*_OF_KIND)
_REMOVE = sa.delete(bucket_configurations).where(*_OF_KIND)


def get(context: Context, bucket: str, kind: str) -> Document | None:
    """Return the bucket's document of this kind, or None. Raises NotFoundError (bucket)."""
    with context.database.read() as connection:
        buckets.require(connection, bucket)
        return read(connection, bucket, kind)


def put(context: Context, bucket: str, kind: str, document: Document) -> None:
    """Set the bucket's document of this kind. Raises NotFoundError (bucket)."""

    def change(connection: sa.Connection) -> None:
        buckets.require(connection, bucket)
        write(connection, bucket, kind, document, context.now())

    context.database.apply(change)
    context.access.invalidate()  # it may decide on access


def delete(context: Context, bucket: str, kind: str) -> None:
    """Delete the bucket's document of this kind, if there is one. Raises NotFoundError (bucket)."""

    def change(connection: sa.Connection) -> None:
        buckets.require(connection, bucket)
        connection.execute(_REMOVE, {"of_bucket": bucket, "kind": kind})

    context.database.apply(change)
    context.access.invalidate()


def read(connection: sa.Connection, bucket: str, kind: str) -> Document | None:
    """Return the document, within a transaction, or None; a bucket that does not exist has none."""
    document: Document | None = connection.execute(_READ, {"of_bucket": bucket, "kind": kind}).scalar()
    return document


def write(connection: sa.Connection, bucket: str, kind: str, document: Document, now: float) -> None:
    """Set the document, within a transaction."""
    row = {"bucket": bucket, "kind": kind, "document": document, "modified_at": now}
    upsert.put(connection, bucket_configurations, row, ["bucket", "kind"])
