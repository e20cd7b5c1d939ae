"""Nothing keeps running after the end of a work, however its program resists."""

import os

import pytest

from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.work import Phase, Replica, Resources, Work
from tests.support.engines import MODES, MakeEngine, output, processes
from tests.support.waiting import wait_for

RESOURCES = Resources(cpus=1, memory_bytes=256 << 20)
STUBBORN = """
import os, signal, sys, time
mark = sys.argv[1]
def resist():
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
def daemon(act):
    if not os.fork():
        os.setsid()
        if not os.fork():
            resist()
            act()
            time.sleep(600)
        os._exit(0)
"""


@pytest.fixture(params=MODES)
def engine(request: pytest.FixtureRequest, make_engine: MakeEngine) -> LocalEngine:
    return make_engine(mode=request.param)


@pytest.fixture
def mark(request: pytest.FixtureRequest) -> str:
    """A word in the command line of all that a test starts."""
    return f"mark-{os.getpid()}-{request.node.name}"


def start(engine: LocalEngine, program: str, mark: str, disk_bytes: int = 0) -> None:
    command = ("python", "-c", STUBBORN + program, mark)
    engine.start(Work("w", command, (Replica(),), RESOURCES, disk_bytes=disk_bytes))


def has_ended(engine: LocalEngine) -> bool:
    return engine.status("w")[0].phase == Phase.EXITED


def alive(mark: str) -> list[int]:
    return [pid for pid in processes(mark) if pid != os.getpid()]


def test_daemons_that_ignore_all_end_with_a_stop(engine: LocalEngine, mark: str) -> None:
    start(engine, "resist(); [daemon(lambda: None) for _ in range(5)]; print('ready'); time.sleep(600)", mark)
    wait_for(lambda: output(engine) == ["ready"] and len(alive(mark)) >= 6)
    engine.stop("w", 0.1)
    wait_for(lambda: has_ended(engine))
    assert alive(mark) == []


def test_daemons_end_when_their_program_does(engine: LocalEngine, mark: str) -> None:
    start(engine, "[daemon(lambda: None) for _ in range(5)]; time.sleep(0.3)", mark)
    wait_for(lambda: has_ended(engine))
    assert engine.status("w")[0].exit_code == 0
    assert alive(mark) == []


def test_a_program_that_keeps_forking_is_ended_by_remove(engine: LocalEngine, mark: str) -> None:
    storm = (
        "\ndef storm():\n    while True:\n        time.sleep(0.002)\n"
        "        if not os.fork(): os.fork(); time.sleep(0.02); os._exit(0)\n"
    )
    start(engine, storm + "signal.signal(17, signal.SIG_IGN); daemon(storm); storm()", mark)
    wait_for(lambda: len(alive(mark)) > 8)
    engine.remove("w")
    assert alive(mark) == []


def test_a_daemon_that_fills_the_disk_ends_the_work(engine: LocalEngine, mark: str) -> None:
    program = (
        "\ndef fill():\n    for number in range(64): open(f'model/{number}', 'wb').write(bytes(1 << 20))\n"
        "daemon(fill); resist(); time.sleep(600)"
    )
    start(engine, program, mark, disk_bytes=32 << 20)
    wait_for(lambda: has_ended(engine))
    assert engine.status("w")[0].reason == "disk full"
    assert alive(mark) == []


def test_a_daemon_that_fills_the_memory_harms_its_work_alone(engine: LocalEngine, mark: str) -> None:
    fill = "\ndef fill():\n    kept = []\n    while True: kept.append(os.urandom(1 << 20)); time.sleep(0.002)\n"
    start(engine, fill + "daemon(fill); resist(); time.sleep(1.5)", mark)
    wait_for(lambda: has_ended(engine))
    status = engine.status("w")[0]
    assert (status.exit_code, status.reason) in ((0, ""), (-9, "out of memory"))
    assert alive(mark) == []


def test_a_program_that_closed_all_and_hangs_is_ended(engine: LocalEngine, mark: str) -> None:
    start(engine, "resist(); print(1, flush=True); os.closerange(0, 1024); os.setpgid(0, 0); time.sleep(600)", mark)
    wait_for(lambda: output(engine) == ["1"])
    engine.stop("w", 0.1)
    wait_for(lambda: has_ended(engine))
    assert engine.status("w")[0].exit_code == -9
    assert alive(mark) == []
