"""The periodic scrub of a server: one slow pass a week."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from lowcloud.core import events
from lowcloud.core.context import Context, ShuttingDownError
from lowcloud.core.events import Event
from lowcloud.core.resource_kind import PeriodicTask
from lowcloud.core.storage.integrity import scrub
from lowcloud.core.storage.integrity.scrub import Finding, ScrubCounts

PERIOD_DAYS = 7
BYTES_PER_SECOND = 8 * 1024**2
MIN_ITEM_BYTES = 16 * 1024  # an item counts for at least this much when throttling
STEP_BYTES = 64 * 1024**2
MAX_FINDINGS = 100  # recorded per pass; more are only counted
SUBJECT = "store"

log = logging.getLogger("lowcloud.scrub")


def step(context: Context, progress: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
    """Check some versions. Returns the new progress, and in how many seconds to continue. Raises ShuttingDownError."""
    current = dict(progress) if "tally" in progress else _begin(context, progress)
    counts = ScrubCounts(**current["tally"])
    before = counts.bytes
    rows = scrub.next_versions(context, current["place"])
    for row in rows:
        current["findings"] += _report(context, scrub.scrub_version(context, row, counts, _throttle(context)))
        current["place"] = scrub.position_of(row)
        if counts.bytes - before > STEP_BYTES:
            break
    current["tally"] = asdict(counts)
    if rows:
        return current, 0.0
    current["findings"] += _report(context, scrub.scrub_uploads(context, counts, _throttle(context)))
    counts.leftovers = scrub.count_leftovers(context)
    last = {**asdict(counts), "ended_at": context.now(), "findings": current["findings"]}
    log.info("the scrub has checked %d versions, %d bytes: %d damaged", counts.versions, counts.bytes, last["findings"])
    due_at = current["started_at"] + PERIOD_DAYS * context.settings.day_seconds
    return {"last": last}, max(due_at - context.now(), context.settings.day_seconds)


def _begin(context: Context, progress: Mapping[str, Any]) -> dict[str, Any]:
    found = _report(context, scrub.scrub_database(context))
    current = {"started_at": context.now(), "place": None, "findings": found, "tally": asdict(ScrubCounts())}
    return {"last": progress["last"], **current} if "last" in progress else current


def _throttle(context: Context) -> scrub.Throttle:
    def throttle(size: int) -> None:
        if context.closing.wait(max(size, MIN_ITEM_BYTES) / BYTES_PER_SECOND):
            raise ShuttingDownError

    return throttle


def _report(context: Context, findings: Iterable[Finding]) -> int:
    """Log findings and record them as events. Returns their number."""
    found = list(findings)
    for finding in found:
        log.error("damaged: %s", finding)
    if found:
        with context.database.transaction() as connection:
            for finding in found[:MAX_FINDINGS]:
                events.record(connection, SUBJECT, Event(context.now(), "damaged", str(finding)))
    return len(found)


TASK = PeriodicTask("scrub", step)
