"""The scrub that a server does by itself, slowly: a pass a week, a few megabytes a second."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from lowcloud.core import events
from lowcloud.core.context import Context, ShuttingDownError
from lowcloud.core.events import Event
from lowcloud.core.resource_kind import PeriodicTask
from lowcloud.core.storage.integrity import scrub
from lowcloud.core.storage.integrity.scrub import Finding, Tally

PERIOD_DAYS = 7
BYTES_PER_SECOND = 8 * 1024**2
LEAST_BYTES = 16 * 1024  # what looking at one thing counts for, however small
STEP_BYTES = 64 * 1024**2
MOST_FINDINGS = 100  # that are told of a pass; the others are counted
SUBJECT = "store"

log = logging.getLogger("lowcloud.scrub")


def advance(context: Context, progress: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
    """Some versions further: where the pass stands then, and in how many seconds to go on. Raises Closing."""
    standing = dict(progress) if "tally" in progress else _begun(context, progress)
    tally = Tally(**standing["tally"])
    before = tally.bytes
    rows = scrub.next_versions(context, standing["place"])
    for row in rows:
        standing["findings"] += _told(context, scrub.scrub_version(context, row, tally, _pace(context)))
        standing["place"] = scrub.place_of(row)
        if tally.bytes - before > STEP_BYTES:
            break
    standing["tally"] = asdict(tally)
    if rows:
        return standing, 0.0
    standing["findings"] += _told(context, scrub.scrub_uploads(context, tally, _pace(context)))
    tally.leftovers = scrub.count_leftovers(context)
    last = {**asdict(tally), "ended_at": context.now(), "findings": standing["findings"]}
    log.info("the scrub has read %d versions, %d bytes: %d wrong", tally.versions, tally.bytes, last["findings"])
    due_at = standing["started_at"] + PERIOD_DAYS * context.settings.day_seconds
    return {"last": last}, max(due_at - context.now(), context.settings.day_seconds)


def _begun(context: Context, progress: Mapping[str, Any]) -> dict[str, Any]:
    found = _told(context, scrub.scrub_database(context))
    standing = {"started_at": context.now(), "place": None, "findings": found, "tally": asdict(Tally())}
    return {"last": progress["last"], **standing} if "last" in progress else standing


def _pace(context: Context) -> scrub.Pace:
    def pace(size: int) -> None:
        if context.closing.wait(max(size, LEAST_BYTES) / BYTES_PER_SECOND):
            raise ShuttingDownError

    return pace


def _told(context: Context, findings: Iterable[Finding]) -> int:
    """Log findings and keep them as events; how many they are."""
    found = list(findings)
    for finding in found:
        log.error("damaged: %s", finding)
    if found:
        with context.database.transaction() as connection:
            for finding in found[:MOST_FINDINGS]:
                events.record(connection, SUBJECT, Event(context.now(), "damaged", str(finding)))
    return len(found)


TASK = PeriodicTask("scrub", advance)
