"""The daily sweep that applies lifecycle rules, bucket by bucket and page by page.

Its progress is stored, so that another server can continue it. Deletions are conditional on the time of the version:
what has been overwritten meanwhile stays.
"""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError, NotFoundError
from lowcloud.core.resource_kind import PeriodicTask
from lowcloud.core.storage.lifecycle import rules as lifecycle
from lowcloud.core.storage.lifecycle.rules import LifecycleAction, LifecycleRule, RankedVersion
from lowcloud.core.storage.multipart import uploads
from lowcloud.core.storage.objects import notifications, versions
from lowcloud.core.storage.objects.deletions import delete_many
from lowcloud.core.storage.objects.preconditions import PreconditionFailedError, Preconditions
from lowcloud.core.storage.objects.versions import Version
from lowcloud.store.blobs.encryption import TamperedError
from lowcloud.store.db.prepared import Row
from lowcloud.store.db.tables.storage import bucket_configurations, objects

KIND = "lifecycle"
PAGE_ROWS = 1000
BATCH = 100  # deletions per transaction: other writers get their turn in between
PAUSE_SECONDS = 0.01

log = logging.getLogger("lowcloud.lifecycle")
Progress = dict[str, Any]
_BUCKET = sa.select(bucket_configurations).where(bucket_configurations.c.kind == KIND)


def step(context: Context, progress: Mapping[str, Any]) -> tuple[Progress, float]:
    """Process one page. Returns the new progress, and in how many seconds to continue."""
    now, day = context.now(), context.settings.day_seconds
    found = _bucket_of(context, progress)
    if found is None:  # the sweep is complete
        return {}, math.floor(now / day) * day + day - now
    name, rules = found
    if progress.get("bucket") != name:
        progress = {"bucket": name}
        _abort_uploads(context, name, rules, now, day)
    before, is_done = _sweep_page(context, name, rules, progress.get("before"), now, day)
    return {"bucket": name, "is_over": True} if is_done else {"bucket": name, "before": before}, PAUSE_SECONDS


def sweep(context: Context) -> None:
    """Run a complete sweep now."""
    progress: Progress = {}
    while True:
        progress, _ = step(context, progress)
        if not progress:
            return


def _bucket_of(context: Context, progress: Mapping[str, Any]) -> tuple[str, list[LifecycleRule]] | None:
    """Return the bucket to process, the current or the next one, and its rules."""
    name = progress.get("bucket", "")
    is_bucket_done = bool(progress.get("is_over"))
    column = bucket_configurations.c.bucket
    with context.database.read() as connection:
        rows = connection.execute(_BUCKET.where(column > name if is_bucket_done else column >= name).order_by(column))
        for row in rows:
            if rules := lifecycle.parse_rules(row.document):
                return row.bucket, rules
    return None


def _sweep_page(
    context: Context,
    bucket: str,
    rules: Sequence[LifecycleRule],
    stored: Mapping[str, Any] | None,
    now: float,
    day: float,
) -> tuple[Mapping[str, Any] | None, bool]:
    """Process one page of versions. Returns the last one, in stored form, and whether the bucket is done."""
    before = None if stored is None else _from_stored(bucket, stored)
    rows = _read_page(context, bucket, before)
    by_id = {version.id: row for row in rows for version in [versions.to_version(row)]}
    found = list(lifecycle.ranked(map(versions.to_version, rows), before))
    is_done = len(rows) < PAGE_ROWS
    if is_done and rows:
        found.append(lifecycle.last_ranked(versions.to_version(rows[-1]), found[-1] if found else before))
    _apply(context, bucket, list(_expired(context, rules, found, by_id, now, day)))
    return (_to_stored(found[-1]) if found else stored), is_done


def _expired(
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
        except TamperedError as error:  # one damaged row must not stop the sweep; the scrub reports it too
            log.error(
                "lifecycle: version %s of %s/%s is skipped: %s",
                one.version.id,
                one.version.bucket,
                one.version.key,
                error,
            )
            continue
        if action is not None and not (action is LifecycleAction.REMOVE and _is_locked(one.version, now)):
            yield action, one.version


def _apply(context: Context, bucket: str, expired: Sequence[tuple[LifecycleAction, Version]]) -> None:
    for start in range(0, len(expired), BATCH):
        requests = [
            (
                one.key,
                one.version if action is LifecycleAction.REMOVE else None,
                Preconditions(if_modified_at=one.modified_at),
            )
            for action, one in expired[start : start + BATCH]
        ]
        try:
            outcomes = delete_many(context, bucket, requests, cause=notifications.EXPIRED)
        except NotFoundError:
            return  # the bucket is gone
        refused = [outcome for outcome in outcomes if isinstance(outcome, CloudError)]
        log.info("%d versions of %s had expired; %d of them could not be deleted", len(requests), bucket, len(refused))
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
                    continue  # completed or aborted meanwhile


def _read_page(context: Context, bucket: str, before: RankedVersion | None) -> list[Row]:
    order = (objects.c.key, objects.c.position)
    query = sa.select(*versions.OBJECT_COLUMNS).where(objects.c.bucket == bucket).order_by(*order).limit(PAGE_ROWS)
    if before is not None:
        query = query.where(sa.tuple_(*order) > sa.tuple_(before.version.key, before.version.position))
    with context.database.read() as connection:
        return [tuple(row) for row in connection.execute(query)]


def _is_locked(version: Version, now: float) -> bool:
    return bool(version.lock.legal_hold) or version.lock.is_retained(now)


def _to_stored(found: RankedVersion) -> dict[str, Any]:
    version = found.version
    return {
        "key": version.key,
        "position": version.position,
        "modified_at": version.modified_at,
        "successor_at": found.successor_at,
        "newer": found.newer,
    }


def _from_stored(bucket: str, stored: Mapping[str, Any]) -> RankedVersion:
    version = Version(bucket, stored["key"], "", 0, "", stored["modified_at"], position=stored["position"])
    return RankedVersion(version, stored["successor_at"], stored["newer"])


TASK = PeriodicTask("lifecycle", step)
