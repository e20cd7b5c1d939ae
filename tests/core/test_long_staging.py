"""Inputs that take long to lay: the job can still be stopped, its time still ends, and the server can still go down."""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from lowcloud.core import buckets, job_creation, jobs, jobs_lifecycle, objects
from lowcloud.core.channels import Channel
from lowcloud.core.cloud import Cloud
from lowcloud.core.jobs import TRAINING, Job, Limit, State
from lowcloud.core.reconciler import Reconciler
from lowcloud.store.tables import training_jobs
from tests.core.test_job_outputs import BUCKET, SPECIFICATION
from tests.running import wait_for

NAME = "job"


@pytest.fixture
def endless(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Until it is undone, reading the only object never ends."""
    buckets.create(cloud, BUCKET)
    objects.put(cloud, BUCKET, "data/train.csv", [b"1,2\n0,3\n"])
    read = objects.get

    def read_for_ever(*arguments, **options):
        def chunks():
            while True:
                time.sleep(0.01)
                yield b"1"

        return read(*arguments, **options)[0], chunks()

    with monkeypatch.context() as patch:
        patch.setattr(objects, "get", read_for_ever)
        yield patch


def make(cloud: Cloud, **changes) -> Reconciler:
    """A reconciler that is laying the inputs of a new job."""
    channel = Channel("train", BUCKET, "data/")
    job_creation.create(cloud, TRAINING, NAME, replace(SPECIFICATION, channels=(channel,), **changes))
    return start(cloud)


def start(cloud: Cloud) -> Reconciler:
    reconciler = Reconciler(cloud, {training_jobs: partial(jobs_lifecycle.advance, TRAINING)})
    reconciler.start(is_alone=True)
    wait_for(lambda: list(cloud.settings.work.glob("*/0/base/input/data/train/*")))
    return reconciler


def wait_for_end(cloud: Cloud) -> Job:
    wait_for(lambda: jobs.find(cloud, TRAINING, NAME).state.is_end, 30)
    return jobs.find(cloud, TRAINING, NAME)


def test_a_job_is_stopped_while_its_inputs_are_laid(cloud, endless):
    reconciler = make(cloud)
    jobs.stop(cloud, TRAINING, NAME)
    job = wait_for_end(cloud)
    reconciler.stop()
    assert (job.state, job.progress.failure) == (State.STOPPED, None)
    assert [event.state for event in jobs.history(cloud, jobs.find(cloud, TRAINING, NAME))] == [
        "pending",
        "staging",
        "stopped",
    ]


def test_a_job_out_of_time_is_stopped_while_its_inputs_are_laid(cloud, endless):
    reconciler = make(cloud, max_runtime_seconds=1)
    job = wait_for_end(cloud)
    reconciler.stop()
    assert (job.state, job.progress.ended_by) == (State.STOPPED, Limit.RUNTIME)


def test_a_server_goes_down_while_inputs_are_laid_and_the_next_one_lays_them(cloud, endless):
    reconciler = make(cloud)
    asked_at = time.monotonic()
    reconciler.stop()
    assert time.monotonic() - asked_at < 5
    assert jobs.find(cloud, TRAINING, NAME).state == State.STAGING
    endless.undo()
    reconciler = start(cloud)
    wait_for_end(cloud)
    reconciler.stop()
    assert "running" in [event.state for event in jobs.history(cloud, jobs.find(cloud, TRAINING, NAME))]
