"""The model that a job produces: stored, or refused with the reason."""

import errno
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.control.reconciler import LeasedRecord
from lowcloud.core.errors import InvalidError, StorageFullError
from lowcloud.core.jobs import creation, lifecycle
from lowcloud.core.jobs import work as job_work
from lowcloud.core.jobs.jobs import Job, State
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.scheduling import capacity
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import objects
from lowcloud.core.telemetry.metric_extraction import MetricFaults
from lowcloud.engine.work import Replica, Resources, Work
from lowcloud.store.db.tables.jobs import training_jobs
from tests.core.jobs import test_lifecycle

NAME = "job"
BUCKET = "sagemaker-bucket"
SPECIFICATION = replace(test_lifecycle.SPECIFICATION, hyperparameters={"predictor_type": "regressor"})


@pytest.fixture
def claim(context: Context) -> LeasedRecord:
    """A job whose program has ended; its model is to be stored."""
    buckets.create(context, BUCKET)
    creation.create(context, TRAINING, NAME, SPECIFICATION)
    work = Work(resources.find(context, TRAINING, NAME).work_id, ("true",), (Replica(),), Resources(1, 1 << 30))
    context.engine.start(work)
    claim = LeasedRecord(context, TRAINING, NAME, "one")
    with context.database.transaction() as connection:
        connection.execute(training_jobs.update().values(state=State.STORING, lease_owner="one"))
    return claim


def model_folder(context: Context) -> Path:
    return next(context.settings.work.glob("*/0/base/model"))


def ended(claim: LeasedRecord) -> Job:
    assert lifecycle.advance(claim) is None
    return resources.find(claim.context, TRAINING, NAME)


def test_a_model_is_stored_as_the_program_left_it(context, claim):
    (model_folder(context) / "weights").write_text("1")
    assert ended(claim).state == State.COMPLETED
    assert objects.head(context, BUCKET, f"output/{NAME}/output/model.tar.gz").size


def test_what_a_job_keeps_in_memory_ends_with_it(context, claim):
    context.memory.get(MetricFaults).disable(NAME, "loss")
    ended(claim)
    assert not context.memory.get(MetricFaults).is_disabled(NAME, "loss")


def remove_it(model: Path) -> None:
    model.rmdir()


def replace_it_by_a_link(model: Path) -> None:
    model.rmdir()
    model.symlink_to("/etc")


def dig_too_deep(model: Path) -> None:
    for _ in range(250):
        model = model / "d"
        model.mkdir()


@pytest.mark.parametrize("harm", [remove_it, replace_it_by_a_link, dig_too_deep])
def test_a_model_that_cannot_be_packed_fails_its_job_with_the_reason(context, claim, harm):
    harm(model_folder(context))
    job = ended(claim)
    assert job.state == State.FAILED
    assert "model folder cannot be read" in str(job.progress.failure)


def test_a_model_that_meets_a_full_disk_is_stored_when_there_is_space(context, claim, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(
        "lowcloud.core.storage.objects.bodies.MAX_INLINE_BYTES", 0
    )  # a small model lies in the database
    with monkeypatch.context() as full:
        full.setattr("lowcloud.store.blobs.files.BlobWriter.write", refuse)
        with pytest.raises(StorageFullError):
            lifecycle.advance(claim)
    assert resources.find(context, TRAINING, NAME).state == State.STORING
    assert ended(claim).state == State.COMPLETED


def test_an_output_bucket_that_does_not_exist_is_refused_before_anything_runs(context):
    with pytest.raises(InvalidError, match=r"'sagemaker-bucket' of the output does not exist\. Create it"):
        creation.create(context, TRAINING, NAME, SPECIFICATION)


def test_a_job_stored_by_an_earlier_version_is_read(context, claim):
    old = training_jobs.update().values(specification={**asdict(SPECIFICATION), "is_output_compressed": True})
    with context.database.transaction() as connection:
        connection.execute(old)
    assert resources.find(context, TRAINING, NAME).specification == SPECIFICATION


def test_a_host_does_not_get_all_of_the_memory(context, claim):
    limit = job_work.plan(context, resources.find(context, TRAINING, NAME)).resources.memory_bytes
    assert limit <= context.engine.capacity().memory_bytes - capacity.RESERVE_BYTES
