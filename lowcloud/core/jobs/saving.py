"""How a turn of a job is saved: its row, with the event, the tracking and the place in the queue that go with it."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, and_

from lowcloud.catalog import instances
from lowcloud.core import events
from lowcloud.core.control.reconciler import LeasedRecord
from lowcloud.core.jobs import jobs, tracking
from lowcloud.core.jobs.jobs import Job, State
from lowcloud.core.scheduling import admission, capacity, warm_pools

MESSAGES = {
    State.PENDING: "Waiting for capacity to start again",
    State.PREPARING: "Preparing the Python environment",
    State.STAGING: "Downloading input data",
    State.RUNNING: "The program runs",
    State.RESTARTING: "The attempt was interrupted; clearing up for the next",
    State.STOPPING: "Stopping the job",
    State.STORING: "Uploading what the program has left",
    State.COMPLETED: "The job is completed",
    State.FAILED: "The job has failed",
    State.STOPPED: "The job is stopped",
}


def wait_for_room(claim: LeasedRecord, job: Job) -> float | None:
    """Let go of a job that has no room, until it gets some or has waited for too long."""
    columns = job.kind.table.c
    nothing_has_come = and_(columns.admitted_at.is_(None), columns.stop_requested.is_(False))
    due_at = jobs.waits_until(job.specification, job.created_at, job.progress.attempt)
    return None if claim.release(due_at, where=nothing_has_come) else 0.0


def save(claim: LeasedRecord, before: Job, job: Job) -> None:
    """Keep what a step has made of a job. Raises LeaseLost."""
    values: dict[str, Any] = {
        "state": job.state,
        "modified_at": job.modified_at,
        "ended_at": job.ended_at,
        "progress": asdict(job.progress),
    }
    has_changed = before.state != job.state
    waits_again = before.is_admitted and not job.is_admitted
    has_left = has_changed and job.state == State.STORING and not job.specification.keep_alive_seconds
    if waits_again:  # the wish of the attempt before is fulfilled
        asked = capacity.of_instance(instances.find(job.specification.instance_type))
        values |= {**admission.waits_for(asked), "interrupt_requested": False}
    if has_left:  # its programs have ended
        values |= admission.FREED

    def also(connection: Connection) -> None:
        if has_changed:
            events.record(connection, job.subject, events.Event(job.modified_at, job.state, MESSAGES[job.state]))
            tracking.follow(connection, before, job)
        if waits_again or has_left:
            admission.admit(claim.context, connection)

    claim.save(values, also)
    if waits_again or has_left:
        claim.context.bell.ring()


def let_go(claim: LeasedRecord, job: Job) -> None:
    """Nothing is left to do; what the job has held is for others, or for the next of its kind."""
    left = warm_pools.left_in(job.kind.table) if job.state == State.COMPLETED else {}
    values = {"lease_owner": None, "lease_until": 0, "due_at": None, **left}
    claim.save(values, lambda connection: admission.admit(claim.context, connection))
    claim.context.bell.ring()
