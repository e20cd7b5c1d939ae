"""The sweep that carries lifecycles out: bucket after bucket, page after page, once a day.

Where it stands is kept, so that another server goes on where one ended. What it removes it names with the time at which
it was written: what has been written anew meanwhile stays.
"""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError, NotFoundError
from lowcloud.core.storage.lifecycle import rules as lifecycle
from lowcloud.core.storage.lifecycle.rules import LifecycleAction, LifecycleRule, RankedVersion
from lowcloud.core.storage.multipart import uploads
from lowcloud.core.storage.objects import notifications, versions
from lowcloud.core.storage.objects.deletions import delete_many
from lowcloud.core.storage.objects.preconditions import PreconditionFailedError, Preconditions
from lowcloud.core.storage.objects.versions import Version
from lowcloud.store.blobs.encryption import TamperedError
from lowcloud.store.db.prepared import Row
from lowcloud.store.db.tables import bucket_configurations, objects

KIND = "lifecycle"
PAGE_ROWS = 1000
BATCH = 100  # deletions in one transaction: others write in between
PAUSE_SECONDS = 0.01

log = logging.getLogger("lowcloud.lifecycle")
Progress = dict[str, Any]
_BUCKET = sa.select(bucket_configurations).where(bucket_configurations.c.kind == KIND)


def advance(context: Context, progress: Mapping[str, Any]) -> tuple[Progress, float]:
    """One page further: where the sweep stands then, and in how many seconds to go on."""
    now, day = context.now(), context.settings.day_seconds
    found = _bucket_of(context, progress)
    if found is None:  # the sweep is over
        return {}, math.floor(now / day) * day + day - now
    name, rules = found
    if progress.get("bucket") != name:
        progress = {"bucket": name}
        _abort_uploads(context, name, rules, now, day)
    before, is_over = _sweep_page(context, name, rules, progress.get("before"), now, day)
    return {"bucket": name, "is_over": True} if is_over else {"bucket": name, "before": before}, PAUSE_SECONDS


def sweep(context: Context) -> None:
    """All of it, now."""
    progress: Progress = {}
    while True:
        progress, _ = advance(context, progress)
        if not progress:
            return


def _bucket_of(context: Context, progress: Mapping[str, Any]) -> tuple[str, list[LifecycleRule]] | None:
    """The bucket that the sweep is in, or comes to next, and its rules."""
    name = progress.get("bucket", "")
    is_left = bool(progress.get("is_over"))
    column = bucket_configurations.c.bucket
    with context.database.read() as connection:
        rows = connection.execute(_BUCKET.where(column > name if is_left else column >= name).order_by(column))
        for row in rows:
            if rules := lifecycle.parse_rules(row.document):
                return row.bucket, rules
    return None


def _sweep_page(
    context: Context,
    bucket: str,
    rules: Sequence[LifecycleRule],
    kept: Mapping[str, Any] | None,
    now: float,
    day: float,
) -> tuple[Mapping[str, Any] | None, bool]:
    """Deal with one page of versions. Returns the last one dealt with, as it is kept, and whether none is left."""
    before = None if kept is None else _recalled(bucket, kept)
    rows = _read_page(context, bucket, before)
    by_id = {version.id: row for row in rows for version in [versions.to_version(row)]}
    found = list(lifecycle.ranked(map(versions.to_version, rows), before))
    is_over = len(rows) < PAGE_ROWS
    if is_over and rows:
        found.append(lifecycle.last_ranked(versions.to_version(rows[-1]), found[-1] if found else before))
    _carry_out(context, bucket, list(_chosen(context, rules, found, by_id, now, day)))
    return (_kept(found[-1]) if found else kept), is_over


def _chosen(
    context: Context,
    rules: Sequence[LifecycleRule],
    found: Sequence[RankedVersion],
    rows: Mapping[str, Row],
    now: float,
    day: float,
) -> Iterator[tuple[LifecycleAction, Version]]:
    for one in found:

        def tags(version: Version = one.version) -> Mapping[str, str]:
            return versions.to_object(context, rows[version.id]).metadata.tags

        try:
            action = lifecycle.action_for(rules, one, tags, now, day)
        except TamperedError as error:  # one damaged row must not stop all lifecycles; a scrub tells of it too
            log.error("version %s of %s/%s stays: %s", one.version.id, one.version.bucket, one.version.key, error)
            continue
        if action is not None and not (action is LifecycleAction.REMOVE and _is_locked(one.version, now)):
            yield action, one.version


def _carry_out(context: Context, bucket: str, chosen: Sequence[tuple[LifecycleAction, Version]]) -> None:
    for start in range(0, len(chosen), BATCH):
        wanted = [
            (
                one.key,
                one.version if action is LifecycleAction.REMOVE else None,
                Preconditions(if_modified_at=one.modified_at),
            )
            for action, one in chosen[start : start + BATCH]
        ]
        try:
            outcomes = delete_many(context, bucket, wanted, cause=notifications.EXPIRED)
        except NotFoundError:
            return  # the bucket is gone
        refused = [outcome for outcome in outcomes if isinstance(outcome, CloudError)]
        log.info("%d versions of %s were over, %d of them stay", len(wanted), bucket, len(refused))
        context.closing.wait(PAUSE_SECONDS)


def _abort_uploads(context: Context, bucket: str, rules: Sequence[LifecycleRule], now: float, day: float) -> None:
    if not any(rule.abort_days is not None for rule in rules):
        return
    after: list[str] | None = None
    is_more = True
    while is_more:
        found, is_more = uploads.list_uploads(context, bucket, after=after)
        for one in found:
            assert isinstance(one, uploads.Upload)
            after = [one.key, one.id]
            if lifecycle.is_upload_expired(rules, one.key, one.created_at, now, day):
                try:
                    uploads.abort(context, bucket, one.key, one.id, if_created_at=one.created_at)
                except (NotFoundError, PreconditionFailedError):
                    continue  # it has ended by itself


def _read_page(context: Context, bucket: str, before: RankedVersion | None) -> list[Row]:
    order = (objects.c.key, objects.c.position)
    query = sa.select(*versions.OBJECT_COLUMNS).where(objects.c.bucket == bucket).order_by(*order).limit(PAGE_ROWS)
    if before is not None:
        query = query.where(sa.tuple_(*order) > sa.tuple_(before.version.key, before.version.position))
    with context.database.read() as connection:
        return [tuple(row) for row in connection.execute(query)]


def _is_locked(version: Version, now: float) -> bool:
    return bool(version.lock.legal_hold) or version.lock.is_retained(now)


def _kept(found: RankedVersion) -> dict[str, Any]:
    version = found.version
    return {
        "key": version.key,
        "position": version.position,
        "modified_at": version.modified_at,
        "successor_at": found.successor_at,
        "newer": found.newer,
    }


def _recalled(bucket: str, kept: Mapping[str, Any]) -> RankedVersion:
    version = Version(bucket, kept["key"], "", 0, "", kept["modified_at"], position=kept["position"])
    return RankedVersion(version, kept["successor_at"], kept["newer"])
