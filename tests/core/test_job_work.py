"""What a job asks of the engine, and what its user reads when the program fails."""

from pathlib import Path

import pytest

from lowcloud.core import job_work
from lowcloud.engine import Phase, ReplicaStatus
from tests.conftest import make_cloud
from tests.core.test_jobs_lifecycle import job


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("out of memory", "ClientError: The program ran out of memory."),
        ("disk full", "ClientError: The program filled its volume of 1 GB. Write less, or ask for a larger"),
    ],
)
def test_a_program_that_was_ended_for_a_limit_fails_with_what_to_do(tmp_path: Path, reason: str, sentence: str) -> None:
    cloud = make_cloud(tmp_path / "home")
    ended = ReplicaStatus(Phase.EXITED, -9, 1.0, 2.0, reason)
    assert job_work.failure(cloud, job(), (ended,)).startswith(sentence)
    cloud.database.close()
