"""The life of a job: a pure `step`, and how its turns observe, save and act (control/turns.py)."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.control.reconciler import LeasedRecord
from lowcloud.core.control.turns import take_turn
from lowcloud.core.environments import builds
from lowcloud.core.errors import CloudError, StorageUnavailableError
from lowcloud.core.jobs import environment, logs, outputs, programs, saving, work
from lowcloud.core.jobs.cancellation import STOP_GRACE_SECONDS, is_cancelled, reached, stopping_if_cancelled
from lowcloud.core.jobs.jobs import Job, State, billable_seconds
from lowcloud.core.staging.output_sync import StoredFiles
from lowcloud.core.telemetry.metric_extraction import MetricFaults
from lowcloud.engine.work import Phase, ReplicaStatus, StagingError

LOG_SECONDS = 0.5  # spent on the log of a running program in each turn
PROGRAM_FAILED = "AlgorithmError: The program failed; see its log."


class JobAction(StrEnum):
    """An action that a step returns; each is safe to repeat."""

    PREPARE = "prepare"
    START = "start"
    STOP = "stop"
    CLEAR = "clear"
    STORE = "store"
    REMOVE = "remove"


@dataclass(frozen=True)
class JobObservation:
    """The facts a step decides on: the status of the replicas, and the result of the last action."""

    replicas: tuple[ReplicaStatus, ...] = ()
    environment: str | None = None  # the one that the job requires; see Work.environment
    has_environment: bool = True
    failure: str | None = None  # why it could not be prepared, staged or stored, or the program failed
    waits_for: str | None = None  # why the engine can start no work now
    message: str | None = None  # the exit message of a program that has ended
    storing_failure: str | None = None  # why its last checkpoints and continuous outputs are not stored
    artifact: str | None = None  # where the artifact is stored; "" if the program left none
    is_cleared: bool = False  # nothing of this attempt is left
    is_removed: bool = False

    @property
    def has_begun(self) -> bool:
        return any(status.started_at is not None for status in self.replicas)

    @property
    def has_ended(self) -> bool:
        return bool(self.replicas) and all(status.phase.is_end for status in self.replicas)

    @property
    def has_failed(self) -> bool:
        return any(status.phase == Phase.LOST or status.exit_code not in (None, 0) for status in self.replicas)


Step = tuple[Job, JobAction | None]


def step(job: Job, seen: JobObservation, now: float) -> Step:
    """Return the next state of a job and the action to perform in it. Pure."""
    if seen.message and not job.state.is_end:
        job = _set(job, exit_message=seen.message)
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


def _step_pending(job: Job, seen: JobObservation, now: float) -> Step:
    if job.stop_requested or reached(job, now):
        return _end(_set_limit(job, now), State.STOPPED, now), JobAction.REMOVE
    if not job.is_admitted:
        return job, None
    if seen.failure:
        return _fail(job, seen.failure, now), JobAction.REMOVE
    if seen.waits_for:
        return _set(job, waits_for=seen.waits_for), None
    job = _set(job, environment=seen.environment, waits_for=None)
    times = {"started_at": job.progress.started_at or now, "attempt_started_at": now}
    if not seen.has_environment:
        return _enter(job, State.PREPARING, now, **times), JobAction.PREPARE
    return _enter(job, State.STAGING, now, **times), JobAction.START


def _step_preparing(job: Job, seen: JobObservation, now: float) -> Step:
    if is_cancelled(job, now):
        return _end_early(job, now)
    if seen.failure:
        return _fail_or_retry(_set(job, failure=seen.failure), now)
    if seen.has_environment:
        return _enter(job, State.STAGING, now), JobAction.START
    return job, JobAction.PREPARE


def _step_staging(job: Job, seen: JobObservation, now: float) -> Step:
    if is_cancelled(job, now):
        return _stop(_set_limit(job, now), now) if seen.has_begun else _end_early(job, now)
    if seen.replicas and all(status.phase not in (Phase.ABSENT, Phase.STAGING) for status in seen.replicas):
        return _enter(job, State.RUNNING, now), None
    if seen.failure:
        return _fail_or_retry(_set(job, failure=seen.failure), now)
    return job, JobAction.START


def _step_running(job: Job, seen: JobObservation, now: float) -> Step:
    if not seen.replicas:
        return _fail_or_retry(_set(job, failure=work.LOST), now)
    if seen.has_failed:
        failed = _set(job, failure=seen.failure or PROGRAM_FAILED)
        return _fail_or_retry(failed, now) if seen.has_ended else _stop(failed, now)
    if seen.has_ended:
        return _enter(job, State.STORING, now), JobAction.STORE
    if is_cancelled(job, now):
        return _stop(_set_limit(job, now), now)
    return job, None


def _step_stopping(job: Job, seen: JobObservation, now: float) -> Step:
    if not seen.replicas:
        return _fail_or_retry(_set(job, failure=job.progress.failure or work.LOST), now)
    if not seen.has_ended:
        return job, JobAction.STOP
    if job.progress.failure:
        return _fail_or_retry(job, now)
    if job.interrupt_requested and not (job.stop_requested or job.progress.ended_by):
        if seen.storing_failure:  # the next attempt would silently begin without them
            return _fail(job, seen.storing_failure, now), JobAction.REMOVE
        return _enter(job, State.RESTARTING, now), JobAction.CLEAR
    return _enter(job, State.STORING, now, was_stopped=True), JobAction.STORE


def _step_restarting(job: Job, seen: JobObservation, now: float) -> Step:
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


def _step_storing(job: Job, seen: JobObservation, now: float) -> Step:
    if seen.failure:
        return _fail(job, seen.failure, now), JobAction.REMOVE
    if seen.artifact is None:
        return job, JobAction.STORE
    stored = _set(job, artifact=seen.artifact or None)
    return _end(stored, State.STOPPED if job.progress.was_stopped else State.COMPLETED, now), JobAction.REMOVE


def _set_limit(job: Job, now: float) -> Job:
    return job if job.stop_requested else _set(job, ended_by=reached(job, now))


def _end_early(job: Job, now: float) -> Step:
    """End, or restart later, a job whose program has not started."""
    noted = _set_limit(job, now)
    if noted.stop_requested or noted.progress.ended_by:
        return _end(noted, State.STOPPED, now), JobAction.REMOVE
    return _enter(job, State.RESTARTING, now), JobAction.CLEAR


def _fail_or_retry(job: Job, now: float) -> Step:
    """Fail, or wait for another attempt if the host was lost, which is not the fault of the program."""
    is_final = job.progress.failure != work.LOST or job.progress.retried >= job.specification.retries
    if is_final or job.stop_requested or job.progress.ended_by:
        return _end(job, State.FAILED, now), JobAction.REMOVE
    return _enter(job, State.RESTARTING, now, retried=job.progress.retried + 1), JobAction.CLEAR


def _enter(job: Job, state: State, now: float, **progress: object) -> Job:
    return replace(_set(job, **progress), state=state, modified_at=now)


def _stop(job: Job, now: float) -> Step:
    return _enter(job, State.STOPPING, now), JobAction.STOP


def _fail(job: Job, failure: str, now: float) -> Job:
    return _end(_set(job, failure=failure), State.FAILED, now)


def _end(job: Job, state: State, now: float) -> Job:
    progress = job.progress
    seconds = None
    if progress.started_at is not None:
        begun = progress.attempt_started_at
        seconds = billable_seconds(0.0, progress.spent_seconds + (now - begun if begun is not None else 0.0))
    return replace(_set(job, billable_seconds=seconds), state=state, modified_at=now, ended_at=now)


def _set(job: Job, **progress: object) -> Job:
    return replace(job, progress=replace(job.progress, **progress))  # type: ignore[arg-type]


class JobLifecycle:
    """The lifecycle of a job: how turns observe, save and act; see control/turns.py."""

    def __init__(self, record: LeasedRecord):
        self._record = record
        self._context = record.context

    step = staticmethod(step)

    def observe(self, job: Job) -> JobObservation:
        """Return the facts that the first step of a turn decides on."""
        if job.state == State.PENDING:
            return _choose_environment(self._context, job) if job.is_admitted else JobObservation()
        if job.state == State.PREPARING:
            return JobObservation(has_environment=environment.is_ready(self._context, job))
        if job.state.is_end or job.state in (State.STORING, State.RESTARTING):
            return JobObservation()
        return _observe_replicas(self._context, job)

    def save(self, before: Job, after: Job) -> None:
        """Save a step, with its event, its tracking and its place in the queue."""
        saving.save(self._record, before, after)

    def perform(self, job: Job, action: JobAction) -> JobObservation:
        """Perform an action."""
        match action:
            case JobAction.PREPARE:
                return _prepare(self._context, job)
            case JobAction.START:
                return _start(self._context, job)
            case JobAction.STOP:
                self._context.engine.stop(job.work_id, STOP_GRACE_SECONDS)
                return self.observe(job)
            case JobAction.STORE:
                return _store(self._context, job)
            case JobAction.CLEAR:
                _clear(self._context, job)
                return JobObservation(is_cleared=True)
            case JobAction.REMOVE:
                _clear(self._context, job)
                self._context.memory.get(MetricFaults).forget(job.name)
                return JobObservation(is_removed=True)

    def refresh(self, job: Job) -> Job:
        """Return the job with the requests that arrived while its environment was prepared or its inputs staged."""
        if job.state not in (State.PREPARING, State.STAGING):
            return job
        current = resources.find(self._context, job.kind, job.name)
        return replace(job, stop_requested=current.stop_requested, interrupt_requested=current.interrupt_requested)


def advance(record: LeasedRecord) -> float | None:
    """Take one turn of a job; see ResourceKind.advance."""
    context = record.context
    job, seen = take_turn(JobLifecycle(record), resources.find(context, record.kind, record.name), context.now)
    if seen.is_removed:
        saving.finish(record, job)
        return None
    if job.state == State.PENDING and not job.is_admitted:
        return saving.wait_for_capacity(record, job)
    return _seconds_to_next_turn(job, context.now())


def _observe_replicas(context: Context, job: Job) -> JobObservation:
    replicas = context.engine.status(job.work_id)
    seen = JobObservation(replicas)
    if seen.has_begun:
        logs.collect_all(context, job, math.inf if seen.has_ended else LOG_SECONDS)
    if seen.has_ended:
        seen = replace(seen, message=work.message(context, job), storing_failure=_store_last(context, job))
    elif job.state == State.RUNNING:  # before that, its checkpoints may be half staged
        outputs.store_changes(context, job)
    if not seen.has_failed:
        return seen
    return replace(seen, failure=work.failure(context, job, replicas))


def _store_last(context: Context, job: Job) -> str | None:
    """Store what has changed since the last scan. Return why not everything could be stored."""
    try:
        outputs.store_last(context, job)
    except StorageUnavailableError:
        raise  # it is still where the program left it
    except CloudError as error:
        return _storing_failure(error)
    return None


def _choose_environment(context: Context, job: Job) -> JobObservation:
    try:
        name = environment.choose(context, job)
    except StagingError as error:
        return JobObservation(failure=_client_error(error))
    is_container = bool(programs.of_job(context, job).container)  # which isolates by itself
    if not is_container and (reason := context.engine.readiness()):
        return JobObservation(waits_for=reason)
    return JobObservation(environment=name, has_environment=builds.is_ready(context, name))


def _prepare(context: Context, job: Job) -> JobObservation:
    try:
        return JobObservation(has_environment=environment.build(context, job))
    except builds.BuilderLostError:
        return JobObservation(has_environment=False, failure=work.LOST)
    except StagingError as error:
        return JobObservation(has_environment=False, failure=_client_error(error))


def _start(context: Context, job: Job) -> JobObservation:
    try:
        with stopping_if_cancelled(context, job):
            context.engine.start(work.plan(context, job))
    except StagingError as error:
        return JobObservation(failure=_client_error(error))
    return _observe_replicas(context, job)


def _store(context: Context, job: Job) -> JobObservation:
    try:
        return JobObservation(artifact=outputs.store(context, job))
    except StorageUnavailableError:
        raise  # the output is still where the program left it: it is stored as soon as there is space
    except CloudError as error:
        return JobObservation(failure=_storing_failure(error))


def _storing_failure(error: CloudError) -> str:
    reason = str(error).encode(errors="backslashreplace").decode()  # file names may be any bytes
    return _client_error(f"The output could not be stored: {reason}")


def _client_error(reason: object) -> str:
    """Return a failure reason in the form of SageMaker: the user's input is at fault."""
    return f"ClientError: {reason}"[: work.FAILURE_LIMIT]


def _clear(context: Context, job: Job) -> None:
    """Remove the work and the environment builder of an attempt whose outputs are stored."""
    replicas = context.engine.status(job.work_id)
    if any(status.started_at is not None for status in replicas):
        context.engine.stop(job.work_id, 0.0)
        logs.collect_all(context, job)
    environment.release(context, job)
    context.engine.remove(job.work_id)
    context.memory.get(StoredFiles).forget(job.work_id)


def _seconds_to_next_turn(job: Job, now: float) -> float:
    """Return 20 ms for a young job, for which a client may be waiting, and up to a second for an older one."""
    return min(1.0, max(0.02, (now - job.modified_at) / 20))
