"""Cancellation: whether a job must stop or be interrupted, and how long operations are aborted for that."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.jobs import logs
from lowcloud.core.jobs.jobs import Job, Limit

STOP_GRACE_SECONDS = 120  # between SIGTERM and SIGKILL, as SageMaker documents for StopTrainingJob
WATCH_SECONDS = 0.5


class CancelledError(Exception):
    """The job was cancelled, so an operation in progress for it was aborted."""


def is_cancelled(job: Job, now: float) -> bool:
    """Return whether a stop or an interruption was requested, or a limit is reached."""
    return job.stop_requested or job.interrupt_requested or reached(job, now) is not None


def reached(job: Job, now: float) -> Limit | None:
    """Return the limit that the job has reached, if any."""
    requested, progress = job.specification, job.progress
    began = progress.attempt_started_at
    if began is not None and progress.spent_seconds + now - began > requested.max_runtime_seconds:
        return Limit.RUNTIME
    if requested.max_wait_seconds is not None and now - job.created_at > requested.max_wait_seconds:
        return Limit.WAIT
    if progress.started_at is None and now - job.created_at > (requested.max_pending_seconds or now):
        return Limit.PENDING
    return None


@contextmanager
def stopping_if_cancelled(context: Context, job: Job) -> Iterator[None]:
    """Stop the job's work if the job is cancelled meanwhile: staging takes as long as the inputs are large."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(WATCH_SECONDS):
            if is_cancelled(resources.find(context, job.kind, job.name), context.now()):
                context.engine.stop(job.work_id, STOP_GRACE_SECONDS)

    watcher = threading.Thread(target=watch, name=f"watch {job.name}", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def checker(context: Context, job: Job) -> Callable[[], None]:
    """Return a function to call repeatedly while files of a running job are stored, which may take long.

    It collects the job's log, and raises CancelledError if the job is cancelled meanwhile.
    """
    checked_at = time.monotonic()

    def check() -> None:
        nonlocal checked_at
        if time.monotonic() < checked_at + WATCH_SECONDS:
            return
        logs.collect_all(context, job, WATCH_SECONDS)
        if is_cancelled(resources.find(context, job.kind, job.name), context.now()):
            raise CancelledError(job.name)
        checked_at = time.monotonic()

    return check
