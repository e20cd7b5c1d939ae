"""The model that a job leaves: stored, or refused with the reason."""

import errno
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lowcloud.core import buckets, job_creation, job_work, jobs, jobs_lifecycle, objects, shares
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import Invalid, StorageFull
from lowcloud.core.jobs import TRAINING, Job, State
from lowcloud.core.reconciler import Claim
from lowcloud.engine import Replica, Resources, Work
from lowcloud.store.tables import training_jobs
from tests.core import test_jobs_lifecycle

NAME = "job"
BUCKET = "bucket"
SPECIFICATION = replace(test_jobs_lifecycle.SPECIFICATION, hyperparameters={"predictor_type": "regressor"})


@pytest.fixture
def claim(cloud: Cloud) -> Claim:
    """A job whose program has ended; its model is to be stored."""
    buckets.create(cloud, BUCKET)
    job_creation.create(cloud, TRAINING, NAME, SPECIFICATION)
    work = Work(jobs.find(cloud, TRAINING, NAME).work_id, ("true",), (Replica(),), Resources(1, 1 << 30))
    cloud.engine.start(work)
    claim = Claim(cloud, training_jobs, NAME, "one")
    with cloud.database.transaction() as connection:
        connection.execute(training_jobs.update().values(state=State.STORING, lease_owner="one"))
    return claim


def model_folder(cloud: Cloud) -> Path:
    return next(cloud.settings.work.glob("*/0/base/model"))


def ended(claim: Claim) -> Job:
    assert jobs_lifecycle.advance(TRAINING, claim) is None
    return jobs.find(claim.cloud, TRAINING, NAME)


def test_a_model_is_stored_as_the_program_left_it(cloud, claim):
    (model_folder(cloud) / "weights").write_text("1")
    assert ended(claim).state == State.COMPLETED
    assert objects.head(cloud, BUCKET, f"output/{NAME}/output/model.tar.gz").size


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
def test_a_model_that_cannot_be_packed_fails_its_job_with_the_reason(cloud, claim, harm):
    harm(model_folder(cloud))
    job = ended(claim)
    assert job.state == State.FAILED
    assert "model folder cannot be read" in str(job.progress.failure)


def test_a_model_that_meets_a_full_disk_is_stored_when_there_is_space(cloud, claim, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lowcloud.core.bodies.LARGEST_SMALL_BYTES", 0)  # a small model lies in the database
    with monkeypatch.context() as full:
        full.setattr("lowcloud.store.files.BlobWriter.write", refuse)
        with pytest.raises(StorageFull):
            jobs_lifecycle.advance(TRAINING, claim)
    assert jobs.find(cloud, TRAINING, NAME).state == State.STORING
    assert ended(claim).state == State.COMPLETED


def test_an_output_bucket_that_does_not_exist_is_refused_before_anything_runs(cloud):
    with pytest.raises(Invalid, match=r"'bucket' of the output does not exist\. Create it"):
        job_creation.create(cloud, TRAINING, NAME, SPECIFICATION)


def test_a_job_that_an_earlier_version_has_kept_is_read(cloud, claim):
    old = training_jobs.update().values(specification={**asdict(SPECIFICATION), "is_output_compressed": True})
    with cloud.database.transaction() as connection:
        connection.execute(old)
    assert jobs.find(cloud, TRAINING, NAME).specification == SPECIFICATION


def test_a_host_does_not_get_all_of_the_memory(cloud, claim):
    limit = job_work.plan(cloud, jobs.find(cloud, TRAINING, NAME)).resources.memory_bytes
    assert limit <= cloud.engine.capacity().memory_bytes - shares.RESERVE_BYTES
