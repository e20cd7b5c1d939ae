"""The life of a job: a pure `step`, and the turn of the reconciler that observes, steps, saves and acts."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from lowcloud.core.context import Context
from lowcloud.core.control.reconciler import LeasedRecord
from lowcloud.core.environments import environments
from lowcloud.core.errors import CloudError, StorageUnavailableError
from lowcloud.core.jobs import environment as job_environment
from lowcloud.core.jobs import jobs, logs, outputs, saving, work
from lowcloud.core.jobs.cancellation import STOP_GRACE_SECONDS, abandoning_what_is_unwanted, is_unwanted, reached
from lowcloud.core.jobs.jobs import Job, JobKind, State, billable_seconds
from lowcloud.engine.work import Phase, ReplicaStatus, StagingError

LOG_SECONDS = 0.5  # for the log of a program that runs, in each turn
PROGRAM_FAILED = "AlgorithmError: The program failed; see its log."
ENDS = (Phase.EXITED, Phase.LOST)


class JobAction(StrEnum):
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
    unstored: str | None = None  # why the last of its checkpoints and continuous outputs are not stored
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


Step = tuple[Job, JobAction | None]


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
            return job, None if seen.is_removed else JobAction.REMOVE


def _step_pending(job: Job, seen: Observation, now: float) -> Step:
    if job.stop_requested or reached(job, now):
        return _end(_note_limit(job, now), State.STOPPED, now), JobAction.REMOVE
    if not job.is_admitted:
        return job, None
    if seen.failure:
        return _fail(job, seen.failure, now), JobAction.REMOVE
    job = _note(job, environment=seen.environment)
    times = {"started_at": job.progress.started_at or now, "attempt_started_at": now}
    if not seen.has_environment:
        return _enter(job, State.PREPARING, now, **times), JobAction.PREPARE
    return _enter(job, State.STAGING, now, **times), JobAction.START


def _step_preparing(job: Job, seen: Observation, now: float) -> Step:
    if is_unwanted(job, now):
        return _leave_early(job, now)
    if seen.failure:
        return _fail_or_retry(_note(job, failure=seen.failure), now)
    if seen.has_environment:
        return _enter(job, State.STAGING, now), JobAction.START
    return job, JobAction.PREPARE


def _step_staging(job: Job, seen: Observation, now: float) -> Step:
    if is_unwanted(job, now):
        return _stop(_note_limit(job, now), now) if seen.has_begun else _leave_early(job, now)
    if seen.replicas and all(status.phase not in (Phase.ABSENT, Phase.STAGING) for status in seen.replicas):
        return _enter(job, State.RUNNING, now), None
    if seen.failure:
        return _fail_or_retry(_note(job, failure=seen.failure), now)
    return job, JobAction.START


def _step_running(job: Job, seen: Observation, now: float) -> Step:
    if not seen.replicas:
        return _fail_or_retry(_note(job, failure=work.LOST), now)
    if seen.has_failed:
        failed = _note(job, failure=seen.failure or PROGRAM_FAILED)
        return _fail_or_retry(failed, now) if seen.has_ended else _stop(failed, now)
    if seen.has_ended:
        return _enter(job, State.STORING, now), JobAction.STORE
    if is_unwanted(job, now):
        return _stop(_note_limit(job, now), now)
    return job, None


def _step_stopping(job: Job, seen: Observation, now: float) -> Step:
    if not seen.replicas:
        return _fail_or_retry(_note(job, failure=job.progress.failure or work.LOST), now)
    if not seen.has_ended:
        return job, JobAction.STOP
    if job.progress.failure:
        return _fail_or_retry(job, now)
    if job.interrupt_requested and not (job.stop_requested or job.progress.ended_by):
        if seen.unstored:  # the next attempt would begin without knowing what it misses
            return _fail(job, seen.unstored, now), JobAction.REMOVE
        return _enter(job, State.RESTARTING, now), JobAction.CLEAR
    return _enter(job, State.STORING, now, was_stopped=True), JobAction.STORE


def _step_restarting(job: Job, seen: Observation, now: float) -> Step:
    if job.stop_requested:
        return _end(job, State.STOPPED, now), JobAction.REMOVE
    if not seen.is_cleared:
        return job, JobAction.CLEAR
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
        return _fail(job, seen.failure, now), JobAction.REMOVE
    if seen.artifact is None:
        return job, JobAction.STORE
    stored = _note(job, artifact=seen.artifact or None)
    return _end(stored, State.STOPPED if job.progress.was_stopped else State.COMPLETED, now), JobAction.REMOVE


def _note_limit(job: Job, now: float) -> Job:
    return job if job.stop_requested else _note(job, ended_by=reached(job, now))


def _leave_early(job: Job, now: float) -> Step:
    """End, or start again later, a job whose program has not begun."""
    noted = _note_limit(job, now)
    if noted.stop_requested or noted.progress.ended_by:
        return _end(noted, State.STOPPED, now), JobAction.REMOVE
    return _enter(job, State.RESTARTING, now), JobAction.CLEAR


def _fail_or_retry(job: Job, now: float) -> Step:
    """A host that was lost is the machine's fault: such an attempt may be repeated."""
    is_final = job.progress.failure != work.LOST or job.progress.retried >= job.specification.retries
    if is_final or job.stop_requested or job.progress.ended_by:
        return _end(job, State.FAILED, now), JobAction.REMOVE
    return _enter(job, State.RESTARTING, now, retried=job.progress.retried + 1), JobAction.CLEAR


def _enter(job: Job, state: State, now: float, **progress: object) -> Job:
    return replace(_note(job, **progress), state=state, modified_at=now)


def _stop(job: Job, now: float) -> Step:
    return _enter(job, State.STOPPING, now), JobAction.STOP


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


def advance(kind: JobKind, claim: LeasedRecord) -> float | None:
    """One turn of a job: observe, step, save, act, until there is nothing to do at once."""
    context = claim.context
    job = jobs.find(context, kind, claim.name)
    seen = _observe(context, job)
    performed = None
    while True:
        before = job
        job, action = step(job, seen, context.now())
        if job != before:
            saving.save(claim, before, job)
        if seen.is_removed:
            saving.let_go(claim, job)
            return None
        if job.state == State.PENDING and not job.is_admitted:
            return saving.wait_for_room(claim, job)
        if action in (None, performed):
            return _seconds_to_next_turn(job, context.now())
        seen = _perform(context, job, action)
        performed = action
        if action in (JobAction.PREPARE, JobAction.START):  # which may have taken long
            wishes = jobs.find(context, kind, job.name)
            job = replace(job, stop_requested=wishes.stop_requested, interrupt_requested=wishes.interrupt_requested)


def _observe(context: Context, job: Job) -> Observation:
    if job.state == State.PENDING:
        return _choose_environment(context, job) if job.is_admitted else Observation()
    if job.state == State.PREPARING:
        return Observation(has_environment=job_environment.is_ready(context, job))
    if job.state.is_end or job.state in (State.STORING, State.RESTARTING):
        return Observation()
    replicas = context.engine.status(job.work_id)
    seen = Observation(replicas)
    if seen.has_begun:
        logs.collect_all(context, job, math.inf if seen.has_ended else LOG_SECONDS)
    if seen.has_ended:
        seen = replace(seen, message=work.message(context, job), unstored=_store_last(context, job))
    elif job.state == State.RUNNING:  # before, its checkpoints may be half laid
        outputs.store_changes(context, job)
    if not seen.has_failed:
        return seen
    return replace(seen, failure=work.failure(context, job, replicas))


def _store_last(context: Context, job: Job) -> str | None:
    """Why not all that is kept while a program runs could be stored at its end."""
    try:
        outputs.store_last(context, job)
    except StorageUnavailableError:
        raise  # it is still where the program left it
    except CloudError as error:
        return _unstored(error)
    return None


def _choose_environment(context: Context, job: Job) -> Observation:
    try:
        name = job_environment.choose(context, job)
    except StagingError as error:
        return Observation(failure=f"ClientError: {error}"[: work.FAILURE_LIMIT])
    chosen = replace(job, progress=replace(job.progress, environment=name))
    return Observation(environment=name, has_environment=job_environment.is_ready(context, chosen))


def _perform(context: Context, job: Job, action: JobAction) -> Observation:
    match action:
        case JobAction.PREPARE:
            return _perform_prepare(context, job)
        case JobAction.START:
            return _perform_start(context, job)
        case JobAction.STOP:
            context.engine.stop(job.work_id, STOP_GRACE_SECONDS)
            return _observe(context, job)
        case JobAction.STORE:
            return _perform_store(context, job)
        case JobAction.CLEAR:
            _clear(context, job)
            return Observation(is_cleared=True)
        case JobAction.REMOVE:
            _clear(context, job)
            return Observation(is_removed=True)


def _perform_prepare(context: Context, job: Job) -> Observation:
    try:
        return Observation(has_environment=job_environment.build(context, job))
    except environments.BuilderLostError:
        return Observation(has_environment=False, failure=work.LOST)
    except StagingError as error:
        return Observation(has_environment=False, failure=f"ClientError: {error}"[: work.FAILURE_LIMIT])


def _perform_start(context: Context, job: Job) -> Observation:
    try:
        with abandoning_what_is_unwanted(context, job):
            context.engine.start(work.plan(context, job))
    except StagingError as error:
        return Observation(failure=f"ClientError: {error}"[: work.FAILURE_LIMIT])
    return _observe(context, job)


def _perform_store(context: Context, job: Job) -> Observation:
    try:
        return Observation(artifact=outputs.store(context, job))
    except StorageUnavailableError:
        raise  # the output is still where the program left it: it is stored as soon as there is space
    except CloudError as error:
        return Observation(failure=_unstored(error))


def _unstored(error: CloudError) -> str:
    told = str(error).encode(errors="backslashreplace").decode()  # names of files may be anything
    return f"ClientError: The output could not be stored: {told}"[: work.FAILURE_LIMIT]


def _clear(context: Context, job: Job) -> None:
    """Take away what is left of an attempt; whatever is kept of it is stored."""
    replicas = context.engine.status(job.work_id)
    if any(status.started_at is not None for status in replicas):
        context.engine.stop(job.work_id, 0.0)
        logs.collect_all(context, job)
    job_environment.let_go(context, job)
    context.engine.remove(job.work_id)
    context.synced.forget(job.work_id)


def _seconds_to_next_turn(job: Job, now: float) -> float:
    """Young jobs are looked at every 20 ms, since somebody waits for them; old ones every second."""
    return min(1.0, max(0.02, (now - job.modified_at) / 20))
