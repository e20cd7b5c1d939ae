"""The pure step of a job: every path ends once, with the right status."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from lowcloud.core.jobs.jobs import Job, Limit, Output, Progress, Specification, State, waits_until
from lowcloud.core.jobs.lifecycle import JobAction, JobObservation, step
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.jobs.work import LOST as HOST_LOST
from lowcloud.engine.work import Phase, ReplicaStatus, Resources
from lowcloud.home.settings import EXECUTION_ROLE

RUNNING = ReplicaStatus(Phase.RUNNING, started_at=1.0)
DONE = ReplicaStatus(Phase.EXITED, 0, 1.0, 2.0)
FAILED = ReplicaStatus(Phase.EXITED, 1, 1.0, 2.0)
LOST = ReplicaStatus(Phase.LOST, None, 1.0)
STAGING = ReplicaStatus(Phase.STAGING)
NEVER_STARTED = ReplicaStatus(Phase.EXITED, -15, None, 2.0)

SPECIFICATION = Specification(
    image="linear-learner",
    role=EXECUTION_ROLE,
    outputs=(Output("model", "model", "sagemaker-bucket", "output/job/output/model.tar.gz", is_archive=True),),
    instance_type="ml.c4.xlarge",
    instance_count=1,
    volume_gigabytes=1,
    max_runtime_seconds=100,
)


def job(state: State = State.PENDING, **changes: object) -> Job:
    begun = Progress(started_at=1.0, attempt_started_at=1.0)
    share = Resources(1.0, 1 << 30)
    made = Job(TRAINING, "job", state, 0.0, 0.0, None, False, False, True, share, SPECIFICATION, begun)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_job_passes_through_its_states_to_completion():
    pending = replace(job(), progress=Progress())
    staging, action = step(pending, JobObservation(), 1.0)
    assert (staging.state, action, staging.progress.started_at) == (State.STAGING, JobAction.START, 1.0)
    running, action = step(staging, JobObservation((RUNNING,)), 2.0)
    assert (running.state, action) == (State.RUNNING, None)
    storing, action = step(running, JobObservation((DONE,)), 3.0)
    assert (storing.state, action) == (State.STORING, JobAction.STORE)
    ended, action = step(storing, JobObservation(artifact="s3://bucket/model.tar.gz"), 4.5)
    assert (ended.state, action) == (State.COMPLETED, JobAction.REMOVE)
    assert ended.progress.artifact == "s3://bucket/model.tar.gz"
    assert (ended.ended_at, ended.progress.billable_seconds) == (4.5, 4)
    assert step(ended, JobObservation(is_removed=True), 5.0) == (ended, None)


def test_a_job_waits_while_there_is_no_capacity():
    pending = replace(job(is_admitted=False), progress=Progress())
    assert step(pending, JobObservation(), 1.0) == (pending, None)


def test_a_job_waits_with_the_reason_while_the_engine_can_start_no_work():
    pending = replace(job(), progress=Progress())
    waiting, action = step(pending, JobObservation(waits_for="The disk is full."), 1.0)
    assert (waiting.state, waiting.progress.waits_for, action) == (State.PENDING, "The disk is full.", None)
    assert waiting.progress.started_at is None, "the time that it may run has not begun"
    staging, action = step(waiting, JobObservation(), 5.0)
    assert (staging.state, action, staging.progress.started_at) == (State.STAGING, JobAction.START, 5.0)
    assert staging.progress.waits_for is None


def test_the_time_to_build_the_environment_counts_as_running_time():
    preparing, _ = step(replace(job(), progress=Progress()), JobObservation(has_environment=False), 10.0)
    assert (preparing.state, preparing.progress.attempt_started_at) == (State.PREPARING, 10.0)
    ended, action = step(preparing, JobObservation(has_environment=False), 10.0 + SPECIFICATION.max_runtime_seconds + 1)
    assert (ended.state, ended.progress.ended_by, action) == (State.STOPPED, Limit.RUNTIME, JobAction.REMOVE)


def test_a_job_stopped_before_it_began_is_stopped_and_bills_nothing():
    pending = replace(job(stop_requested=True), progress=Progress())
    ended, _ = step(pending, JobObservation(), 1.0)
    assert (ended.state, ended.progress.billable_seconds) == (State.STOPPED, None)


def test_inputs_that_cannot_be_staged_fail_the_job_with_the_reason():
    ended, action = step(job(State.STAGING), JobObservation(failure="ClientError: no data"), 1.0)
    assert (ended.state, ended.progress.failure, action) == (State.FAILED, "ClientError: no data", JobAction.REMOVE)


def test_a_program_that_fails_fails_the_job():
    ended, _ = step(job(State.RUNNING), JobObservation((FAILED,), failure="AlgorithmError: no"), 1.0)
    assert (ended.state, ended.progress.failure) == (State.FAILED, "AlgorithmError: no")


def test_one_failed_host_ends_the_others_before_the_job_fails():
    seen = JobObservation((FAILED, RUNNING), failure="AlgorithmError: no")
    stopping, action = step(job(State.RUNNING), seen, 1.0)
    assert (stopping.state, action) == (State.STOPPING, JobAction.STOP)
    ended, _ = step(stopping, JobObservation((FAILED, DONE)), 2.0)
    assert (ended.state, ended.progress.failure) == (State.FAILED, "AlgorithmError: no")


def test_a_stopped_program_keeps_the_model_it_saved():
    stopping, action = step(job(State.RUNNING, stop_requested=True), JobObservation((RUNNING,)), 1.0)
    assert (stopping.state, action) == (State.STOPPING, JobAction.STOP)
    storing, action = step(stopping, JobObservation((replace(DONE, exit_code=-15),)), 2.0)
    assert (storing.state, action) == (State.STORING, JobAction.STORE)
    ended, _ = step(storing, JobObservation(artifact="s3://bucket/model.tar.gz"), 3.0)
    assert (ended.state, ended.progress.artifact) == (State.STOPPED, "s3://bucket/model.tar.gz")


def test_a_job_past_its_time_limit_is_stopped_for_that_reason():
    stopping, action = step(job(State.RUNNING), JobObservation((RUNNING,)), 101.5)
    assert (stopping.state, action, stopping.progress.ended_by) == (State.STOPPING, JobAction.STOP, Limit.RUNTIME)


def test_work_that_vanished_fails_the_job():
    for state in (State.RUNNING, State.STOPPING):
        ended, _ = step(job(state), JobObservation(()), 1.0)
        assert ended.state == State.FAILED


def test_a_model_that_cannot_be_stored_fails_the_job():
    ended, _ = step(job(State.STORING), JobObservation(failure="ClientError: full"), 1.0)
    assert (ended.state, ended.progress.failure) == (State.FAILED, "ClientError: full")


def test_a_job_stopped_while_inputs_are_staged_is_stopped_and_nothing_is_started():
    for seen in (
        JobObservation(),
        JobObservation((STAGING,)),
        JobObservation((NEVER_STARTED, STAGING)),
        JobObservation(failure=""),
    ):
        ended, action = step(job(State.STAGING, stop_requested=True), seen, 3.0)
        assert (ended.state, action, ended.progress.failure) == (State.STOPPED, JobAction.REMOVE, None)
        assert not ended.progress.ended_by


def test_a_job_whose_time_limit_passes_while_inputs_are_staged_is_stopped_for_that_reason():
    ended, action = step(job(State.STAGING), JobObservation((NEVER_STARTED,)), 101.5)
    assert (ended.state, action, ended.progress.ended_by) == (State.STOPPED, JobAction.REMOVE, Limit.RUNTIME)


def test_a_stop_just_after_the_start_of_the_program_ends_it_as_usual():
    for seen in (JobObservation((RUNNING,)), JobObservation((replace(DONE, exit_code=-15), STAGING))):
        stopping, action = step(job(State.STAGING, stop_requested=True), seen, 3.0)
        assert (stopping.state, action) == (State.STOPPING, JobAction.STOP)


def test_a_missing_environment_is_built_before_the_inputs_are_staged():
    pending = replace(job(), progress=Progress())
    preparing, action = step(pending, JobObservation(has_environment=False), 1.0)
    assert (preparing.state, action) == (State.PREPARING, JobAction.PREPARE)
    assert step(preparing, JobObservation(has_environment=False), 2.0) == (preparing, JobAction.PREPARE)
    staging, action = step(preparing, JobObservation(), 3.0)
    assert (staging.state, action) == (State.STAGING, JobAction.START)
    ended, _ = step(preparing, JobObservation(has_environment=False, failure="ClientError: no such package"), 3.0)
    assert (ended.state, ended.progress.failure) == (State.FAILED, "ClientError: no such package")


SPOT = replace(SPECIFICATION, is_interruptible=True, max_wait_seconds=500)


def test_an_interrupted_job_restarts_and_its_time_is_not_reset():
    running = job(State.RUNNING, interrupt_requested=True, specification=SPOT)
    stopping, action = step(running, JobObservation((RUNNING,)), 31.0)
    assert (stopping.state, action) == (State.STOPPING, JobAction.STOP)
    restarting, action = step(stopping, JobObservation((DONE,)), 41.0)
    assert (restarting.state, action) == (State.RESTARTING, JobAction.CLEAR)
    pending, action = step(restarting, JobObservation(is_cleared=True), 42.0)
    assert (pending.state, pending.is_admitted, pending.interrupt_requested, action) == (
        State.PENDING,
        False,
        False,
        None,
    )
    assert (pending.progress.attempt, pending.progress.spent_seconds) == (2, 40.0)
    assert pending.work_id != running.work_id
    again, _ = step(replace(pending, is_admitted=True), JobObservation(), 100.0)
    assert (again.progress.started_at, again.progress.attempt_started_at) == (1.0, 100.0)
    late, _ = step(replace(again, state=State.RUNNING), JobObservation((RUNNING,)), 161.0)
    assert late.progress.ended_by == Limit.RUNTIME
    ended, _ = step(replace(again, state=State.STORING), JobObservation(artifact="s3://bucket/model"), 110.0)
    assert ended.progress.billable_seconds == 50


def test_an_interrupted_job_that_waits_too_long_is_stopped_for_that_reason():
    waiting = job(is_admitted=False, specification=SPOT, progress=Progress(attempt=2, started_at=1.0))
    assert waits_until(waiting.specification, waiting.created_at, 2) == 500.0
    ended, _ = step(waiting, JobObservation(), 501.0)
    assert (ended.state, ended.progress.ended_by) == (State.STOPPED, Limit.WAIT)


def test_a_stop_counts_for_more_than_an_interruption():
    stopping = job(State.STOPPING, interrupt_requested=True, stop_requested=True, specification=SPOT)
    storing, action = step(stopping, JobObservation((DONE,)), 2.0)
    assert (storing.state, action) == (State.STORING, JobAction.STORE)


def test_a_lost_host_is_retried_as_often_as_requested_and_a_failed_program_never():
    requested = replace(SPECIFICATION, retries=1)
    running = job(State.RUNNING, specification=requested)
    restarting, action = step(running, JobObservation((LOST,), failure=HOST_LOST), 2.0)
    assert (restarting.state, action) == (State.RESTARTING, JobAction.CLEAR)
    pending, _ = step(restarting, JobObservation(is_cleared=True), 3.0)
    assert (pending.progress.attempt, pending.progress.failure) == (2, None)
    ended, _ = step(replace(pending, state=State.RUNNING), JobObservation((LOST,), failure=HOST_LOST), 4.0)
    assert (ended.state, ended.progress.failure) == (State.FAILED, HOST_LOST)
    ended, _ = step(running, JobObservation((FAILED,), failure="AlgorithmError: no"), 2.0)
    assert ended.state == State.FAILED


def test_a_program_that_fails_at_once_has_run_all_the_same():
    running, action = step(job(State.STAGING), JobObservation((FAILED,), failure="AlgorithmError: no"), 2.0)
    assert (running.state, action) == (State.RUNNING, None)


def test_a_host_that_is_lost_before_all_run_or_while_the_environment_is_built_is_retried():
    requested = replace(SPECIFICATION, retries=1)
    begun = job(State.STAGING, specification=requested)
    for seen in (JobObservation((LOST, STAGING), failure=HOST_LOST), JobObservation(failure=HOST_LOST)):
        restarting, action = step(begun, seen, 2.0)
        assert (restarting.state, action, restarting.progress.retried) == (State.RESTARTING, JobAction.CLEAR, 1)
    preparing = job(State.PREPARING, specification=requested)
    restarting, action = step(preparing, JobObservation(has_environment=False, failure=HOST_LOST), 2.0)
    assert (restarting.state, action) == (State.RESTARTING, JobAction.CLEAR)


def test_an_interrupted_job_whose_checkpoints_could_not_be_stored_fails_rather_than_begin_without_them():
    stopping = job(State.STOPPING, interrupt_requested=True, specification=SPOT)
    ended, action = step(stopping, JobObservation((DONE,), storing_failure="ClientError: no bucket"), 2.0)
    assert (ended.state, ended.progress.failure, action) == (State.FAILED, "ClientError: no bucket", JobAction.REMOVE)


observations = st.builds(
    JobObservation,
    replicas=st.lists(st.sampled_from([RUNNING, DONE, FAILED, LOST, STAGING]), max_size=3).map(tuple),
    has_environment=st.booleans(),
    failure=st.none() | st.just("ClientError: something"),
    artifact=st.none() | st.just("s3://bucket/model.tar.gz"),
    is_cleared=st.booleans(),
    is_removed=st.booleans(),
)


@settings(max_examples=1000)
@given(st.lists(observations, max_size=12), st.booleans(), st.booleans())
def test_an_end_is_final_and_correct_whatever_is_observed(seen, stop_requested, interrupt_requested):
    requested = replace(SPOT, retries=1)
    current = replace(job(stop_requested=stop_requested, specification=requested), progress=Progress())
    current = replace(current, interrupt_requested=interrupt_requested)
    stored = False
    for now, one in enumerate(seen):
        before = current
        current, _ = step(current, one, float(now))
        if before.state.is_end:
            assert current == before
        if before.state == State.STORING and one.artifact:
            stored = True
        if current.state == State.COMPLETED:
            assert stored, "a job is complete only after its artifact lies in the store"
        if current.state == State.FAILED:
            assert current.progress.failure
        if current.state.is_end:
            assert current.ended_at is not None
