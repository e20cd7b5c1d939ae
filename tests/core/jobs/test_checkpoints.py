"""Checkpoints of a real program: a checkpoint that cannot be stored delays neither the job's end nor its log."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.control.reconciler import LeasedRecord
from lowcloud.core.errors import CloudError
from lowcloud.core.jobs import creation, jobs, lifecycle
from lowcloud.core.jobs.jobs import Job, Output, Specification, State
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.programs import images
from lowcloud.core.programs.images import Image
from lowcloud.core.staging.output_sync import StoredFiles
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import listings, objects
from lowcloud.core.telemetry import logs
from lowcloud.home.settings import EXECUTION_ROLE
from lowcloud.store.db.tables.jobs import training_jobs
from tests.core.jobs import test_lifecycle
from tests.support.waiting import wait_for

NAME = "job"
BUCKET = "sagemaker-bucket"
CHECKPOINTS = Output("checkpoints", "checkpoints", "sagemaker-kept", "here")


@pytest.fixture
def claim(context: Context) -> Iterator[LeasedRecord]:
    for bucket in (BUCKET, "sagemaker-kept"):
        buckets.create(context, bucket)
    yield LeasedRecord(context, TRAINING, NAME, "one")
    context.engine.remove(f"training-job/{NAME}/1")


def create(context: Context, program: str, **changes: object) -> None:
    """A job that runs a line of shell, held by the claim."""
    images.register(context, Image("own", context.now(), command=("sh", "-c", program)))
    requested: Specification = replace(
        test_lifecycle.SPECIFICATION,
        image="own",
        role=EXECUTION_ROLE,
        checkpoints=CHECKPOINTS,
        is_network_isolated=True,
    )
    creation.create(context, TRAINING, NAME, replace(requested, **changes))  # type: ignore[arg-type]
    with context.database.transaction() as connection:
        connection.execute(training_jobs.update().values(lease_owner="one"))


def job(context: Context) -> Job:
    return resources.find(context, TRAINING, NAME)


def turn(claim: LeasedRecord) -> Job:
    lifecycle.advance(claim)
    return job(claim.context)


def ended(claim: LeasedRecord) -> Job:
    wait_for(lambda: turn(claim).state.is_end, 60)
    return job(claim.context)


def until(claim: LeasedRecord, state: State) -> None:
    wait_for(lambda: turn(claim).state == state, 60)


def keys(context: Context) -> set[str]:
    return {version.key for version in listings.walk(context, "sagemaker-kept")}


def test_the_last_output_of_a_program_is_stored_before_its_job_is_complete(claim, context, monkeypatch):
    seen: list[set[str]] = []
    save = LeasedRecord.save

    def watch(claim: LeasedRecord, values: dict[str, object], *rest: object, **options: object) -> bool:
        if values.get("state") in (State.COMPLETED, State.FAILED):
            seen.append(keys(context))
        return save(claim, values, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(LeasedRecord, "save", watch)
    create(context, "mkdir -p /opt/ml/checkpoints; echo 1 > $SAGEMAKER_BASE_DIR/checkpoints/last; exit 3")
    assert ended(claim).state == State.FAILED
    assert seen == [{"here/last"}]


def test_a_bucket_deleted_during_the_job_fails_the_job_at_its_end(claim, context):
    create(context, "while [ ! -e $SAGEMAKER_BASE_DIR/model/go ]; do echo x >> checkpoints/many; sleep 0.05; done")
    until(claim, State.RUNNING)
    wait_for(lambda: turn(claim) and next(context.settings.work.glob("*/0/base/checkpoints/many"), None))
    buckets.delete(context, "sagemaker-kept")
    assert turn(claim).state == State.RUNNING
    (next(context.settings.work.glob("*/0/base/model")) / "go").touch()
    found = ended(claim)
    assert found.state == State.FAILED
    assert "The output could not be stored" in str(found.progress.failure)
    assert "sagemaker-kept" in str(found.progress.failure)


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="elsewhere no such name can be made")
def test_a_name_that_no_key_can_have_fails_the_job_and_all_else_is_stored(claim, context):
    create(
        context, r"cd checkpoints; echo 1 > a; echo 2 > $(printf 'b\377'); echo 3 > \"$(printf 'c\nd')\"; echo 4 > e"
    )
    found = ended(claim)
    assert found.state == State.FAILED
    assert r"b\udcff" in str(found.progress.failure)
    assert "not UTF-8" in str(found.progress.failure)
    assert {"here/a", "here/e"} <= keys(context)


def test_folders_too_deep_to_follow_fail_the_job_with_the_reason(claim, context):
    create(context, "cd checkpoints; for i in $(seq 250); do mkdir d; cd d; done")
    found = ended(claim)
    assert found.state == State.FAILED
    assert "nested folders" in str(found.progress.failure)


def test_a_large_checkpoint_in_progress_delays_neither_log_nor_stop(claim, context, monkeypatch):
    create(context, "head -c 64M /dev/zero > checkpoints/large; echo written; sleep 0.6; echo more; sleep 600")
    until(claim, State.RUNNING)
    put, uploading, goes_on = objects.put, threading.Event(), threading.Event()

    def slowly(context: Context, bucket: str, key: str, chunks: Iterator[bytes]) -> object:
        def held() -> Iterator[bytes]:
            for chunk in chunks:
                yield chunk
                uploading.set()
                goes_on.wait(2)

        return put(context, bucket, key, held())

    monkeypatch.setattr(objects, "put", slowly)

    def carry() -> None:
        while not job(context).state.is_end:
            lifecycle.advance(claim)

    carrier = threading.Thread(target=carry)
    carrier.start()
    try:
        assert uploading.wait(60)
        wait_for(lambda: "more" in lines(context), 60)
        jobs.stop(context, TRAINING, NAME)
        wait_for(lambda: job(context).state != State.RUNNING, 60)
        assert keys(context) == set(), "the upload was to be under way still"
    finally:
        goes_on.set()
        carrier.join(60)
    assert job(context).state == State.STOPPED
    assert keys(context) == {"here/large"}


def lines(context: Context) -> list[str]:
    try:
        return [event.message for event in logs.filter_events(context, TRAINING.log_group, 100)]
    except CloudError:  # nothing was printed yet
        return []


def test_a_clear_that_was_cut_short_is_repeated_without_harm(claim, context, monkeypatch):
    create(context, "echo 1 > checkpoints/last; sleep 600", is_interruptible=True, max_wait_seconds=1000)
    until(claim, State.RUNNING)
    wait_for(lambda: next(context.settings.work.glob("*/0/base/checkpoints/last"), None))
    jobs.interrupt(context, TRAINING, NAME)
    with monkeypatch.context() as cut:
        cut.setattr(StoredFiles, "forget", _die)
        with pytest.raises(KeyboardInterrupt):
            while True:
                turn(claim)
    assert job(context).state == State.RESTARTING
    assert not list(context.settings.work.glob("*/work.json"))
    assert keys(context) == {"here/last"}
    found = turn(claim)
    assert (found.state, found.progress.attempt) == (State.PENDING, 2)


def _die(*_: object) -> None:
    raise KeyboardInterrupt
