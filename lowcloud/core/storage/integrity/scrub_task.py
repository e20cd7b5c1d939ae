"""The scrub that a server does by itself, slowly: a pass a week, a few megabytes a second."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from lowcloud.core import events
from lowcloud.core.context import Context, ShuttingDownError
from lowcloud.core.events import Event
from lowcloud.core.storage.integrity import scrub
from lowcloud.core.storage.integrity.scrub import Finding, ScrubCounts

PERIOD_DAYS = 7
BYTES_PER_SECOND = 8 * 1024**2
MIN_ITEM_BYTES = 16 * 1024  # what looking at one thing counts for, however small
STEP_BYTES = 64 * 1024**2
MAX_FINDINGS = 100  # that are told of a pass; the others are counted
SUBJECT = "store"

log = logging.getLogger("lowcloud.scrub")


def advance(context: Context, progress: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
    """Some versions further: where the pass stands then, and in how many seconds to go on. Raises Closing."""
    standing = dict(progress) if "tally" in progress else _begun(context, progress)
    counts = ScrubCounts(**standing["tally"])
    before = counts.bytes
    rows = scrub.next_versions(context, standing["place"])
    for row in rows:
        standing["findings"] += _told(context, scrub.scrub_version(context, row, counts, _throttle(context)))
        standing["place"] = scrub.position_of(row)
        if counts.bytes - before > STEP_BYTES:
            break
    standing["tally"] = asdict(counts)
    if rows:
        return standing, 0.0
    standing["findings"] += _told(context, scrub.scrub_uploads(context, counts, _throttle(context)))
    counts.leftovers = scrub.count_leftovers(context)
    last = {**asdict(counts), "ended_at": context.now(), "findings": standing["findings"]}
    log.info("the scrub has read %d versions, %d bytes: %d wrong", counts.versions, counts.bytes, last["findings"])
    due_at = standing["started_at"] + PERIOD_DAYS * context.settings.day_seconds
    return {"last": last}, max(due_at - context.now(), context.settings.day_seconds)


def _begun(context: Context, progress: Mapping[str, Any]) -> dict[str, Any]:
    found = _told(context, scrub.scrub_database(context))
    standing = {"started_at": context.now(), "place": None, "findings": found, "tally": asdict(ScrubCounts())}
    return {"last": progress["last"], **standing} if "last" in progress else standing


def _throttle(context: Context) -> scrub.Throttle:
    def throttle(size: int) -> None:
        if context.closing.wait(max(size, MIN_ITEM_BYTES) / BYTES_PER_SECOND):
            raise ShuttingDownError

    return throttle


def _told(context: Context, findings: Iterable[Finding]) -> int:
    """Log findings and keep them as events; how many they are."""
    found = list(findings)
    for finding in found:
        log.error("damaged: %s", finding)
    if found:
        with context.database.transaction() as connection:
            for finding in found[:MAX_FINDINGS]:
                events.record(connection, SUBJECT, Event(context.now(), "damaged", str(finding)))
    return len(found)
