"""Saving a turn of a job: its row, with its event, its tracking and its place in the queue, in one transaction."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, and_

from lowcloud.catalog import instances
from lowcloud.core import events
from lowcloud.core.control.reconciler import LeasedRecord
from lowcloud.core.jobs import jobs, programs, tracking
from lowcloud.core.jobs.jobs import Job, State
from lowcloud.core.scheduling import admission, capacity, warm_pools

MESSAGES = {
    State.PENDING: "Waiting for capacity to start again",
    State.PREPARING: "Preparing the Python environment",
    State.STAGING: "Downloading input data",
    State.RUNNING: "The program runs",
    State.RESTARTING: "The attempt was interrupted; cleaning up for the next",
    State.STOPPING: "Stopping the job",
    State.STORING: "Uploading the outputs",
    State.COMPLETED: "The job is completed",
    State.FAILED: "The job has failed",
    State.STOPPED: "The job is stopped",
}


def wait_for_capacity(record: LeasedRecord, job: Job) -> float | None:
    """Release a job that waits for capacity, until it is admitted or has waited too long."""
    columns = job.kind.table.c
    is_unchanged = and_(columns.admitted_at.is_(None), columns.stop_requested.is_(False))
    due_at = jobs.waits_until(job.specification, job.created_at, job.progress.attempt)
    return None if record.release(due_at, where=is_unchanged) else 0.0


def save(record: LeasedRecord, before: Job, job: Job) -> None:
    """Save the result of a step. Raises LeaseLostError."""
    values: dict[str, Any] = {
        "state": job.state,
        "modified_at": job.modified_at,
        "ended_at": job.ended_at,
        "progress": asdict(job.progress),
    }
    has_changed = before.state != job.state
    waits_for = job.progress.waits_for if job.progress.waits_for != before.progress.waits_for else None
    waits_again = before.is_admitted and not job.is_admitted
    frees_capacity = has_changed and job.state == State.STORING and not job.specification.keep_alive_seconds
    if waits_again:  # the interruption that was requested has happened
        requested = capacity.of_instance(instances.find(job.specification.instance_type))
        values |= {**admission.waits_for(requested), "interrupt_requested": False}
    if frees_capacity:  # its programs have ended
        values |= admission.FREED

    message = MESSAGES[job.state]
    if before.state == State.PENDING and not job.state.is_end:
        message = f"{message} {programs.isolation_of(record.context, job.progress.program)}".rstrip()

    def follow(connection: Connection) -> None:
        if has_changed:
            events.record(connection, job.subject, events.Event(job.modified_at, job.state, message))
            tracking.follow(connection, before, job)
        elif waits_for:
            events.record(connection, job.subject, events.Event(record.context.now(), job.state, waits_for))
        if waits_again or frees_capacity:
            admission.admit(record.context, connection)

    record.save(values, follow)
    if waits_again or frees_capacity:
        record.context.wake.notify()


def finish(record: LeasedRecord, job: Job) -> None:
    """Release a job that is over; its capacity is free, or retained in its warm pool."""
    left = warm_pools.retained_in(job.kind.table) if job.state == State.COMPLETED else {}
    values = {"lease_owner": None, "lease_until": 0, "due_at": None, **left}
    record.save(values, lambda connection: admission.admit(record.context, connection))
    record.context.wake.notify()
