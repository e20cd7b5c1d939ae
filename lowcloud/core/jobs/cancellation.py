"""Whether a job is to end or to make room, and how what takes long is cut short for it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lowcloud.core.context import Context
from lowcloud.core.jobs import jobs, logs
from lowcloud.core.jobs.jobs import Job, Limit

STOP_GRACE_SECONDS = 120  # between SIGTERM and SIGKILL, as SageMaker documents for StopTrainingJob
WATCH_SECONDS = 0.5


class CancelledError(Exception):
    """Somebody wants the job to end, so what was under way for it was left."""


def is_unwanted(job: Job, now: float) -> bool:
    """Whether somebody wants the job to end, or to make room, or one of its limits is reached."""
    return job.stop_requested or job.interrupt_requested or reached(job, now) is not None


def reached(job: Job, now: float) -> Limit | None:
    """The limit that the job has reached."""
    asked, progress = job.specification, job.progress
    began = progress.attempt_started_at
    if began is not None and progress.spent_seconds + now - began > asked.max_runtime_seconds:
        return Limit.RUNTIME
    if asked.max_wait_seconds is not None and now - job.created_at > asked.max_wait_seconds:
        return Limit.WAIT
    if progress.started_at is None and now - job.created_at > (asked.max_pending_seconds or now):
        return Limit.PENDING
    return None


@contextmanager
def abandoning_what_is_unwanted(context: Context, job: Job) -> Iterator[None]:
    """Cut a start short, which may take as long as the inputs are large, when the job is to end meanwhile."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(WATCH_SECONDS):
            if is_unwanted(jobs.find(context, job.kind, job.name), context.now()):
                context.engine.stop(job.work_id, STOP_GRACE_SECONDS)

    watcher = threading.Thread(target=watch, name=f"watch {job.name}", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def looking_after(context: Context, job: Job) -> Callable[[], None]:
    """To be called now and then while files of a running job are stored, which may take long.

    It collects the job's log, and raises CancelledError where the job is to end meanwhile.
    """
    looked_at = time.monotonic()

    def look() -> None:
        nonlocal looked_at
        if time.monotonic() < looked_at + WATCH_SECONDS:
            return
        logs.collect_all(context, job, WATCH_SECONDS)
        if is_unwanted(jobs.find(context, job.kind, job.name), context.now()):
            raise CancelledError(job.name)
        looked_at = time.monotonic()

    return look
