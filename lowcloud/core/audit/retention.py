"""The task that removes records older than the log is kept."""

from collections.abc import Mapping
from typing import Any

from lowcloud.core.audit import log
from lowcloud.core.context import Context
from lowcloud.core.resource_kind import PeriodicTask

BATCH = 2000  # records removed in one transaction
PAUSE_SECONDS = 0.1


def step(context: Context, _progress: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
    """Remove old records, a batch at a time, once a day."""
    oldest = context.now() - context.settings.audit_days * context.settings.day_seconds
    removed = log.remove_before(context, oldest, BATCH)
    return {}, PAUSE_SECONDS if removed == BATCH else context.settings.day_seconds


TASK = PeriodicTask("audit", step)
