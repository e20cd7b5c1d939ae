"""The work that the engine runs for a job, and the message for its user if the program fails."""

from dataclasses import replace
from pathlib import Path

import pytest

from lowcloud.core.jobs import work
from lowcloud.core.jobs.job_kind import JobKind
from lowcloud.core.jobs.processing import PROCESSING
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.programs import images, resolver
from lowcloud.engine.work import Phase, ReplicaStatus
from tests.core.jobs.test_lifecycle import SPECIFICATION, job
from tests.support.servers.gateways import make_context


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("out of memory", "ClientError: The program ran out of memory."),
        ("disk full", "ClientError: The program filled its volume of 1 GB. Write less data, or request a larger"),
    ],
)
def test_a_program_that_was_ended_for_a_limit_fails_with_what_to_do(tmp_path: Path, reason: str, sentence: str) -> None:
    context = make_context(tmp_path / "home")
    ended = ReplicaStatus(Phase.EXITED, -9, 1.0, 2.0, reason)
    assert work.failure(context, job(), (ended,)).startswith(sentence)
    context.database.close()


@pytest.mark.parametrize(
    ("kind", "entrypoint", "arguments", "expected"),
    [
        (TRAINING, (), (), ("train",)),
        (TRAINING, (), ("--fast",), ("--fast",)),
        (TRAINING, ("run.sh",), (), ()),
        (PROCESSING, (), (), ()),
    ],
)
def test_a_container_without_arguments_runs_train(
    tmp_path: Path, kind: JobKind, entrypoint: tuple[str, ...], arguments: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    context = make_context(tmp_path / "home")
    images.register(context, images.Image("mine", 0.0, is_container=True))
    requested = replace(SPECIFICATION, image="mine", entrypoint=entrypoint, arguments=arguments)
    program = resolver.resolve(context, requested.image, kind.rules(requested))
    assert (program.container, program.command) == ("mine", expected)
    context.database.close()
