"""The life of a job: a pure `step`, and the turn of the reconciler that observes, steps, saves and acts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_

from lowcloud import instances
from lowcloud.core import (
    admission,
    events,
    job_environment,
    job_logs,
    job_outputs,
    job_tracking,
    job_work,
    jobs,
    pools,
    shares,
)
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import CloudError, StorageFull
from lowcloud.core.jobs import Job, Kind, Limit, State, billable_seconds
from lowcloud.core.reconciler import Claim
from lowcloud.engine import Phase, ReplicaStatus, StagingFailed

STOP_GRACE_SECONDS = 120  # between SIGTERM and SIGKILL, as SageMaker documents for StopTrainingJob
FAILURE_LIMIT = 1024  # characters of a failure reason
PROGRAM_FAILED = "AlgorithmError: The program failed; see its log."
WATCH_SECONDS = 0.5
ENDS = (Phase.EXITED, Phase.LOST)

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


class Action(StrEnum):
    """What a step wants done; each is safe to repeat."""

    PREPARE = "prepare"
    START = "start"
    STOP = "stop"
    CLEAR = "clear"
    STORE = "store"
    REMOVE = "remove"


@dataclass(frozen=True)
class Observation:
    """The facts a step decides on: how the replicas stand, and how the last action went."""

    replicas: tuple[ReplicaStatus, ...] = ()
    environment: str | None = None  # which one the job needs, as Work names it
    has_environment: bool = True
    failure: str | None = None  # why it could not be prepared, laid or stored, or the program failed
    message: str | None = None  # what a program that has ended has to say
    artifact: str | None = None  # where the artifact lies; "" where the program left none
    is_cleared: bool = False  # nothing is left of this attempt
    is_removed: bool = False

    @property
    def has_begun(self) -> bool:
        return any(status.started_at is not None for status in self.replicas)

    @property
    def has_ended(self) -> bool:
        return bool(self.replicas) and all(status.phase in ENDS for status in self.replicas)

    @property
    def has_failed(self) -> bool:
        return any(status.phase == Phase.LOST or status.exit_code not in (None, 0) for status in self.replicas)


Step = tuple[Job, Action | None]


def step(job: Job, seen: Observation, now: float) -> Step:
    """The next state of a job and what to do in it. Pure."""
    if seen.message and not job.state.is_end:
        job = _note(job, exit_message=seen.message)
    match job.state:
        case State.PENDING:
            return _step_pending(job, seen, now)
        case State.PREPARING:
            return _step_preparing(job, seen, now)
        case State.STAGING:
            return _step_staging(job, seen, now)
        case State.RUNNING:
            return _step_running(job, seen, now)
        case State.STOPPING:
            return _step_stopping(job, seen, now)
        case State.RESTARTING:
            return _step_restarting(job, seen, now)
        case State.STORING:
            return _step_storing(job, seen, now)
        case _:
            return job, None if seen.is_removed else Action.REMOVE


def is_unwanted(job: Job, now: float) -> bool:
    """Whether somebody wants the job to end, or to make room, or one of its limits is reached."""
    return job.stop_requested or job.interrupt_requested or _reached(job, now) is not None


def _step_pending(job: Job, seen: Observation, now: float) -> Step:
    if job.stop_requested or _reached(job, now):
        return _end(_note_limit(job, now), State.STOPPED, now), Action.REMOVE
    if not job.is_admitted:
        return job, None
    if seen.failure:
        return _fail(job, seen.failure, now), Action.REMOVE
    job = _note(job, environment=seen.environment)
    times = {"started_at": job.progress.started_at or now, "attempt_started_at": now}
    if not seen.has_environment:
        return _enter(job, State.PREPARING, now, **times), Action.PREPARE
    return _enter(job, State.STAGING, now, **times), Action.START


def _step_preparing(job: Job, seen: Observation, now: float) -> Step:
    if is_unwanted(job, now):
        return _leave_early(job, now)
    if seen.failure:
        return _fail(job, seen.failure, now), Action.REMOVE
    if seen.has_environment:
        return _enter(job, State.STAGING, now), Action.START
    return job, Action.PREPARE


def _step_staging(job: Job, seen: Observation, now: float) -> Step:
    if is_unwanted(job, now):
        return _stop(_note_limit(job, now), now) if seen.has_begun else _leave_early(job, now)
    if seen.failure:
        return _fail(job, seen.failure, now), Action.REMOVE
    if seen.replicas and all(status.phase not in (Phase.ABSENT, Phase.STAGING) for status in seen.replicas):
        return _enter(job, State.RUNNING, now), None
    return job, Action.START


def _step_running(job: Job, seen: Observation, now: float) -> Step:
    if not seen.replicas:
        return _fail_or_retry(_note(job, failure=job_work.LOST), now)
    if seen.has_failed:
        failed = _note(job, failure=seen.failure or PROGRAM_FAILED)
        return _fail_or_retry(failed, now) if seen.has_ended else _stop(failed, now)
    if seen.has_ended:
        return _enter(job, State.STORING, now), Action.STORE
    if is_unwanted(job, now):
        return _stop(_note_limit(job, now), now)
    return job, None


def _step_stopping(job: Job, seen: Observation, now: float) -> Step:
    if not seen.replicas:
        return _fail_or_retry(_note(job, failure=job.progress.failure or job_work.LOST), now)
    if not seen.has_ended:
        return job, Action.STOP
    if job.progress.failure:
        return _fail_or_retry(job, now)
    if job.interrupt_requested and not (job.stop_requested or job.progress.ended_by):
        return _enter(job, State.RESTARTING, now), Action.CLEAR
    return _enter(job, State.STORING, now), Action.STORE


def _step_restarting(job: Job, seen: Observation, now: float) -> Step:
    if job.stop_requested:
        return _end(job, State.STOPPED, now), Action.REMOVE
    if not seen.is_cleared:
        return job, Action.CLEAR
    begun = job.progress.attempt_started_at or now
    again = _enter(
        job,
        State.PENDING,
        now,
        attempt=job.progress.attempt + 1,
        attempt_started_at=None,
        spent_seconds=job.progress.spent_seconds + (job.modified_at - begun),
        failure=None,
    )
    return replace(again, is_admitted=False, interrupt_requested=False), None


def _step_storing(job: Job, seen: Observation, now: float) -> Step:
    if seen.failure:
        return _fail(job, seen.failure, now), Action.REMOVE
    if seen.artifact is None:
        return job, Action.STORE
    was_stopped = job.progress.ended_by or job.stop_requested
    stored = _note(job, artifact=seen.artifact or None)
    return _end(stored, State.STOPPED if was_stopped else State.COMPLETED, now), Action.REMOVE


def _reached(job: Job, now: float) -> Limit | None:
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


def _note_limit(job: Job, now: float) -> Job:
    return job if job.stop_requested else _note(job, ended_by=_reached(job, now))


def _leave_early(job: Job, now: float) -> Step:
    """End, or start again later, a job whose program has not begun."""
    noted = _note_limit(job, now)
    if noted.stop_requested or noted.progress.ended_by:
        return _end(noted, State.STOPPED, now), Action.REMOVE
    return _enter(job, State.RESTARTING, now), Action.CLEAR


def _fail_or_retry(job: Job, now: float) -> Step:
    """A host that was lost is the machine's fault: such an attempt may be repeated."""
    is_final = job.progress.failure != job_work.LOST or job.progress.retried >= job.specification.retries
    if is_final or job.stop_requested or job.progress.ended_by:
        return _end(job, State.FAILED, now), Action.REMOVE
    return _enter(job, State.RESTARTING, now, retried=job.progress.retried + 1), Action.CLEAR


def _enter(job: Job, state: State, now: float, **progress: object) -> Job:
    return replace(_note(job, **progress), state=state, modified_at=now)


def _stop(job: Job, now: float) -> Step:
    return _enter(job, State.STOPPING, now), Action.STOP


def _fail(job: Job, failure: str, now: float) -> Job:
    return _end(_note(job, failure=failure), State.FAILED, now)


def _end(job: Job, state: State, now: float) -> Job:
    progress = job.progress
    seconds = None
    if progress.started_at is not None:
        begun = progress.attempt_started_at
        seconds = billable_seconds(0.0, progress.spent_seconds + (now - begun if begun is not None else 0.0))
    return replace(_note(job, billable_seconds=seconds), state=state, modified_at=now, ended_at=now)


def _note(job: Job, **progress: object) -> Job:
    return replace(job, progress=replace(job.progress, **progress))  # type: ignore[arg-type]


def advance(kind: Kind, claim: Claim) -> float | None:
    """One turn of a job: observe, step, save, act, until there is nothing to do at once."""
    cloud = claim.cloud
    job = jobs.find(cloud, kind, claim.name)
    seen = _observe(cloud, job)
    performed = None
    while True:
        before = job
        job, action = step(job, seen, cloud.now())
        if job != before:
            _save(claim, before, job)
        if seen.is_removed:
            _let_go(claim, job)
            return None
        if job.state == State.PENDING and not job.is_admitted:
            return _wait_for_room(claim, job)
        if action in (None, performed):
            return _seconds_to_next_turn(job, cloud.now())
        seen = _perform(cloud, job, action)
        performed = action
        if action in (Action.PREPARE, Action.START):  # which may have taken long
            wishes = jobs.find(cloud, kind, job.name)
            job = replace(job, stop_requested=wishes.stop_requested, interrupt_requested=wishes.interrupt_requested)


def _observe(cloud: Cloud, job: Job) -> Observation:
    if job.state == State.PENDING:
        return _choose_environment(cloud, job) if job.is_admitted else Observation()
    if job.state == State.PREPARING:
        return Observation(has_environment=job_environment.is_ready(cloud, job))
    if job.state.is_end or job.state in (State.STORING, State.RESTARTING):
        return Observation()
    replicas = cloud.engine.status(job.work_id)
    seen = Observation(replicas)
    if seen.has_begun:
        job_logs.collect_all(cloud, job)
        job_outputs.store_changes(cloud, job, is_final=False)
    if seen.has_ended:
        seen = replace(seen, message=job_work.message(cloud, job))
    if not seen.has_failed:
        return seen
    return replace(seen, failure=job_work.failure(cloud, job, replicas)[:FAILURE_LIMIT])


def _choose_environment(cloud: Cloud, job: Job) -> Observation:
    try:
        name = job_environment.choose(cloud, job)
    except StagingFailed as error:
        return Observation(failure=f"ClientError: {error}"[:FAILURE_LIMIT])
    chosen = replace(job, progress=replace(job.progress, environment=name))
    return Observation(environment=name, has_environment=job_environment.is_ready(cloud, chosen))


def _perform(cloud: Cloud, job: Job, action: Action) -> Observation:
    match action:
        case Action.PREPARE:
            return _perform_prepare(cloud, job)
        case Action.START:
            return _perform_start(cloud, job)
        case Action.STOP:
            cloud.engine.stop(job.work_id, STOP_GRACE_SECONDS)
            return _observe(cloud, job)
        case Action.STORE:
            return _perform_store(cloud, job)
        case Action.CLEAR:
            _clear(cloud, job)
            return Observation(is_cleared=True)
        case Action.REMOVE:
            _clear(cloud, job)
            return Observation(is_removed=True)


def _perform_prepare(cloud: Cloud, job: Job) -> Observation:
    try:
        return Observation(has_environment=job_environment.build(cloud, job))
    except StagingFailed as error:
        return Observation(has_environment=False, failure=f"ClientError: {error}"[:FAILURE_LIMIT])


def _perform_start(cloud: Cloud, job: Job) -> Observation:
    try:
        with _abandoning_what_is_unwanted(cloud, job):
            cloud.engine.start(job_work.plan(cloud, job))
    except StagingFailed as error:
        return Observation(failure=f"ClientError: {error}"[:FAILURE_LIMIT])
    return _observe(cloud, job)


def _perform_store(cloud: Cloud, job: Job) -> Observation:
    try:
        return Observation(artifact=job_outputs.store(cloud, job))
    except StorageFull:
        raise  # the output is still where the program left it: it is stored as soon as there is space
    except CloudError as error:
        return Observation(failure=f"ClientError: The output could not be stored: {error}"[:FAILURE_LIMIT])


def _clear(cloud: Cloud, job: Job) -> None:
    """Take away what is left of an attempt, once what is kept while it runs is stored."""
    replicas = cloud.engine.status(job.work_id)
    if any(status.started_at is not None for status in replicas):
        cloud.engine.stop(job.work_id, 0.0)
        job_logs.collect_all(cloud, job)
        job_outputs.store_changes(cloud, job, is_final=True)
    job_environment.let_go(cloud, job)
    cloud.engine.remove(job.work_id)
    cloud.synced.forget(job.work_id)


def _wait_for_room(claim: Claim, job: Job) -> float | None:
    """Let go of a job that has no room, until it gets some or has waited for too long."""
    columns = job.kind.table.c
    nothing_has_come = and_(columns.admitted_at.is_(None), columns.stop_requested.is_(False))
    due_at = jobs.waits_until(job.specification, job.created_at, job.progress.attempt)
    return None if claim.release(due_at, where=nothing_has_come) else 0.0


@contextmanager
def _abandoning_what_is_unwanted(cloud: Cloud, job: Job) -> Iterator[None]:
    """Cut a start short, which may take as long as the inputs are large, when the job is to end meanwhile."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(WATCH_SECONDS):
            if is_unwanted(jobs.find(cloud, job.kind, job.name), cloud.now()):
                cloud.engine.stop(job.work_id, STOP_GRACE_SECONDS)

    watcher = threading.Thread(target=watch, name=f"watch {job.name}", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def _save(claim: Claim, before: Job, job: Job) -> None:
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
        asked = shares.of_instance(instances.find(job.specification.instance_type))
        values |= {**admission.waits_for(asked), "interrupt_requested": False}
    if has_left:  # its programs have ended
        values |= admission.FREED

    def also(connection: Connection) -> None:
        if has_changed:
            events.record(connection, job.subject, events.Event(job.modified_at, job.state, MESSAGES[job.state]))
            job_tracking.follow(connection, before, job)
        if waits_again or has_left:
            admission.admit(claim.cloud, connection)

    claim.save(values, also)
    if waits_again or has_left:
        claim.cloud.bell.ring()


def _let_go(claim: Claim, job: Job) -> None:
    """Nothing is left to do; what the job has held is for others, or for the next of its kind."""
    left = pools.left_in(job.kind.table) if job.state == State.COMPLETED else {}
    values = {"lease_owner": None, "lease_until": 0, "due_at": None, **left}
    claim.save(values, lambda connection: admission.admit(claim.cloud, connection))
    claim.cloud.bell.ring()


def _seconds_to_next_turn(job: Job, now: float) -> float:
    """Young jobs are looked at every 20 ms, since somebody waits for them; old ones every second."""
    return min(1.0, max(0.02, (now - job.modified_at) / 20))
