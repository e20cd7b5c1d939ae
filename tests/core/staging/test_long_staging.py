"""Inputs that take long to stage: meanwhile the job can be stopped or exceed its time, and the server can stop."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.control.reconciler import Reconciler
from lowcloud.core.jobs import creation, jobs
from lowcloud.core.jobs.jobs import Job, Limit, State
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.resource_kind import Registry
from lowcloud.core.staging.channels import Channel
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import objects
from tests.core.jobs.test_outputs import BUCKET, SPECIFICATION
from tests.support.waiting import wait_for

NAME = "job"


@pytest.fixture
def endless(context: Context, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Until it is undone, reading the only object never ends."""
    buckets.create(context, BUCKET)
    objects.put(context, BUCKET, "data/train.csv", [b"1,2\n0,3\n"])
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


def make(context: Context, **changes) -> Reconciler:
    """A reconciler that is staging the inputs of a new job."""
    channel = Channel("train", BUCKET, "data/")
    creation.create(context, TRAINING, NAME, replace(SPECIFICATION, channels=(channel,), **changes))
    return start(context)


def start(context: Context) -> Reconciler:
    reconciler = Reconciler(replace(context, kinds=Registry((TRAINING,))))
    reconciler.start()
    wait_for(lambda: list(context.settings.work.glob("*/0/base/input/data/train/*")))
    return reconciler


def wait_for_end(context: Context) -> Job:
    wait_for(lambda: resources.find(context, TRAINING, NAME).state.is_end, 30)
    return resources.find(context, TRAINING, NAME)


def test_a_job_is_stopped_while_its_inputs_are_staged(context, endless):
    reconciler = make(context)
    jobs.stop(context, TRAINING, NAME)
    job = wait_for_end(context)
    reconciler.stop()
    assert (job.state, job.progress.failure) == (State.STOPPED, None)
    assert [event.state for event in jobs.history(context, resources.find(context, TRAINING, NAME))] == [
        "pending",
        "staging",
        "stopped",
    ]


def test_a_job_that_exceeds_its_time_is_stopped_while_its_inputs_are_staged(context, endless):
    reconciler = make(context, max_runtime_seconds=1)
    job = wait_for_end(context)
    reconciler.stop()
    assert (job.state, job.progress.ended_by) == (State.STOPPED, Limit.RUNTIME)


def test_a_server_stops_while_inputs_are_staged_and_the_next_one_stages_them(context, endless):
    reconciler = make(context)
    asked_at = time.monotonic()
    reconciler.stop()
    assert time.monotonic() - asked_at < 5
    assert resources.find(context, TRAINING, NAME).state == State.STAGING
    endless.undo()
    reconciler = start(context)
    wait_for_end(context)
    reconciler.stop()
    assert "running" in [event.state for event in jobs.history(context, resources.find(context, TRAINING, NAME))]
