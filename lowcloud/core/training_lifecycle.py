"""The life of a training job: a pure `step`, and the turn of the reconciler that observes, steps, saves and acts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from sqlalchemy import func, select

from lowcloud.core import events, training, training_work
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import CloudError, StorageFull
from lowcloud.core.reconciler import Claim
from lowcloud.core.training import State, TrainingJob, billable_seconds
from lowcloud.engine import Phase, ReplicaStatus, StagingFailed
from lowcloud.store.tables import training_jobs

STOP_GRACE_SECONDS = 120  # between SIGTERM and SIGKILL, as SageMaker documents for StopTrainingJob
FAILURE_LIMIT = 1024  # characters of a failure reason
PROGRAM_FAILED = "AlgorithmError: The program failed; see its log."
JOBS_PER_CPU = 1
WATCH_SECONDS = 0.5

MESSAGES = {
    State.PENDING: "Starting the training job",
    State.STAGING: "Downloading input data",
    State.RUNNING: "Training image download completed. Training in progress.",
    State.STOPPING: "Stopping the training job",
    State.STORING: "Uploading generated training model",
    State.COMPLETED: "Training job completed",
    State.FAILED: "Training job failed",
    State.STOPPED: "Training job stopped",
}


class Action(StrEnum):
    """What a step wants done; each is safe to repeat."""

    START = "start"
    STOP = "stop"
    STORE = "store"
    REMOVE = "remove"


@dataclass(frozen=True)
class Observation:
    """The facts a step decides on: how the replicas stand, and how the last action went."""

    replicas: tuple[ReplicaStatus, ...] = ()
    has_room: bool = True
    failure: str | None = None  # why inputs could not be laid, the program failed or the artifact was not stored
    artifact: str | None = None  # where the artifact lies; "" where the program left none
    is_removed: bool = False

    @property
    def has_ended(self) -> bool:
        return bool(self.replicas) and all(status.phase in (Phase.EXITED, Phase.LOST) for status in self.replicas)

    @property
    def has_failed(self) -> bool:
        return any(status.phase == Phase.LOST or status.exit_code not in (None, 0) for status in self.replicas)


def step(job: TrainingJob, seen: Observation, now: float) -> tuple[TrainingJob, Action | None]:
    """The next state of a job and what to do in it. Pure."""
    match job.state:
        case State.PENDING:
            return _step_pending(job, seen, now)
        case State.STAGING:
            return _step_staging(job, seen, now)
        case State.RUNNING:
            return _step_running(job, seen, now)
        case State.STOPPING:
            return _step_stopping(job, seen, now)
        case State.STORING:
            return _step_storing(job, seen, now)
        case _:
            return job, None if seen.is_removed else Action.REMOVE


def is_unwanted(job: TrainingJob, now: float) -> bool:
    """Whether somebody wants the job to end, or its time is over."""
    return job.stop_requested or _is_out_of_time(job, now)


def _step_pending(job: TrainingJob, seen: Observation, now: float) -> tuple[TrainingJob, Action | None]:
    if job.stop_requested:
        return _end(job, State.STOPPED, now), Action.REMOVE
    if not seen.has_room:
        return job, None
    return _enter(job, State.STAGING, now, started_at=now), Action.START


def _step_staging(job: TrainingJob, seen: Observation, now: float) -> tuple[TrainingJob, Action | None]:
    if is_unwanted(job, now):
        unwanted = _note_time(job, now)
        has_begun = any(status.started_at is not None for status in seen.replicas)
        return _stop(unwanted, now) if has_begun else (_end(unwanted, State.STOPPED, now), Action.REMOVE)
    if seen.failure:
        return _fail(job, seen.failure, now), Action.REMOVE
    if seen.replicas and all(status.phase not in (Phase.ABSENT, Phase.STAGING) for status in seen.replicas):
        return _enter(job, State.RUNNING, now), None
    return job, Action.START


def _step_running(job: TrainingJob, seen: Observation, now: float) -> tuple[TrainingJob, Action | None]:
    if not seen.replicas:
        return _fail(job, training_work.LOST, now), Action.REMOVE
    if seen.has_failed:
        failed = _note(job, failure=seen.failure or PROGRAM_FAILED)
        return (_end(failed, State.FAILED, now), Action.REMOVE) if seen.has_ended else _stop(failed, now)
    if seen.has_ended:
        return _enter(job, State.STORING, now), Action.STORE
    if is_unwanted(job, now):
        return _stop(_note_time(job, now), now)
    return job, None


def _step_stopping(job: TrainingJob, seen: Observation, now: float) -> tuple[TrainingJob, Action | None]:
    if not seen.replicas:
        return _fail(job, job.progress.failure or training_work.LOST, now), Action.REMOVE
    if not seen.has_ended:
        return job, Action.STOP
    if job.progress.failure:
        return _end(job, State.FAILED, now), Action.REMOVE
    return _enter(job, State.STORING, now), Action.STORE


def _step_storing(job: TrainingJob, seen: Observation, now: float) -> tuple[TrainingJob, Action | None]:
    if seen.failure:
        return _fail(job, seen.failure, now), Action.REMOVE
    if seen.artifact is None:
        return job, Action.STORE
    was_stopped = job.progress.is_out_of_time or job.stop_requested
    stored = _note(job, artifact=seen.artifact or None)
    return _end(stored, State.STOPPED if was_stopped else State.COMPLETED, now), Action.REMOVE


def _is_out_of_time(job: TrainingJob, now: float) -> bool:
    started_at = job.progress.started_at
    return started_at is not None and now - started_at > job.specification.max_runtime_seconds


def _note_time(job: TrainingJob, now: float) -> TrainingJob:
    return job if job.stop_requested else _note(job, is_out_of_time=_is_out_of_time(job, now))


def _enter(job: TrainingJob, state: State, now: float, **progress: float) -> TrainingJob:
    return replace(_note(job, **progress), state=state, modified_at=now)


def _stop(job: TrainingJob, now: float) -> tuple[TrainingJob, Action]:
    return _enter(job, State.STOPPING, now), Action.STOP


def _fail(job: TrainingJob, failure: str, now: float) -> TrainingJob:
    return _end(_note(job, failure=failure), State.FAILED, now)


def _end(job: TrainingJob, state: State, now: float) -> TrainingJob:
    started_at = job.progress.started_at
    seconds = None if started_at is None else billable_seconds(started_at, now)
    return replace(_note(job, billable_seconds=seconds), state=state, modified_at=now, ended_at=now)


def _note(job: TrainingJob, **progress: object) -> TrainingJob:
    return replace(job, progress=replace(job.progress, **progress))  # type: ignore[arg-type]


def advance(claim: Claim) -> float | None:
    """One turn of a job: observe, step, save, act, until there is nothing to do at once."""
    cloud = claim.cloud
    job = training.find(cloud, claim.name)
    seen = _observe(cloud, job)
    performed = None
    while True:
        before = job
        job, action = step(job, seen, cloud.now())
        if job != before:
            _save(claim, before, job)
        if seen.is_removed:
            claim.release(None)
            return None
        if action in (None, performed):
            return _seconds_to_next_turn(job, cloud.now())
        seen = _perform(cloud, job, action)
        performed = action
        if action == Action.START:  # which may have taken long
            job = replace(job, stop_requested=training.find(cloud, job.name).stop_requested)


def _observe(cloud: Cloud, job: TrainingJob) -> Observation:
    if job.state == State.PENDING:
        return Observation(has_room=_has_room(cloud, job))
    if job.state.is_end or job.state == State.STORING:
        return Observation()
    replicas = cloud.engine.status(job.subject)
    seen = Observation(replicas)
    if any(status.phase not in (Phase.ABSENT, Phase.STAGING) for status in replicas):
        training_work.collect_logs(cloud, job, len(replicas))
    return (
        replace(seen, failure=training_work.failure(cloud, job, replicas)[:FAILURE_LIMIT]) if seen.has_failed else seen
    )


def _perform(cloud: Cloud, job: TrainingJob, action: Action) -> Observation:
    match action:
        case Action.START:
            try:
                with _abandoning_what_is_unwanted(cloud, job):
                    cloud.engine.start(training_work.plan(cloud, job))
            except StagingFailed as error:
                return Observation(failure=f"ClientError: {error}"[:FAILURE_LIMIT])
            return _observe(cloud, job)
        case Action.STOP:
            cloud.engine.stop(job.subject, STOP_GRACE_SECONDS)
            return _observe(cloud, job)
        case Action.STORE:
            try:
                return Observation(artifact=training_work.store_artifact(cloud, job))
            except StorageFull:
                raise  # the model is still where the program left it: it is stored as soon as there is space
            except CloudError as error:
                return Observation(failure=f"ClientError: The model could not be stored: {error}"[:FAILURE_LIMIT])
        case Action.REMOVE:
            cloud.engine.remove(job.subject)
            return Observation(is_removed=True)


@contextmanager
def _abandoning_what_is_unwanted(cloud: Cloud, job: TrainingJob) -> Iterator[None]:
    """Cut a start short, which may take as long as the inputs are large, when the job is to end meanwhile."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(WATCH_SECONDS):
            if is_unwanted(training.find(cloud, job.name), cloud.now()):
                cloud.engine.stop(job.subject, STOP_GRACE_SECONDS)

    watcher = threading.Thread(target=watch, name=f"watch {job.name}", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def _has_room(cloud: Cloud, job: TrainingJob) -> bool:
    """Whether a processor is free for the job and for the jobs that came before it."""
    is_unfinished = training_jobs.c.due_at.is_not(None)
    ahead = select(func.count()).where(is_unfinished, training_jobs.c.created_at < job.created_at)
    with cloud.database.read() as connection:
        jobs_ahead = connection.scalar(ahead) or 0
    return jobs_ahead < max(2, cloud.engine.capacity().cpus * JOBS_PER_CPU)


def _save(claim: Claim, before: TrainingJob, job: TrainingJob) -> None:
    values = {
        "state": job.state,
        "modified_at": job.modified_at,
        "ended_at": job.ended_at,
        "progress": asdict(job.progress),
    }
    changed = before.state != job.state
    event = events.Event(job.modified_at, job.state, MESSAGES[job.state])
    claim.save(values, lambda connection: events.record(connection, job.subject, event) if changed else None)


def _seconds_to_next_turn(job: TrainingJob, now: float) -> float:
    """Young jobs are looked at every 20 ms, since somebody waits for them; old ones every second."""
    return min(1.0, max(0.02, (now - job.modified_at) / 20))
