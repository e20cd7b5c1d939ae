"""What a job asks of the engine, and what its user reads when the program fails."""

from dataclasses import replace
from pathlib import Path

import pytest

from lowcloud.core import images, job_work
from lowcloud.core.jobs import PROCESSING, TRAINING, Kind
from lowcloud.engine import Phase, ReplicaStatus
from tests.conftest import make_cloud
from tests.core.test_jobs_lifecycle import SPECIFICATION, job


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


@pytest.mark.parametrize(
    ("kind", "entrypoint", "arguments", "expected"),
    [
        (TRAINING, (), (), ("train",)),
        (TRAINING, (), ("--fast",), ("--fast",)),
        (TRAINING, ("run.sh",), (), ()),
        (PROCESSING, (), (), ()),
    ],
)
def test_a_container_is_told_to_train_where_nothing_else_is_said(
    tmp_path: Path, kind: Kind, entrypoint: tuple[str, ...], arguments: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    cloud = make_cloud(tmp_path / "home")
    images.teach(cloud, images.Image("mine", 0.0, is_container=True))
    asked = replace(SPECIFICATION, image="mine", entrypoint=entrypoint, arguments=arguments)
    program = images.program_of(cloud, kind, asked)
    assert (program.container, program.command) == ("mine", expected)
    cloud.database.close()
