"""The server is killed by SIGKILL at any moment of a start: a new engine continues, and a program runs exactly once."""

import random
import subprocess
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.work import Phase, StagingError
from tests.crash.drivers import environment
from tests.crash.drivers.driver import driver, killed_driver
from tests.crash.drivers.engine import SIZE, make_work, slow_fetch
from tests.support.engines import MakeEngine, ended, output
from tests.support.waiting import wait_for

ROUNDS = 12
STARTS = "engine"  # the module of the process that is killed


def check_that_the_work_ends_once(engine: LocalEngine, root: Path) -> None:
    engine.start(make_work())
    assert [(status.phase, status.exit_code) for status in ended(engine)] == [(Phase.EXITED, 3)] * 2
    (rendezvous,) = root.glob("*-w/rendezvous")
    assert (rendezvous / "ran").read_text() == "x\nx\n", "each of the two replicas ran once"
    for replica in (0, 1):
        assert [line.strip() for line in output(engine, replica=replica)] == [str(SIZE)]
    engine.remove("w")


@pytest.mark.parametrize("warmth", ["cold", "warm"])
def test_a_work_whose_server_is_killed_while_it_starts_it_ends_exactly_once(
    make_engine: MakeEngine, tmp_path: Path, warmth: str
) -> None:
    delays = random.Random(7)
    for number in range(ROUNDS):
        root = tmp_path / str(number)
        killed_driver(STARTS, root, warmth, after_seconds=delays.uniform(0, 0.45 if warmth == "cold" else 0.25))
        engine = make_engine(slow_fetch, root=root)
        check_that_the_work_ends_once(engine, root)
        engine.close()


def test_a_running_work_is_found_again_and_the_warm_parent_ends_with_its_server(
    make_engine: MakeEngine, tmp_path: Path
) -> None:
    root = tmp_path / "work"
    with driver(STARTS, root, "warm") as process:
        assert process.stdout is not None
        warm_parent = int(process.stdout.readline().split()[1])
        assert is_alive(warm_parent)
    engine = make_engine(slow_fetch, root=root)
    assert {status.phase for status in engine.status("w")} <= {Phase.RUNNING, Phase.EXITED}
    check_that_the_work_ends_once(engine, root)
    wait_for(lambda: not is_alive(warm_parent))


def is_alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def test_a_staging_that_was_interrupted_begins_again(make_engine: MakeEngine, tmp_path: Path) -> None:
    root = tmp_path / "work"
    killed_driver(STARTS, root, "cold", after_seconds=0.04)
    engine = make_engine(slow_fetch, root=root)
    assert {status.phase for status in engine.status("w")} == {Phase.STAGING}
    check_that_the_work_ends_once(engine, root)


def test_an_environment_is_published_complete_or_not_at_all_whenever_its_server_is_killed(
    make_engine: MakeEngine, tmp_path: Path
) -> None:
    delays = random.Random(11)
    for number in range(ROUNDS):
        root = tmp_path / str(number) / "work"
        killed_driver("environment", root, after_seconds=delays.uniform(0, 0.4))
        engine = make_engine(root=root)
        kept = root.parent / "environments" / "key"
        was_published = engine.has_environment("key")
        if was_published:
            assert sorted(path.name for path in kept.iterdir()) == ["1", "2", "3", "bin"]
        before = kept.resolve()
        with suppress(StagingError) if was_published else nullcontext():  # what is in use is not built over
            environment.build(engine, environment.make_work())
        engine.remove("build")
        assert sorted(path.name for path in kept.iterdir()) == ["1", "2", "3", "bin"]
        assert not was_published or kept.resolve() == before
        assert {path.name for path in kept.parent.iterdir()} == {"key", kept.resolve().name}
        engine.close()
