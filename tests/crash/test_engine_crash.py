"""kill -9 of the server at any moment of a start: a new engine continues, and a program runs exactly once."""

import random
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.work import Phase, StagingError

sys.path.insert(0, str(Path(__file__).parent))
import environment_driver
from engine_driver import SIZE, make_work, slow_fetch

ROUNDS = 12


def killed_driver(root: Path, *warmth: str, after_seconds: float, name: str = "engine_driver.py") -> None:
    command = [sys.executable, str(Path(__file__).with_name(name)), str(root), *warmth]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "starting\n"
        time.sleep(after_seconds)
        driver.kill()


def check_that_the_work_ends_once(root: Path) -> None:
    engine = LocalEngine(root, slow_fetch)
    work = make_work()
    try:
        engine.start(work)
        deadline = time.monotonic() + 30
        while any(status.phase != Phase.EXITED for status in engine.status("w")):
            assert time.monotonic() < deadline, engine.status("w")
            time.sleep(0.01)
        assert [status.exit_code for status in engine.status("w")] == [3, 3]
        (rendezvous,) = root.glob("*-w/rendezvous")
        assert (rendezvous / "ran").read_text() == "x\nx\n", "each of the two replicas ran once"
        for replica in (0, 1):
            assert [line.text.strip() for line in engine.logs("w", replica, 0).lines] == [str(SIZE)]
    finally:
        engine.remove("w")
        engine.close()


@pytest.mark.parametrize("warmth", ["cold", "warm"])
def test_a_work_whose_server_is_killed_while_it_starts_it_ends_exactly_once(tmp_path: Path, warmth: str) -> None:
    delays = random.Random(7)
    for number in range(ROUNDS):
        root = tmp_path / str(number)
        killed_driver(root, warmth, after_seconds=delays.uniform(0, 0.45 if warmth == "cold" else 0.25))
        check_that_the_work_ends_once(root)


def test_a_running_work_is_found_again_and_the_warm_parent_ends_with_its_server(tmp_path: Path) -> None:
    root = tmp_path / "work"
    command = [sys.executable, str(Path(__file__).with_name("engine_driver.py")), str(root), "warm"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "starting\n"
        warm_parent = int(driver.stdout.readline().split()[1])
        assert is_alive(warm_parent)
        driver.kill()
    engine = LocalEngine(root, slow_fetch)
    assert {status.phase for status in engine.status("w")} <= {Phase.RUNNING, Phase.EXITED}
    check_that_the_work_ends_once(root)
    deadline = time.monotonic() + 10
    while is_alive(warm_parent):
        assert time.monotonic() < deadline, "the warm parent lives on without its server"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def test_interrupted_staging_is_started_again(tmp_path: Path) -> None:
    root = tmp_path / "work"
    killed_driver(root, "cold", after_seconds=0.04)
    engine = LocalEngine(root, slow_fetch)
    assert {status.phase for status in engine.status("w")} == {Phase.STAGING}
    check_that_the_work_ends_once(root)


def test_an_environment_is_published_atomically_whenever_its_server_is_killed(tmp_path: Path) -> None:
    delays = random.Random(11)
    for number in range(ROUNDS):
        root = tmp_path / str(number) / "work"
        killed_driver(root, after_seconds=delays.uniform(0, 0.4), name="environment_driver.py")
        engine = LocalEngine(root, lambda _source: iter(()))
        kept = root.parent / "environments" / "key"
        was_published = engine.has_environment("key")
        if was_published:
            assert sorted(path.name for path in kept.iterdir()) == ["1", "2", "3", "bin"]
        before = kept.resolve()
        with suppress(StagingError) if was_published else nullcontext():  # a used environment is not built again
            environment_driver.build(engine, environment_driver.make_work())
        engine.remove("build")
        assert sorted(path.name for path in kept.iterdir()) == ["1", "2", "3", "bin"]
        assert not was_published or kept.resolve() == before
        assert {path.name for path in kept.parent.iterdir()} == {"key", kept.resolve().name}
        engine.close()
