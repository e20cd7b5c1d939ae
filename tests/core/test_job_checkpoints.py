"""Checkpoints of a real program: whatever cannot be stored holds up neither the job's end nor its log."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from lowcloud.core import buckets, images, job_creation, jobs, jobs_lifecycle, listings, logs, objects
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import CloudError
from lowcloud.core.images import Image
from lowcloud.core.jobs import TRAINING, Job, Output, Specification, State
from lowcloud.core.reconciler import Claim
from lowcloud.store.tables import training_jobs
from tests.conftest import wait_for
from tests.core import test_jobs_lifecycle

NAME = "job"
BUCKET = "bucket"
CHECKPOINTS = Output("checkpoints", "checkpoints", "kept", "here")


@pytest.fixture
def claim(cloud: Cloud) -> Iterator[Claim]:
    for bucket in (BUCKET, "kept"):
        buckets.create(cloud, bucket)
    yield Claim(cloud, training_jobs, NAME, "one")
    cloud.engine.remove(f"training-job/{NAME}/1")


def create(cloud: Cloud, program: str, **changes: object) -> None:
    """A job that runs a line of shell, held by the claim."""
    images.teach(cloud, Image("own", cloud.now(), command=("sh", "-c", program)))
    asked: Specification = replace(
        test_jobs_lifecycle.SPECIFICATION, image="own", role="role", checkpoints=CHECKPOINTS, is_network_isolated=True
    )
    job_creation.create(cloud, TRAINING, NAME, replace(asked, **changes))  # type: ignore[arg-type]
    with cloud.database.transaction() as connection:
        connection.execute(training_jobs.update().values(lease_owner="one"))


def job(cloud: Cloud) -> Job:
    return jobs.find(cloud, TRAINING, NAME)


def turn(claim: Claim) -> Job:
    jobs_lifecycle.advance(TRAINING, claim)
    return job(claim.cloud)


def ended(claim: Claim) -> Job:
    wait_for(lambda: turn(claim).state.is_end, 60)
    return job(claim.cloud)


def until(claim: Claim, state: State) -> None:
    wait_for(lambda: turn(claim).state == state, 60)


def keys(cloud: Cloud) -> set[str]:
    return {version.key for version in listings.walk(cloud, "kept")}


def test_what_a_program_writes_last_is_stored_before_its_job_is_complete(claim, cloud, monkeypatch):
    seen: list[set[str]] = []
    save = Claim.save

    def watch(claim: Claim, values: dict[str, object], *rest: object, **options: object) -> bool:
        if values.get("state") in (State.COMPLETED, State.FAILED):
            seen.append(keys(cloud))
        return save(claim, values, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Claim, "save", watch)
    create(cloud, "mkdir -p /opt/ml/checkpoints; echo 1 > $SAGEMAKER_BASE_DIR/checkpoints/last; exit 3")
    assert ended(claim).state == State.FAILED
    assert seen == [{"here/last"}]


def test_a_bucket_that_is_deleted_meanwhile_fails_the_job_at_its_end_and_hangs_nothing(claim, cloud):
    create(cloud, "while [ ! -e $SAGEMAKER_BASE_DIR/model/go ]; do echo x >> checkpoints/many; sleep 0.05; done")
    until(claim, State.RUNNING)
    wait_for(lambda: turn(claim) and next(cloud.settings.work.glob("*/0/base/checkpoints/many"), None))
    buckets.delete(cloud, "kept")
    assert turn(claim).state == State.RUNNING
    (next(cloud.settings.work.glob("*/0/base/model")) / "go").touch()
    found = ended(claim)
    assert found.state == State.FAILED
    assert "The output could not be stored" in str(found.progress.failure)
    assert "kept" in str(found.progress.failure)


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="elsewhere no such name can be made")
def test_a_name_that_no_key_can_have_fails_the_job_and_all_else_is_stored(claim, cloud):
    create(cloud, r"cd checkpoints; echo 1 > a; echo 2 > $(printf 'b\377'); echo 3 > \"$(printf 'c\nd')\"; echo 4 > e")
    found = ended(claim)
    assert found.state == State.FAILED
    assert r"b\udcff" in str(found.progress.failure)
    assert "not UTF-8" in str(found.progress.failure)
    assert {"here/a", "here/e"} <= keys(cloud)


def test_folders_too_deep_to_follow_fail_the_job_with_the_reason(claim, cloud):
    create(cloud, "cd checkpoints; for i in $(seq 250); do mkdir d; cd d; done")
    found = ended(claim)
    assert found.state == State.FAILED
    assert "folders deep" in str(found.progress.failure)


def test_a_large_checkpoint_on_its_way_holds_up_neither_log_nor_stop(claim, cloud, monkeypatch):
    create(cloud, "head -c 64M /dev/zero > checkpoints/large; echo written; sleep 0.6; echo more; sleep 600")
    until(claim, State.RUNNING)
    put, uploading, goes_on = objects.put, threading.Event(), threading.Event()

    def slowly(cloud: Cloud, bucket: str, key: str, chunks: Iterator[bytes]) -> object:
        def held() -> Iterator[bytes]:
            for chunk in chunks:
                yield chunk
                uploading.set()
                goes_on.wait(2)

        return put(cloud, bucket, key, held())

    monkeypatch.setattr(objects, "put", slowly)

    def carry() -> None:
        while not job(cloud).state.is_end:
            jobs_lifecycle.advance(TRAINING, claim)

    carrier = threading.Thread(target=carry)
    carrier.start()
    try:
        assert uploading.wait(60)
        wait_for(lambda: "more" in lines(cloud), 60)
        jobs.stop(cloud, TRAINING, NAME)
        wait_for(lambda: job(cloud).state != State.RUNNING, 60)
        assert keys(cloud) == set(), "the upload was to be under way still"
    finally:
        goes_on.set()
        carrier.join(60)
    assert job(cloud).state == State.STOPPED
    assert keys(cloud) == {"here/large"}


def lines(cloud: Cloud) -> list[str]:
    try:
        return [event.message for event in logs.filter_events(cloud, TRAINING.log_group, 100)]
    except CloudError:  # nothing was printed yet
        return []


def test_a_clear_that_was_cut_short_is_repeated_without_harm(claim, cloud, monkeypatch):
    create(cloud, "echo 1 > checkpoints/last; sleep 600", is_interruptible=True, max_wait_seconds=1000)
    until(claim, State.RUNNING)
    wait_for(lambda: next(cloud.settings.work.glob("*/0/base/checkpoints/last"), None))
    jobs.interrupt(cloud, TRAINING, NAME)
    with monkeypatch.context() as cut:
        cut.setattr(cloud.synced, "forget", _die)
        with pytest.raises(KeyboardInterrupt):
            while True:
                turn(claim)
    assert job(cloud).state == State.RESTARTING
    assert not list(cloud.settings.work.glob("*/work.json"))
    assert keys(cloud) == {"here/last"}
    found = turn(claim)
    assert (found.state, found.progress.attempt) == (State.PENDING, 2)


def _die(_work_id: str) -> None:
    raise KeyboardInterrupt
